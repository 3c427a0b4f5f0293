"""Updates a second of the real bot process, on this machine.

The bot is stopped (SIGSTOP) while the simulated Telegram, in this process, fills its queue, and
goes on (SIGCONT) when the clock starts; it ends when Telegram was told that all is done. How busy
this process was meanwhile shows whether the server was the bottleneck: near 100 % it was.

    python -m tests.bench.throughput [--runs 3] [--members 20000] [--strangers 1000]
"""

import argparse
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import trio

from gmbot.sandbox.flood import FloodLimits
from gmbot.sandbox.process import BotProcess, environment, run_bot
from gmbot.sandbox.telegram import Telegram

UNLIMITED = {"RATE_MESSAGES": "0", "RATE_GROUP_MESSAGES": "0", "RATE_CALLS": "0"}
DEADLINE = 300.0


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--members", type=int, default=20_000)
    parser.add_argument("--strangers", type=int, default=1_000)
    options = parser.parse_args()
    for name, load, count in (
        ("verified members write (warm)", _members, options.members),
        ("strangers write (look up, record, mute, delete, notice)", _strangers, options.strangers),
    ):
        results = [await _measure(load, count) for _ in range(options.runs)]
        rates = [count / took for took, _ in results]
        busy = statistics.median(share for _, share in results)
        print(
            f"{name}: {statistics.median(rates):,.0f} a second "
            f"({min(rates):,.0f} to {max(rates):,.0f} in {len(rates)} runs of {count:,}); "
            f"server {busy:.0%} busy"
        )


async def _measure(
    load: Callable[["Town", int], Callable[[], bool]], count: int
) -> tuple[float, float]:
    async with trio.open_nursery() as nursery:
        telegram = Telegram(strict=False, flood=FloodLimits(calls=None), keep_calls=10)
        await nursery.start(telegram.serve)
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory)
            environ = environment(telegram, path, LOG_LEVEL="WARNING", **UNLIMITED)
            async with run_bot(telegram, path, environ) as bot:
                town = Town(telegram, bot)
                await town.warm_up()
                bot.process.send_signal(signal.SIGSTOP)
                is_done = load(town, count)
                began, cpu = time.perf_counter(), time.process_time()
                bot.process.send_signal(signal.SIGCONT)
                await town.until(is_done)
                took = time.perf_counter() - began
                share = (time.process_time() - cpu) / took
        nursery.cancel_scope.cancel()
    return took, share


class Town:
    """A guarded group with 100 members who are in its channel."""

    def __init__(self, telegram: Telegram, bot: BotProcess) -> None:
        world = self.world = telegram.world
        self.telegram, self.bot = telegram, bot
        owner = self.owner = world.person("Olga")
        self.members = [world.person(f"Member {n}") for n in range(100)]
        self.group = world.supergroup(
            "Town", creator=owner, members=self.members, admins=[telegram.bot]
        )
        world.channel(
            "News", username="town_news", creator=owner, members=self.members, admins=[telegram.bot]
        )

    async def warm_up(self) -> None:
        """Let the group be protected and every member be known."""
        self.owner.command(self.group, "/protect @town_news")
        await self.until(lambda: any("protected" in text for text in self.group.texts()))
        for member in self.members:
            member.write(self.group, "hello")
        await self.until(self.is_confirmed)

    def is_confirmed(self) -> bool:
        """Whether Telegram was told that all is done."""
        return self.telegram.outlet().queue.pending_count == 0

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what the bot brings about."""
        with trio.fail_after(DEADLINE):
            while not condition():  # noqa: ASYNC110 - another process sets no event of ours
                await trio.sleep(0.005)


def _members(town: Town, count: int) -> Callable[[], bool]:
    for number in range(count):
        town.members[number % len(town.members)].write(town.group, "hello")
    return town.is_confirmed


def _strangers(town: Town, count: int) -> Callable[[], bool]:
    strangers = [town.world.person(f"Stranger {n}") for n in range(count)]
    for stranger in strangers:
        town.owner.add(town.group, stranger)
    messages = [stranger.write(town.group, "hello") for stranger in strangers]
    return lambda: (
        town.is_confirmed()
        and all(message.deleted for message in messages)
        and not any(town.world.can_write(stranger, town.group) for stranger in strangers)
    )


if __name__ == "__main__":
    trio.run(main)
