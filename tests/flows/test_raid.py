"""Five hundred people join at once, with all limits on."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gmbot.api.limiter import Limits
from gmbot.sandbox.flood import FloodLimits, Limit
from gmbot.sandbox.people import Person
from tests.guard.town import Town

RAIDERS = 500
LIMITS = Limits(25, 20, 100)


@pytest.fixture
def town_options() -> dict[str, Any]:
    # Telegram publishes no limit of moderation; this one is met in practice, and is not met here.
    calls = Limit(120, 1.0)
    flood = FloodLimits(overall=Limit(25, 1.0), group=Limit(20, 60.0), calls=calls)
    return {"limits": LIMITS, "flood": flood}


def _raid(town: Town) -> list[Person]:
    raiders = [town.world.person(f"Raider {number}") for number in range(RAIDERS)]
    town.group.username = "garden"
    for raider in raiders:
        raider.join(town.group)
    return raiders


async def test_a_raid_is_muted_calmly(autojump_clock: MockClock, town: Town) -> None:
    raiders = _raid(town)
    began = trio.current_time()
    while any(town.world.can_write(raider, town.group) for raider in raiders):  # noqa: ASYNC110 - people, not events of ours
        await trio.sleep(0.5)
    took = trio.current_time() - began
    await trio.sleep(30)

    # Two look-ups (who waited long is looked at again) and a mute each: 1,500 calls at 100 a second.
    assert took < 20
    assert len(town.notices()) == 1
    assert town.notice.text.startswith("Welcome, Raider ")
    assert "and 495 more" in town.notice.text
    assert town.count("sendMessage") == 1
    assert town.count("getChatMember") <= 2 * RAIDERS + 10
    assert town.count("restrictChatMember") == RAIDERS
    assert town.telegram.flood.most_in_any_chat(town.telegram.bot.id) <= 20


async def test_a_raid_that_joins_the_channel_is_released(
    autojump_clock: MockClock, town: Town
) -> None:
    raiders = _raid(town)
    await trio.sleep(60)
    for raider in raiders:
        raider.join(town.channel)
    await trio.sleep(60)

    assert all(town.world.can_write(raider, town.group) for raider in raiders)
    assert town.notices() == []
    assert town.storage.rows("restrictions") == []


async def test_others_are_served_during_a_raid(autojump_clock: MockClock, town: Town) -> None:
    """Who writes in the middle of it is not the five hundred and first in the queue."""
    _raid(town)
    await trio.sleep(1)
    message = town.sue.write(town.group, "Buy!")
    began = trio.current_time()
    while not message.deleted:  # noqa: ASYNC110 - a person's message, no event of ours
        await trio.sleep(0.1)

    assert trio.current_time() - began < 20
    kept = town.max.write(town.group, "What is going on?")
    await trio.sleep(5)
    assert not kept.deleted
