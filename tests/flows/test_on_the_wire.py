"""The whole way over real sockets, a real database and the real clock."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from gmbot.api.transport import open_transport
from gmbot.config import Secret
from gmbot.sandbox.faults import Fault
from gmbot.sandbox.telegram import Telegram
from gmbot.storage.sqlite import open_sqlite
from tests.guard.town import JOINED, Bot, Town

DEADLINE = 20  # seconds of the real clock


@pytest.fixture
async def guarded(telegram: Telegram, nursery: trio.Nursery, tmp_path: Path) -> AsyncIterator[Town]:
    async with AsyncExitStack() as stack:
        town = Town(telegram, channels=2)
        town.nursery = nursery
        town.storage = await stack.enter_async_context(open_sqlite(str(tmp_path / "gmbot.db")))
        await town.protect(town.storage)
        transport = await stack.enter_async_context(
            open_transport(
                "httpx",
                base_url=telegram.base_url,
                token=Secret(telegram.token),
                connections=16,
            )
        )
        town.bot = Bot(telegram, town.storage, transport)
        await nursery.start(town.bot.run)
        yield town
        town.bot.kill()


async def _until(condition: Callable[[], bool]) -> None:
    """Look again and again: some of what is waited for ends no call."""
    while not condition():  # noqa: ASYNC110 - the world tells of calls, not of all that changes
        await trio.sleep(0.005)


async def test_a_stranger_is_muted_joins_presses_and_writes(guarded: Town) -> None:
    telegram = guarded.telegram
    with trio.fail_after(DEADLINE):
        message = guarded.sue.write(guarded.group, "Buy my seeds!")
        await telegram.wait_until(lambda: message.deleted and guarded.is_muted(guarded.sue))
        await telegram.wait_until(lambda: bool(guarded.notices()))
        for channel in guarded.channels:  # no update tells of it: the press has to
            channel.standings[guarded.sue.id] = channel.standings[guarded.max.id]
        press = guarded.sue.press(guarded.notice, JOINED)
        await telegram.wait_until(lambda: press.answered)
        await _until(lambda: guarded.notices() == [] and not guarded.is_muted(guarded.sue))
        stands = guarded.sue.write(guarded.group, "Thanks")
        await _until(lambda: telegram.outlet().queue.pending_count == 0)

    assert press.text == "Thank you, you can write now."
    assert not stands.deleted
    assert await guarded.storage.restrictions() == []
    assert await guarded.storage.notices() == []


async def test_a_hundred_messages_of_a_newcomer_cost_one_look_up_a_channel(guarded: Town) -> None:
    telegram = guarded.telegram
    with trio.fail_after(DEADLINE):
        for _ in range(100):
            guarded.max.write(guarded.group, "Hello")
        await _until(lambda: telegram.outlet().queue.pending_count == 0)

    assert guarded.count("getChatMember") == 2


async def test_a_reset_in_mid_mute_is_made_good(guarded: Town) -> None:
    telegram = guarded.telegram
    telegram.faults.add(Fault.lost(), method="restrictChatMember", times=1)
    telegram.faults.add(Fault.status(502, html=True), method="deleteMessages", times=1)
    with trio.fail_after(DEADLINE):
        message = guarded.sue.write(guarded.group, "Buy my seeds!")
        await telegram.wait_until(lambda: bool(guarded.notices()))

    assert message.deleted
    assert guarded.is_muted(guarded.sue)
