from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmbot.config import (
    DEFAULTS,
    SECRETS,
    Bind,
    Config,
    ConfigError,
    Environment,
    LogLevel,
    PostgresUrl,
    Secret,
    Source,
    SqliteUrl,
    TransportName,
)

TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0"


def read(**environ: str) -> Config:
    return Config.from_env({"BOT_TOKEN": TOKEN, **environ})


def problems(environ: Mapping[str, str]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        Config.from_env(environ)
    return caught.value.problems


def problem(**environ: str) -> str:
    found = problems({"BOT_TOKEN": TOKEN, **environ})
    assert len(found) == 1
    return found[0]


def test_a_token_is_all_it_needs() -> None:
    config = read()

    assert config.bot_token == Secret(TOKEN)
    assert config.environment is Environment.DEVELOPMENT
    assert config.database == SqliteUrl(Path("gmbot.db"))
    assert config.redis_url is None
    assert config.webhook.url is None
    assert config.webhook.bind == Bind("127.0.0.1", 8443)
    assert config.webhook.secrets == ()
    assert config.webhook.drain_grace == 5
    assert config.sidecar_bind == Bind("127.0.0.1", 9090)
    assert config.bot_api_url == "https://api.telegram.org"
    assert config.http_transport is TransportName.HTTPX
    assert (config.rates.messages, config.rates.group_messages, config.rates.calls) == (25, 20, 100)
    assert config.sentry_dsn is None
    assert config.log_level is LogLevel.INFO
    assert config.source is Source.POLLING


def test_all_problems_are_told_at_once_one_line_for_each() -> None:
    found = problems(
        {
            "ENVIRONMENT": "staging",
            "DATABASE_URL": "mysql://root:hunter2@db/gmbot",
            "REDIS_URL": "http://cache",
            "WEBHOOK_URL": "ftp://bot.example",
            "WEBHOOK_BIND": "8443",
            "WEBHOOK_SECRET": "not allowed!",
            "SIDECAR_BIND": "localhost:http",
            "BOT_API_URL": "api.telegram.org",
            "HTTP_TRANSPORT": "curl",
            "RATE_MESSAGES": "-1",
            "RATE_GROUP_MESSAGES": "nan",
            "RATE_CALLS": "1e999",
            "DRAIN_GRACE": "soon",
            "SENTRY_DSN": "https://sentry.example/1",
            "LOG_LEVEL": "loud",
        }
    )

    assert sorted(line.split()[0] for line in found) == sorted(
        [*DEFAULTS, "BOT_TOKEN", "REDIS_URL", "WEBHOOK_URL", "WEBHOOK_SECRET", "SENTRY_DSN"]
    )
    assert all(line.isprintable() for line in found)


def test_the_error_itself_reads_as_its_lines() -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_env({"LOG_LEVEL": "loud"})

    assert str(caught.value).splitlines() == list(caught.value.problems)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("  \n", id="blank"),
        pytest.param("AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0", id="no id"),
        pytest.param("0123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0", id="leading zero"),
        pytest.param("123456:AAHdqTcvCH1vGWJxfSeofSA", id="cut short"),
        pytest.param("123456:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsa/0", id="foreign character"),
        pytest.param("123456:" + "A" * 80, id="too long"),
        pytest.param("١٢٣:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0", id="other digits"),
    ],
)
def test_what_is_no_token_is_refused(token: str) -> None:
    line = problem(BOT_TOKEN=token)

    assert line.startswith("BOT_TOKEN ")
    assert "@BotFather" in line


def test_an_empty_variable_is_as_good_as_none() -> None:
    assert read(**dict.fromkeys(DEFAULTS, ""), REDIS_URL="", WEBHOOK_SECRET=" ") == read()


def test_names_of_others_are_left_alone() -> None:
    assert read(PATH="/bin", GMBOT_COLOUR="red", LOG_LEVEL_FILE="/nowhere") == read()


