"""Log lines: JSON for machines, columns for people, and no secret in either.

Two ways lead in, structlog for our own lines and the standard library's logging for everybody
else's; both go through one chain, whose last step before writing scrubs. Logging never raises
and never waits long: a line that cannot be written is lost.
"""

import json
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NoReturn, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

from gmbot import __version__
from gmbot.config import Environment, LogLevel, Secret
from gmbot.telemetry.scrubbing import Plain, Scrubber
from gmbot.telemetry.sink import Sink

Layout = Callable[[dict[str, Plain]], str]


def get_logger() -> FilteringBoundLogger:
    """Return a logger for event names of `events` with fields."""
    return cast("FilteringBoundLogger", structlog.get_logger())


def configure_logs(
    *,
    environment: Environment,
    level: LogLevel,
    secrets: Sequence[Secret],
    stream: TextIO | None = None,
) -> None:
    """Send all logs of the process to `stream` (standard error if none), from `level` on.

    Other people's libraries and warnings are heard from WARNING on, whatever `level` says.
    """
    sink = Sink(sys.stderr if stream is None else stream)
    production = environment is Environment.PRODUCTION
    chain = _Chain(
        scrubber=Scrubber(secrets),
        layout=_json if production else _columns(colours=sink.is_terminal),
        sink=sink,
    )
    number = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[chain],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [_Bridge(chain)]
    root.setLevel(max(number, logging.WARNING))
    logging.captureWarnings(capture=True)


class _Chain:
    """From an event and its fields to a line in the sink."""

    def __init__(self, *, scrubber: Scrubber, layout: Layout, sink: Sink) -> None:
        self._scrubber = scrubber
        self._layout = layout
        self._sink = sink
        self._lost = 0  # lines since the last one that was written

    def __call__(self, _logger: WrappedLogger, level: str, fields: EventDict) -> NoReturn:
        """Be the last processor of structlog: the line is written, nothing is left to do."""
        self.write(level, fields)
        raise structlog.DropEvent

    def write(self, level: str, fields: EventDict) -> None:
        """Write one line, or lose it."""
        try:
            line = self._line(level, fields)
        except Exception as error:  # noqa: BLE001  a log line is never worth an exception
            line = self._compose("error", {"event": "log_failed", "reason": type(error).__name__})
        self._lost = 0 if self._tell_lost() and self._sink.write(line) else self._lost + 1

    def _tell_lost(self) -> bool:
        if not self._lost:
            return True
        told = {"event": "log_lines_lost", "count": self._lost}
        if not self._sink.write(self._compose("warning", told)):
            return False
        self._lost = 0
        return True

    def _line(self, level: str, fields: EventDict) -> str:
        fields = structlog.contextvars.merge_contextvars(None, level, fields)
        return self._compose(level, structlog.processors.format_exc_info(None, level, fields))

    def _compose(self, level: str, fields: Mapping[str, object]) -> str:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        clean: dict[str, Plain] = {"timestamp": now, "level": level, "event": ""}
        for name, value in fields.items():
            if name not in {"timestamp", "level"}:
                plain = self._scrubber.value(value)
                clean[name] = _id(plain) if name.endswith(("_id", "_ids")) else plain
        return self._layout(clean)


class _Bridge(logging.Handler):
    """Takes what libraries log into the chain."""

    def __init__(self, chain: _Chain) -> None:
        super().__init__()
        self._chain = chain

    def emit(self, record: logging.LogRecord) -> None:
        """Write down one record."""
        try:
            event: object = record.getMessage()
        except Exception:  # noqa: BLE001  arguments that do not fit are the library's mistake
            event = record.msg
        fields = {"event": event, "logger": record.name, "exc_info": record.exc_info}
        self._chain.write(record.levelname.lower(), fields)


def _id(value: Plain) -> Plain:
    """Ids are strings: JSON readers that know doubles only spoil numbers above 2^53."""
    if isinstance(value, list):
        return [_id(each) for each in value]
    return str(value) if isinstance(value, int) else value


def _json(fields: dict[str, Plain]) -> str:
    line = {**fields, "app": "gmbot", "version": __version__}
    return json.dumps(line, ensure_ascii=False, separators=(", ", ": "))


def _columns(*, colours: bool) -> Layout:
    render = structlog.dev.ConsoleRenderer(colors=colours)

    def layout(fields: dict[str, Plain]) -> str:
        shown: dict[str, Plain] = {}
        for name, value in fields.items():
            if isinstance(value, str):
                lines = value.split("\n") if name == "exception" else [value]
                shown[name] = "\n".join(map(_printable, lines))
            else:
                shown[name] = value
        return str(render(None, "", shown))

    return layout


def _printable(text: str) -> str:
    """Show what would move a terminal's cursor or start a line of its own."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
    )
