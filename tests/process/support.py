"""The program as people run it: a process, sockets, signals, beside a simulated Telegram."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx
import trio

from gmbot.sandbox.chats import Chat, Message
from gmbot.sandbox.people import Person
from gmbot.sandbox.process import BotProcess, environment, run_bot
from gmbot.sandbox.telegram import Telegram

DEADLINE = 30.0  # seconds: far above what anything here takes, so that it cannot flake
LOOK_EVERY = 0.01

# What a measured process needs to know of the measuring.
MEASURED = {name: value for name, value in os.environ.items() if name.startswith("COV")}


async def wait_until(condition: Callable[[], bool], *, deadline: float = DEADLINE) -> None:
    """Wait for a condition that another process brings about."""
    with trio.fail_after(deadline):
        while not condition():  # noqa: ASYNC110 - another process is asked, it sets no event of ours
            await trio.sleep(LOOK_EVERY)


class Town:
    """A group, a channel, the people of both, and the bot process that guards them."""

    def __init__(self, telegram: Telegram, directory: Path) -> None:
        self.telegram = telegram
        self.directory = directory
        world = telegram.world
        self.owner: Person = world.person("Olga")
        self.member: Person = world.person("Max")
        self.stranger: Person = world.person("Sam")
        self.group: Chat = world.supergroup(
            "Town",
            creator=self.owner,
            members=[self.member, self.stranger],
            admins=[telegram.bot],
        )
        self.channel: Chat = world.channel(
            "News",
            username="town_news",
            creator=self.owner,
            members=[self.member],
            admins=[telegram.bot],
        )

    def environ(self, **changes: str) -> dict[str, str]:
        """The bot's environment: JSON logs, fast, measured."""
        settings = {
            "ENVIRONMENT": "production",
            "LOG_LEVEL": "DEBUG",
            "RATE_GROUP_MESSAGES": "0",
            **MEASURED,
            **changes,
        }
        return environment(self.telegram, self.directory, **settings)

    def run(self, **changes: str) -> AbstractAsyncContextManager[BotProcess]:
        """`gmbot run` for the time of a context."""
        return run_bot(self.telegram, self.directory, self.environ(**changes))

    async def command(self, *words: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run any other command of gmbot to its end."""
        with trio.fail_after(DEADLINE):
            done = await trio.run_process(
                [sys.executable, "-m", "gmbot", *words],
                env=self.environ(**changes),
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                cwd=self.directory,
            )
        output, errors = done.stdout.decode(), done.stderr.decode()
        assert self.telegram.token.split(":")[1] not in output + errors, "the token is shown"
        return subprocess.CompletedProcess(done.args, done.returncode, output, errors)

    async def started(self, bot: BotProcess) -> None:
        """Wait until the bot polls."""
        await wait_until(lambda: "bot_started" in bot.log or bot.process.poll() is not None)
        assert bot.process.poll() is None, bot.log

    async def protect(self) -> None:
        """Let the owner link group and channel."""
        self.owner.command(self.group, "/protect @town_news")
        await wait_until(lambda: any("protected" in text for text in self.group.texts()))

    def notice(self) -> Message | None:
        """The live notice, if there is one."""
        found = [m for m in self.group.visible() if m.markup]
        return found[-1] if found else None

    def is_confirmed(self) -> bool:
        """Whether the bot has told Telegram that all is done."""
        return self.telegram.outlet().queue.pending_count == 0


def log_lines(bot: BotProcess) -> list[dict[str, Any]]:
    """The bot's log as data; every line has to be JSON."""
    return [json.loads(line) for line in bot.log.splitlines()]


async def ask_sidecar(bot: BotProcess, path: str) -> httpx.Response:
    """Ask the sidecar, whose port stands in the log."""
    started = next(line for line in log_lines(bot) if line["event"] == "sidecar_started")
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(f"http://{started['address']}{path}")
