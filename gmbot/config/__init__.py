"""Settings from the environment, read once and checked as a whole."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from gmbot.config import values
from gmbot.config.values import Bind, PostgresUrl, Secret, SqliteUrl, WrongError

__all__ = [
    "DEFAULTS",
    "SECRETS",
    "Bind",
    "Config",
    "ConfigError",
    "Environment",
    "LogLevel",
    "PostgresUrl",
    "Rates",
    "Secret",
    "Source",
    "SqliteUrl",
    "TransportName",
    "Webhook",
]

T = TypeVar("T")

# What holds where a variable is not set, in the words of the environment. The rates stay below
# the published limits (core.telegram.org/bots/faq: about 30 messages a second overall, 20 a minute
# to one group); other calls have none, 100 a second is the ceiling of a bucket that adapts.
DEFAULTS: Mapping[str, str] = MappingProxyType(
    {
        "ENVIRONMENT": "development",
        "DATABASE_URL": "sqlite:///gmbot.db",
        "WEBHOOK_BIND": "127.0.0.1:8443",  # a port that Telegram delivers to, seen from a proxy
        "SIDECAR_BIND": "127.0.0.1:9090",
        "BOT_API_URL": "https://api.telegram.org",
        "HTTP_TRANSPORT": "httpx",
        "RATE_MESSAGES": "25",  # a second
        "RATE_GROUP_MESSAGES": "20",  # a minute
        "RATE_CALLS": "100",  # a second
        "DRAIN_GRACE": "5",  # seconds: a balancer asks /ready every few
        "LOG_LEVEL": "INFO",
    }
)

SECRETS = ("BOT_TOKEN", "DATABASE_URL", "REDIS_URL", "WEBHOOK_SECRET", "SENTRY_DSN")


class ConfigError(Exception):
    """The environment is wrong; `problems` has one line for each thing, none shows a secret."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Environment(StrEnum):
    """Where the bot runs: for people who look at it, or for machines that keep it running."""

    DEVELOPMENT = "development"
    PRODUCTION = "production"


class Source(StrEnum):
    """Where updates come from."""

    POLLING = "polling"
    WEBHOOK = "webhook"


class TransportName(StrEnum):
    """The HTTP library under the Bot API client."""

    HTTPX = "httpx"
    ASKS = "asks"


