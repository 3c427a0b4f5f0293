"""People who wait to be let into a private channel."""

import pytest
from trio import sleep
from trio.testing import MockClock

from gmbot.flows.join import asked_to_join
from gmbot.flows.leave import left_channel
from gmbot.guard.params import Params
from gmbot.sandbox.chats import JoinRequest
from gmbot.sandbox.people import Person
from tests.guard.town import Town, last_update, settle

TWO_CHANNELS = pytest.mark.parametrize("town_options", [{"channels": 2}], ids=["two channels"])


@pytest.fixture
async def counting(autojump_clock: MockClock, town: Town) -> None:
    """In this group who has asked to be let in counts as in."""
    await town.bot.guard.policies.set_params(town.group.id, Params(requests_count=True))
    for channel in town.channels:
        channel.join_by_request = True


async def hold(town: Town) -> None:
    town.sue.write(town.group, "Hello")
    await sleep(5)
    assert town.is_muted(town.sue)


def ask(town: Town, person: Person, number: int = 0) -> JoinRequest:
    return person.request_join(town.channels[number])


async def test_who_asks_to_be_let_in_is_released_where_that_counts(
    autojump_clock: MockClock, town: Town, counting: None
) -> None:
    await hold(town)
    ask(town, town.sue)
    await sleep(5)
    message = town.sue.write(town.group, "Hello again")
    await settle()

    assert not message.deleted
    assert town.notices() == []
    assert await town.held(town.sue) is None


async def test_who_asks_stays_held_where_that_does_not_count(
    autojump_clock: MockClock, town: Town
) -> None:
    town.channel.join_by_request = True
    await hold(town)
    ask(town, town.sue)
    await sleep(5)

    assert town.is_muted(town.sue)
    assert "Sue" in town.notice.text


@TWO_CHANNELS
async def test_who_asks_at_one_channel_still_lacks_the_other(
    autojump_clock: MockClock, town: Town, counting: None
) -> None:
    await hold(town)
    ask(town, town.sue, 0)
    await sleep(5)
    assert town.is_muted(town.sue)
    ask(town, town.sue, 1)
    await sleep(5)

    assert not town.is_muted(town.sue)


async def test_who_has_asked_before_they_join_the_group_is_left_alone(
    autojump_clock: MockClock, town: Town, counting: None
) -> None:
    eve = town.world.person("Eve")
    town.group.username = "garden_friends"
    ask(town, eve)
    await settle()
    with town.no_restrictions():
        eve.join(town.group)
        await settle()

    assert town.notices() == []


async def test_who_was_let_in_waits_no_more(
    autojump_clock: MockClock, town: Town, counting: None
) -> None:
    request = ask(town, town.sue)
    await settle()
    assert await town.bot.guard.requests.has(town.channel.id, town.sue.id)
    town.anna.approve(request)
    await settle()

    assert not await town.bot.guard.requests.has(town.channel.id, town.sue.id)
    assert not town.is_muted(town.sue)


async def test_who_was_let_in_and_leaves_counts_as_in_no_more(
    autojump_clock: MockClock, town: Town, counting: None
) -> None:
    town.anna.approve(ask(town, town.sue))
    await settle()
    town.sue.leave(town.channel)
    await settle()

    assert town.is_muted(town.sue)


async def test_a_request_at_a_channel_that_nobody_requires_is_no_matter(
    autojump_clock: MockClock, town: Town, counting: None
) -> None:
    other = town.world.channel(
        "Other", creator=town.anna, username="other_news", admins=[town.telegram.bot]
    )
    other.join_by_request = True
    with town.no_calls():
        town.sue.request_join(other)
        request = last_update(town.telegram).update.chat_join_request
        await settle()
        assert request is not None
        await asked_to_join(town.bot.guard, request)

    assert not await town.bot.guard.requests.has(other.id, town.sue.id)


async def test_who_is_banned_from_the_channel_waits_no_more(
    autojump_clock: MockClock, town: Town, counting: None
) -> None:
    ask(town, town.sue)
    await town.storage.pardon(town.group.id, town.sue.id, given_at=1.0)
    await settle()
    town.anna.ban(town.channel, town.sue)
    change = last_update(town.telegram).update.chat_member
    assert change is not None
    await left_channel(town.bot.guard, change)

    assert not await town.bot.guard.requests.has(town.channel.id, town.sue.id)
    assert await town.storage.is_pardoned(town.group.id, town.sue.id)  # they were not in
