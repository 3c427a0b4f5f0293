"""The command `gmbot`: run · check · sandbox.

Exit statuses: 0 all went well, 1 it did not (one line says why), 2 the configuration or the command
itself is wrong.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial

import trio

from gmbot import __version__
from gmbot.api.errors import Unauthorized
from gmbot.api.transport import TransportMissingError
from gmbot.app import PortUnavailable, run, unsupported
from gmbot.check import check
from gmbot.config import Config, ConfigError
from gmbot.storage.errors import StorageError
from gmbot.telemetry import events
from gmbot.telemetry.logs import configure_logs, get_logger

OK, FAILED, WRONG = 0, 1, 2


def main(arguments: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Carry out one command; return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "sandbox":
            return _sandbox(stay=options.stay)
        return _configured(options.command, environ)
    except* KeyboardInterrupt:
        pass
    return FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gmbot", description="Guard Telegram groups.")
    parser.add_argument("--version", action="version", version=f"gmbot {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="guard groups until SIGTERM or SIGINT")
    commands.add_parser("check", help="say what is wrong with token, database, webhook and rights")
    sandbox = commands.add_parser("sandbox", help="show the bot at work in a simulated Telegram")
    sandbox.add_argument("--stay", action="store_true", help="keep both running after the story")
    return parser


def _configured(command: str, environ: Mapping[str, str]) -> int:
    try:
        config = Config.from_env(environ)
    except ConfigError as error:
        return _fail(WRONG, *error.problems)
    if problems := unsupported(config):
        return _fail(WRONG, *problems)
    configure_logs(environment=config.environment, level=config.log_level, secrets=config.secrets)
    try:
        if command == "check":
            return OK if trio.run(check, config, _say) else FAILED
        trio.run(run, config)
    except Exception as error:  # noqa: BLE001 - the last one who can say something
        reasons = [_reason(leaf) for leaf in _leaves(error)]
        if None in reasons:
            # A fault of ours: seen whole, through the chain that scrubs secrets.
            get_logger().critical(events.BOT_FAILED, exc_info=error)
            return _fail(FAILED, "stopped by a fault of its own; the log above tells where")
        return _fail(FAILED, *dict.fromkeys(reason for reason in reasons if reason))
    return OK


def _sandbox(*, stay: bool) -> int:
    # Only here, so that a bot in production never loads a simulated Telegram.
    from gmbot.sandbox.story import tell  # noqa: PLC0415 - see above

    return OK if trio.run(partial(tell, stay=stay, say=_say)) else FAILED


def _leaves(error: Exception) -> list[Exception]:
    if isinstance(error, ExceptionGroup):
        return [leaf for part in error.exceptions for leaf in _leaves(part)]
    return [error]


def _reason(error: Exception) -> str | None:
    match error:
        case Unauthorized():
            return "Telegram refuses BOT_TOKEN: copy it anew from @BotFather"
        case StorageError() | TransportMissingError() | PortUnavailable():
            return str(error)
        case _:
            return None


def _say(line: str) -> None:
    """Print a line, whatever the terminal's encoding; a reader who has left loses it, as `head`."""
    if sys.stdout is None:  # closed from the start
        return
    encoding = sys.stdout.encoding
    try:
        text = line.encode(encoding, "backslashreplace").decode(encoding)
        print(text, flush=True)  # noqa: T201 - what a command says
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(status: int, *lines: str) -> int:
    for line in lines:
        print(f"gmbot: {line}", file=sys.stderr)  # noqa: T201 - what a command says
    return status