@pytest.mark.parametrize(
    ("url", "database"),
    [
        pytest.param("sqlite:///data/bot.db", SqliteUrl(Path("data/bot.db")), id="relative"),
        pytest.param("sqlite:////var/bot.db", SqliteUrl(Path("/var/bot.db")), id="absolute"),
        pytest.param(
            "postgresql://u:p@db/gmbot",
            PostgresUrl(Secret("postgresql://u:p@db/gmbot")),
            id="postgresql",
        ),
        pytest.param(
            "postgresql://a:5432,b:5433/gmbot?target_session_attrs=any",
            PostgresUrl(Secret("postgresql://a:5432,b:5433/gmbot?target_session_attrs=any")),
            id="several hosts",
        ),
    ],
)
def test_two_kinds_of_database_are_known(url: str, database: object) -> None:
    assert read(DATABASE_URL=url).database == database


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("sqlite://bot.db", id="two slashes"),
        pytest.param("sqlite:///", id="no file"),
        pytest.param("sqlite:////var/lib/", id="a directory"),
        pytest.param("sqlite:///:memory:", id="in memory"),
        pytest.param("sqlite:///bot.db?mode=ro", id="options"),
        pytest.param("sqlite:///b\0t.db", id="zero byte"),
        pytest.param("postgres://u:p@db/gmbot", id="old scheme"),
        pytest.param("postgresql://u:p@db/gm bot", id="a space"),
        pytest.param("bot.db", id="a bare path"),
    ],
)
def test_other_databases_are_refused(url: str) -> None:
    assert problem(DATABASE_URL=url).startswith("DATABASE_URL ")


@pytest.mark.parametrize("url", ["redis://h", "rediss://:pw@h:6380/1", "unix:///run/redis.sock"])
def test_redis_has_three_schemes(url: str) -> None:
    assert read(REDIS_URL=url).redis_url == Secret(url)


@pytest.mark.parametrize(
    "url", ["h:6379", "redis://", "redis://:pw@/0", "unix://", "redis://h:port", "redis://[::1"]
)
def test_a_redis_address_without_a_server_is_refused(url: str) -> None:
    assert problem(REDIS_URL=url).startswith("REDIS_URL ")


@pytest.mark.parametrize(
    "url",
    ["https://bot.example/hook", "https://bot.example:8443", "https://u:p@bot.example:88/x?y=z"],
)
def test_telegram_delivers_over_https_to_four_ports(url: str) -> None:
    assert read(WEBHOOK_URL=url).webhook.url == url


@pytest.mark.parametrize(
    "url", ["http://bot.example", "https://", "bot.example", "https://bot.example:8080"]
)
def test_telegram_delivers_nowhere_else(url: str) -> None:
    assert problem(WEBHOOK_URL=url).startswith("WEBHOOK_URL ")


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/hook", "https://bot.example:8080"])
def test_a_bot_api_server_of_ones_own_delivers_anywhere(url: str) -> None:
    config = read(WEBHOOK_URL=url, BOT_API_URL="http://127.0.0.1:8081/")

    assert config.webhook.url == url
    assert config.bot_api_url == "http://127.0.0.1:8081"


def test_telegrams_own_server_is_known_by_its_host() -> None:
    line = problem(WEBHOOK_URL="http://bot.example", BOT_API_URL="https://API.telegram.org./")

    assert line.startswith("WEBHOOK_URL ")


@pytest.mark.parametrize(
    "url", ["https://api.example/?a=b", "https://api.example/#a", "https://u:p@api.example"]
)
def test_a_bot_api_server_is_scheme_host_and_path(url: str) -> None:
    assert problem(BOT_API_URL=url).startswith("BOT_API_URL ")


@pytest.mark.parametrize(
    ("environment", "url", "source"),
    [
        ("development", "", Source.POLLING),
        ("development", "https://bot.example", Source.POLLING),
        ("production", "", Source.POLLING),
        ("Production", "https://bot.example", Source.WEBHOOK),
    ],
)
def test_webhooks_are_for_production_with_an_address(
    environment: str, url: str, source: Source
) -> None:
    assert read(ENVIRONMENT=environment, WEBHOOK_URL=url).source is source


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("127.0.0.1:0", Bind("127.0.0.1", 0)),
        ("0.0.0.0:65535", Bind("0.0.0.0", 65535)),
        ("[::1]:9090", Bind("::1", 9090)),
        ("sidecar.internal:80", Bind("sidecar.internal", 80)),
    ],
)
def test_an_address_to_listen_on_is_host_and_port(text: str, bind: Bind) -> None:
    config = read(SIDECAR_BIND=text)

    assert config.sidecar_bind == bind
    assert str(config.sidecar_bind) == text


