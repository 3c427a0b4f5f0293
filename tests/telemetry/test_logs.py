import io
import json
import logging
import os
import re
import warnings
from typing import Any

import pytest
import structlog

from gmbot import __version__
from gmbot.config import Environment, LogLevel, Secret
from gmbot.telemetry.logs import configure_logs, get_logger

TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0"


def fail(error: Exception) -> None:
    raise error


class Lines:
    """What was logged."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    @property
    def text(self) -> str:
        return self.stream.getvalue()

    def json(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]

    def only(self) -> dict[str, Any]:
        (line,) = self.json()
        return line


@pytest.fixture
def lines() -> Lines:
    lines = Lines()
    configure_logs(
        environment=Environment.PRODUCTION,
        level=LogLevel.INFO,
        secrets=[Secret(TOKEN)],
        stream=lines.stream,
    )
    return lines


@pytest.fixture
def columns() -> Lines:
    lines = Lines()
    configure_logs(
        environment=Environment.DEVELOPMENT,
        level=LogLevel.DEBUG,
        secrets=[Secret(TOKEN)],
        stream=lines.stream,
    )
    return lines


def test_production_writes_one_json_object_a_line(lines: Lines) -> None:
    get_logger().info(
        "user_verified",
        user_id=123456,
        group_id=-100123456789,
        channel_id=-100987654321,
        cache_hit=True,
    )

    line = lines.only()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("timestamp"))
    assert line == {
        "level": "info",
        "event": "user_verified",
        "user_id": "123456",
        "group_id": "-100123456789",
        "channel_id": "-100987654321",
        "cache_hit": True,
        "app": "gmbot",
        "version": __version__,
    }


def test_ids_are_strings_in_lists_too_and_other_numbers_are_numbers(lines: Lines) -> None:
    get_logger().info("message_deleted", message_ids=[1, 2], chat_id=None, count=3)

    line = lines.only()
    assert (line["message_ids"], line["chat_id"], line["count"]) == (["1", "2"], None, 3)


def test_nobody_can_pretend_to_be_another_line(lines: Lines) -> None:
    get_logger().info("a\nb", level="x", app="other", title='"}\n{"event":"forged"}')

    line = lines.only()
    assert (line["event"], line["level"], line["app"]) == ("a\nb", "info", "gmbot")


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        (LogLevel.DEBUG, ["debug", "info", "warning", "error"]),
        (LogLevel.INFO, ["info", "warning", "error"]),
        (LogLevel.WARNING, ["warning", "error"]),
        (LogLevel.CRITICAL, []),
    ],
)
def test_a_level_silences_what_is_below(level: LogLevel, heard: list[str]) -> None:
    lines = Lines()
    configure_logs(environment=Environment.PRODUCTION, level=level, secrets=[], stream=lines.stream)
    log = get_logger()

    log.debug("debug")
    log.info("info")
    log.warning("warning")
    log.error("error")

    assert [line["event"] for line in lines.json()] == heard


def test_what_the_task_is_about_is_in_each_of_its_lines(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(update_id=7, flow="message", task="updates-3"):
        get_logger().info("user_muted", user_id=1)
        logging.getLogger("library").warning("odd")

    for line in lines.json():
        assert (line["update_id"], line["flow"], line["task"]) == ("7", "message", "updates-3")


def test_an_exception_is_written_with_its_traceback_and_without_secrets(lines: Lines) -> None:
    try:
        fail(ExceptionGroup(TOKEN, [ValueError(f"https://x/bot{TOKEN}/getMe")]))
    except ExceptionGroup:
        get_logger().exception("flow_failed")

    line = lines.only()
    assert line["level"] == "error"
    assert "ValueError: https://x/********/getMe" in line["exception"]
    assert TOKEN not in lines.text


def test_a_secret_is_in_no_part_of_a_line(lines: Lines) -> None:
    structlog.contextvars.bind_contextvars(context=TOKEN)

    get_logger().warning(
        TOKEN, text=f"a{TOKEN}", nested={"deep": [{TOKEN: Secret(TOKEN)}]}, error=OSError(TOKEN)
    )
    logging.getLogger("library").error(
        "POST %s", f"https://h/bot{TOKEN}/x", exc_info=OSError(TOKEN)
    )

    assert len(lines.json()) == 2
    assert TOKEN.partition(":")[2] not in lines.text


def test_libraries_are_heard_from_warning_on(columns: Lines) -> None:
    library = logging.getLogger("some.library")

    library.debug("debug")
    library.info("POST https://api.telegram.org/bot…")
    library.warning("pool is full")

    assert len(columns.text.splitlines()) == 1
    assert "pool is full" in columns.text


def test_a_line_of_a_library_names_it(lines: Lines) -> None:
    logging.getLogger("httpcore.pool").warning("%d left", 3)

    line = lines.only()
    assert (line["event"], line["level"], line["logger"]) == ("3 left", "warning", "httpcore.pool")
    assert "exception" not in line


@pytest.mark.filterwarnings("always")
def test_a_warning_is_a_line(lines: Lines) -> None:
    warnings.warn(f"old {TOKEN}", stacklevel=1)

    line = lines.only()
    assert (line["level"], line["logger"]) == ("warning", "py.warnings")
    assert "UserWarning: old ********" in line["event"]


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("half \ud83d emoji", id="an unpaired surrogate"),
        pytest.param(object(), id="an object"),
        pytest.param({1: {2, 3}}, id="a set in a dict"),
        pytest.param(10**5000, id="a number without text"),
        pytest.param(float("nan"), id="not a number"),
        pytest.param(b"\xff", id="bytes"),
    ],
)
def test_any_value_can_be_logged(lines: Lines, value: object) -> None:
    get_logger().info("user_verified", value=value, user_id=value)

    assert lines.only()["event"] == "user_verified"


class _Broken(dict[str, object]):
    def items(self) -> Any:
        raise RuntimeError(TOKEN)


def test_what_cannot_be_logged_is_said_and_raises_nothing(lines: Lines) -> None:
    structlog.contextvars.bind_contextvars(broken=_Broken())

    get_logger().info("user_verified")

    line = lines.only()
    assert (line["event"], line["level"], line["reason"]) == ("log_failed", "error", "RuntimeError")


def test_a_library_whose_arguments_do_not_fit_is_heard_all_the_same() -> None:
    lines = Lines()
    configure_logs(  # here, since pytest adds a handler of its own, which does raise
        environment=Environment.PRODUCTION, level=LogLevel.INFO, secrets=[], stream=lines.stream
    )

    logging.getLogger("library").warning("%d items", "three")

    assert lines.only()["event"] == "%d items"


def test_a_closed_stream_raises_nothing(lines: Lines) -> None:
    lines.stream.close()

    get_logger().info("user_verified")
    logging.getLogger("library").warning("odd")


def test_lines_that_were_lost_are_counted_when_there_is_room_again() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w") as stream, os.fdopen(reader, "rb", buffering=0) as pipe:
        configure_logs(
            environment=Environment.PRODUCTION, level=LogLevel.INFO, secrets=[], stream=stream
        )
        log = get_logger()
        text = "x" * 4000
        for _ in range(100):
            log.info("user_verified", text=text)
        pipe.read(1_000_000)
        log.info("user_muted")
        *_, lost, last = pipe.read(1_000_000).splitlines()

    assert json.loads(lost)["event"] == "log_lines_lost"
    assert 0 < json.loads(lost)["count"] < 100
    assert json.loads(last)["event"] == "user_muted"


def test_standard_error_is_where_lines_go_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(environment=Environment.PRODUCTION, level=LogLevel.INFO, secrets=[])

    get_logger().info("bot_started")

    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["event"] == "bot_started"


def test_configuring_again_replaces_what_was(lines: Lines, columns: Lines) -> None:
    get_logger().info("bot_started")
    logging.getLogger("library").warning("odd")

    assert lines.text == ""
    assert len(columns.text.splitlines()) == 2


def test_development_is_for_reading(columns: Lines) -> None:
    get_logger().debug("user_verified", user_id=5, channels=["a"])

    assert re.search(r"\[debug +\] user_verified +channels=\['a'\] user_id=5$", columns.text)
    assert "\x1b" not in columns.text
    assert "gmbot" not in columns.text


def test_development_shows_a_traceback_as_it_is(columns: Lines) -> None:
    try:
        fail(ValueError(TOKEN))
    except ValueError:
        get_logger().exception("flow_failed")

    assert "\nTraceback (most recent call last):\n" in columns.text
    assert columns.text.endswith("ValueError: ********\n")


def test_a_title_cannot_move_the_cursor_of_whoever_reads(columns: Lines) -> None:
    get_logger().info("group_protected", title="\x1b[2J\nforged")

    assert "\x1b" not in columns.text
    assert len(columns.text.splitlines()) == 1


def test_a_terminal_has_colours() -> None:
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        configure_logs(
            environment=Environment.DEVELOPMENT, level=LogLevel.INFO, secrets=[], stream=terminal
        )
        get_logger().info("bot_started")
        shown = os.read(ours, 10_000)
    os.close(ours)

    assert b"\x1b[" in shown