class LogLevel(StrEnum):
    """The least level that is logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """How updates are delivered to us; `secrets` are accepted, the first is given to Telegram."""

    url: str | None = field(repr=False)  # may hold a password, or a path that serves as one
    bind: Bind
    secrets: tuple[Secret, ...]  # none: to be made at start
    drain_grace: float  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """Limits of our own; 0 is none."""

    messages: float  # a second, overall
    group_messages: float  # a minute, to one group
    calls: float  # a second, all other calls


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All settings."""

    bot_token: Secret
    environment: Environment
    database: SqliteUrl | PostgresUrl
    redis_url: Secret | None
    webhook: Webhook
    sidecar_bind: Bind
    bot_api_url: str  # no slash at its end
    http_transport: TransportName
    rates: Rates
    sentry_dsn: Secret | None
    log_level: LogLevel

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Config":
        """Read and check every variable. Raises ConfigError with all problems at once."""
        read = _Reader(environ)
        token = read.optional("BOT_TOKEN", values.token)
        if token is None and "BOT_TOKEN" not in read.wrong:
            read.problem(
                "BOT_TOKEN", "is missing: get one from @BotFather, set it or BOT_TOKEN_FILE"
            )
        bot_api_url = read.setting("BOT_API_URL", values.api_url)
        public = "BOT_API_URL" not in read.wrong and values.is_public(bot_api_url)
        webhook_url = read.optional("WEBHOOK_URL", values.webhook_url_for(public=public))
        config = cls(
            bot_token=token or Secret(""),
            environment=read.setting("ENVIRONMENT", values.one_of(Environment)),
            database=read.setting("DATABASE_URL", values.database),
            redis_url=read.optional("REDIS_URL", values.redis),
            webhook=Webhook(
                url=webhook_url,
                bind=read.setting("WEBHOOK_BIND", values.bind),
                secrets=read.optional("WEBHOOK_SECRET", values.webhook_secrets) or (),
                drain_grace=read.setting("DRAIN_GRACE", values.amount),
            ),
            sidecar_bind=read.setting("SIDECAR_BIND", values.bind),
            bot_api_url=bot_api_url,
            http_transport=read.setting("HTTP_TRANSPORT", values.one_of(TransportName)),
            rates=Rates(
                messages=read.setting("RATE_MESSAGES", values.amount),
                group_messages=read.setting("RATE_GROUP_MESSAGES", values.amount),
                calls=read.setting("RATE_CALLS", values.amount),
            ),
            sentry_dsn=read.optional("SENTRY_DSN", values.dsn),
            log_level=read.setting("LOG_LEVEL", values.one_of(LogLevel)),
        )
        if config._binds_clash:
            read.problem("WEBHOOK_BIND", "is the same as SIDECAR_BIND: give one another port")
        if read.problems:
            raise ConfigError(tuple(read.problems))
        return config

    @property
    def source(self) -> Source:
        """Webhooks in production where an address for them is known, long polling else."""
        if self.environment is Environment.PRODUCTION and self.webhook.url is not None:
            return Source.WEBHOOK
        return Source.POLLING

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Every string that must not be seen, the passwords inside URLs on their own too."""
        database = self.database.url if isinstance(self.database, PostgresUrl) else None
        urls = [url for url in (database, self.redis_url, self.sentry_dsn) if url is not None]
        texts = [url.reveal() for url in urls] + [self.webhook.url or ""]
        passwords = [Secret(word) for text in texts for word in values.passwords(text)]
        return (self.bot_token, *self.webhook.secrets, *urls, *passwords)

    @property
    def _binds_clash(self) -> bool:
        shared = self.webhook.bind == self.sidecar_bind and self.sidecar_bind.port != 0
        return shared and self.source is Source.WEBHOOK


class _Reader:
    """Takes values one by one and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []
        self.wrong: set[str] = set()

    def setting(self, name: str, parse: Callable[[str], T]) -> T:
        """Read a variable that has a default; the default also stands in for a wrong value."""
        value = self.optional(name, parse)
        return parse(DEFAULTS[name]) if value is None else value

    def optional(self, name: str, parse: Callable[[str], T]) -> T | None:
        """Read a variable; None where it is not set or wrong."""
        try:
            text = self._text(name)
            return None if text is None else parse(text)
        except WrongError as error:
            self.problem(name, str(error))
            return None

    def problem(self, name: str, what: str) -> None:
        """Note one line."""
        self.problems.append(f"{name} {what}")
        self.wrong.add(name)

    def _text(self, name: str) -> str | None:
        value = self._environ.get(name, "").strip()
        path = self._environ.get(f"{name}_FILE", "").strip() if name in SECRETS else ""
        if value and path:
            raise WrongError(f"and {name}_FILE are both set: keep one")
        if path:
            return _content(f"{name}_FILE", path)
        return value or None


_FILE_LIMIT = 64 * 1024  # bytes; far above any secret, far below what would hurt


def _content(name: str, path: str) -> str:
    # The path is not shown: whoever mixes the two names up has put the secret itself there.
    try:
        with Path(path).open("rb") as file:
            raw = file.read(_FILE_LIMIT + 1)
        text = raw[:_FILE_LIMIT].decode("utf-8-sig").strip()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise WrongError(f"cannot be read: {name} names a file, {reason}") from None
    except ValueError:
        raise WrongError(f"cannot be read: {name} names a file that is no UTF-8 text") from None
    if len(raw) > _FILE_LIMIT:
        raise WrongError(f"cannot be read: {name} names a file over {_FILE_LIMIT} bytes")
    if not text:
        raise WrongError(f"is empty: write it into the file that {name} names")
    return text