@pytest.mark.parametrize(
    "text",
    ["9090", ":9090", "*:80", "h:65536", "h:-1", "h:٣", "::1:80", "[::g]:80", "1.2.3:80", "a b:1"],
)
def test_what_is_no_address_to_listen_on_is_refused(text: str) -> None:
    assert problem(SIDECAR_BIND=text).startswith("SIDECAR_BIND ")


def test_receiver_and_sidecar_need_ports_of_their_own() -> None:
    both = {"WEBHOOK_BIND": "127.0.0.1:80", "SIDECAR_BIND": "127.0.0.1:80"}
    webhook = {"ENVIRONMENT": "production", "WEBHOOK_URL": "https://bot.example"}

    assert "SIDECAR_BIND" in problem(**both, **webhook)
    read(**both)
    read(**webhook, WEBHOOK_BIND="127.0.0.1:0", SIDECAR_BIND="127.0.0.1:0")


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        pytest.param("a", ["a"], id="one character"),
        pytest.param("x" * 256, ["x" * 256], id="256"),
        pytest.param("new_1,old-2", ["new_1", "old-2"], id="rotating"),
        pytest.param("new, old", ["new", "old"], id="rotating with a space"),
    ],
)
def test_a_webhook_has_one_secret_or_two(text: str, secrets: list[str]) -> None:
    assert read(WEBHOOK_SECRET=text).webhook.secrets == tuple(map(Secret, secrets))


@pytest.mark.parametrize("text", ["x" * 257, "a,b,c", "new,", ",old", "a.b", "ä"])
def test_what_telegram_would_not_take_as_a_secret_is_refused(text: str) -> None:
    assert problem(WEBHOOK_SECRET=text).startswith("WEBHOOK_SECRET ")


@pytest.mark.parametrize(("text", "number"), [("0", 0.0), ("0.5", 0.5), (".5", 0.5), ("7.", 7.0)])
def test_a_rate_is_a_number_from_0_on(text: str, number: float) -> None:
    assert read(RATE_CALLS=text).rates.calls == number


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "1_000", "1e3", "9" * 400, "٣", "."])
def test_other_numbers_are_refused(text: str) -> None:
    assert problem(RATE_CALLS=text).startswith("RATE_CALLS ")


@pytest.mark.parametrize("text", ["debug", "DEBUG", "Debug"])
def test_levels_may_be_written_in_any_case(text: str) -> None:
    assert read(LOG_LEVEL=text).log_level is LogLevel.DEBUG


def test_a_dsn_has_a_key_a_host_and_a_project() -> None:
    assert read(SENTRY_DSN="https://key@o1.sentry.example/42").sentry_dsn is not None
    assert problem(SENTRY_DSN="https://key@o1.sentry.example/").startswith("SENTRY_DSN ")


