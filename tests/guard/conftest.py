"""Fixtures of the guarded group in virtual time."""

from collections.abc import AsyncIterator, Iterator
from random import Random
from typing import Any

import pytest
import structlog
import trio
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from trio.testing import MockClock

from gmbot.sandbox.flood import FloodLimits
from gmbot.sandbox.telegram import Telegram
from tests.guard.town import NO_LIMITS, Bot, Direct, InlineStorage, Town, end_after


@pytest.fixture
def town_options() -> dict[str, Any]:
    """`channels`, `limits`, `flood`, `protected`; a test overrides this by parametrizing."""
    return {}


@pytest.fixture
async def town(
    autojump_clock: MockClock, nursery: trio.Nursery, town_options: dict[str, Any]
) -> AsyncIterator[Town]:
    """A group with members, protected with one channel, and the bot at work in it."""
    no_flood = FloodLimits(group=None, overall=None, private=None)
    telegram = Telegram(random=Random(1), flood=town_options.get("flood", no_flood))
    town = Town(telegram, channels=town_options.get("channels", 1))
    town.storage = InlineStorage(telegram.now, town.timeline)
    if town_options.get("protected", True):
        await town.protect(town.storage)
    town.bot = Bot(
        telegram,
        town.storage,
        Direct(telegram, town.timeline),
        limits=town_options.get("limits", NO_LIMITS),
    )
    town.nursery = nursery
    nursery.start_soon(end_after, 7200)
    await nursery.start(town.bot.run)
    await trio.testing.wait_all_tasks_blocked()
    town.timeline.clear()
    yield town
    town.bot.kill()
    assert telegram.violations == []
    assert telegram.flood.violations[:3] == []


@pytest.fixture
def logs() -> Iterator[list[Any]]:
    """The lines that were logged, with what is bound to their task."""
    with capture_logs(processors=[merge_contextvars]) as captured:
        yield captured
    structlog.reset_defaults()
