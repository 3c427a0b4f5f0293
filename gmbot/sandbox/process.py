"""The real bot as a process of its own, pointed at the simulated Telegram."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from gmbot.sandbox.telegram import Telegram

STOP_WITHIN = 15.0  # seconds for a stop after SIGTERM: the bot promises 10


class BotProcess:
    """`gmbot run`, its log in `directory`, its database too."""

    def __init__(self, process: trio.Process, log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        """All that the bot has logged so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    async def stop(self) -> int:
        """Ask it to stop, as an operator would; return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        with trio.move_on_after(STOP_WITHIN):
            return await self.process.wait()
        self.process.kill()
        return await self.process.wait()


def environment(telegram: Telegram, directory: Path, **changes: str) -> dict[str, str]:
    """Return the bot's whole environment: nothing of ours that it might read by mistake."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
    return {
        **kept,
        "BOT_TOKEN": telegram.token,
        "BOT_API_URL": telegram.base_url,
        "DATABASE_URL": f"sqlite:///{directory / 'gmbot.db'}",
        "SIDECAR_BIND": "127.0.0.1:0",
        **changes,
    }


@asynccontextmanager
async def run_bot(
    telegram: Telegram,
    directory: Path,
    environ: Mapping[str, str] | None = None,
    *,
    command: Sequence[str] = (sys.executable, "-m", "gmbot", "run"),
) -> AsyncIterator[BotProcess]:
    """Run the bot for the time of the context; it is stopped at its end, whatever happens."""
    log = directory / "gmbot.log"
    with log.open("ab") as output:
        process = await trio.lowlevel.open_process(
            command,
            env=environment(telegram, directory) if environ is None else environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    bot = BotProcess(process, log)
    try:
        yield bot
    finally:
        with trio.CancelScope(shield=True):
            await bot.stop()