@pytest.mark.parametrize("content", [f"{TOKEN}\n", f"\ufeff{TOKEN}\r\n", f"  {TOKEN}  "])
def test_a_secret_may_come_from_a_file_however_it_was_saved(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8")

    config = Config.from_env({"BOT_TOKEN_FILE": str(file)})

    assert config.bot_token == Secret(TOKEN)


@pytest.mark.parametrize("name", SECRETS)
def test_every_secret_may_come_from_a_file(tmp_path: Path, name: str) -> None:
    secrets = {
        "BOT_TOKEN": TOKEN,
        "DATABASE_URL": "postgresql://db/x",
        "REDIS_URL": "redis://cache",
        "WEBHOOK_SECRET": "s3cret",
        "SENTRY_DSN": "https://key@sentry.example/1",
    }
    file = tmp_path / name
    file.write_text(secrets[name], encoding="utf-8")
    rest = {each: value for each, value in secrets.items() if each != name}

    assert Config.from_env({**rest, f"{name}_FILE": str(file)}) == Config.from_env(secrets)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b" \n", "empty", id="blank"),
        pytest.param(b"\xff\xfe", "UTF-8", id="binary"),
        pytest.param(b"a" * 70_000, "over", id="huge"),
        pytest.param(TOKEN.encode() + b"\nsecond line", "no bot token", id="two lines"),
    ],
)
def test_a_file_that_holds_no_secret_is_a_problem(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)

    (line,) = problems({"BOT_TOKEN_FILE": str(file)})

    assert line.startswith("BOT_TOKEN ")
    assert reason in line


def test_a_missing_file_is_a_problem_that_names_the_variable_and_not_what_it_holds() -> None:
    (line,) = problems({"BOT_TOKEN_FILE": TOKEN})

    assert "BOT_TOKEN_FILE" in line
    assert "No such file" in line
    assert TOKEN not in line


def test_value_and_file_together_are_ambiguous(tmp_path: Path) -> None:
    file = tmp_path / "redis"
    file.write_text("redis://h", encoding="utf-8")

    line = problem(REDIS_URL="redis://h", REDIS_URL_FILE=str(file))

    assert line == "REDIS_URL and REDIS_URL_FILE are both set: keep one"


SECRET_TEXT = st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=40).map(
    "hunter22{}".format  # so that it is no word of ours by chance
)


@given(SECRET_TEXT)
def test_no_secret_shows_in_a_config(secret: str) -> None:
    config = read(
        DATABASE_URL=f"postgresql://u:db{secret}@h/n",
        REDIS_URL=f"redis://:re{secret}@h",
        WEBHOOK_URL=f"https://u:wh{secret}@bot.example",
        WEBHOOK_SECRET=f"new{secret},old{secret}",
        SENTRY_DSN=f"https://key{secret}@h/1",
    )

    assert secret not in repr(config)
    assert TOKEN not in repr(config)
    hidden = {each.reveal() for each in config.secrets}
    words = {f"{part}{secret}" for part in ("db", "re", "wh", "new", "old")}
    assert words | {TOKEN, f"https://key{secret}@h/1"} <= hidden


@given(st.sampled_from([*SECRETS, "WEBHOOK_URL", "BOT_API_URL"]), SECRET_TEXT)
def test_no_secret_shows_in_a_problem(name: str, secret: str) -> None:
    wrong = ["{}", "ftp://u:{}@host/", "redis://:{}@host:port", "https://[{}", "{} !", "x://h:{}"]
    for form in wrong:
        text = form.format(f"q{secret}q,,")
        lines = problems({"BOT_TOKEN": TOKEN, name: text})

        assert not any(secret in line for line in lines)


@given(st.dictionaries(st.sampled_from([*DEFAULTS, "REDIS_URL", "WEBHOOK_URL"]), st.text()))
def test_any_environment_is_a_config_or_problems_in_single_lines(environ: dict[str, str]) -> None:
    lines: tuple[str, ...] = ()
    try:
        read(**environ)
    except ConfigError as error:
        lines = error.problems or ("",)

    assert all(line and line.isprintable() for line in lines)


def test_passwords_are_secrets_on_their_own_as_written_and_decoded() -> None:
    config = read(
        DATABASE_URL="postgresql://a:1,b:2/n?password=pa%20ss", REDIS_URL="redis://:p%40@h"
    )

    assert {"pa ss", "p%40", "p@"} <= {each.reveal() for each in config.secrets}
    assert "1,b" not in {each.reveal() for each in config.secrets}


def test_a_secret_shows_stars_and_compares_by_value() -> None:
    secret = Secret("hunter2")

    assert "hunter2" not in f"{secret} {secret!r} {[secret]}"
    assert secret == Secret("hunter2")
    assert secret != Secret("hunter3")
    assert len({secret, Secret("hunter2")}) == 1
