"""What Telegram carried out and the bot does not know of: answers that were lost, runs that died."""

import pytest
from trio import sleep
from trio.testing import MockClock

from gmbot.guard.enforcement import MUTED
from gmbot.sandbox.faults import Fault
from gmbot.storage.records import Restriction, RestrictionState
from tests.guard.town import Town, settle


async def hold(town: Town) -> None:
    town.sue.write(town.group, "Buy!")
    await sleep(5)
    assert await town.held(town.sue) is not None


async def test_a_mute_that_is_said_again_does_not_undo_what_a_human_lifted(
    autojump_clock: MockClock, town: Town
) -> None:
    """The answer to the first one was lost, and a human lifted it before it was said again."""
    town.telegram.faults.add(Fault.lost(), method="restrictChatMember", times=1)
    town.sue.write(town.group, "Buy!")
    await settle()
    town.mia.lift(town.group, town.sue)
    await sleep(30)

    assert town.count("restrictChatMember") >= 2
    assert not town.is_muted(town.sue)
    assert await town.held(town.sue) is None
    assert await town.storage.is_pardoned(town.group.id, town.sue.id)


@pytest.mark.parametrize("rights", [{}, {"can_send_messages": True}], ids=["free", "limited"])
async def test_a_mute_of_ours_without_a_record_is_undone(
    autojump_clock: MockClock, town: Town, rights: dict[str, bool]
) -> None:
    """It was under way when its run died, and was carried out after that."""
    if rights:
        town.mia.restrict(town.group, town.sue, **rights)
    await sleep(10)
    before = town.group.standing(town.sue.id, town.telegram.now())
    await town.bot.api.restrict_chat_member(town.group.id, town.sue.id, MUTED)
    assert town.is_muted(town.sue)
    await sleep(2)

    assert town.group.standing(town.sue.id, town.telegram.now()) == before


async def test_a_mute_of_ours_with_its_record_stands(autojump_clock: MockClock, town: Town) -> None:
    await hold(town)
    await sleep(10)

    assert town.is_muted(town.sue)
    assert town.count("restrictChatMember") == 1


async def test_a_release_that_was_refused_leaves_the_person_held(
    autojump_clock: MockClock, town: Town
) -> None:
    """So that a human who lifts the mute then is known to have done it."""
    await hold(town)
    refusal = Fault.status(400, description="Bad Request: not enough rights")
    rule = town.telegram.faults.add(refusal, method="restrictChatMember")
    town.sue.join(town.channel)
    await settle()
    town.telegram.faults.remove(rule)

    held = await town.held(town.sue)
    assert held is not None
    assert held.state is RestrictionState.HELD


@pytest.mark.parametrize("town_options", [{"channels": 2}], ids=["two channels"])
async def test_whose_mute_is_gone_is_pardoned_only_where_they_have_written(
    autojump_clock: MockClock, town: Town
) -> None:
    """Before that the word of who ended it may be on its way, and it may have been a kick."""
    town.sue.join(town.channels[1])
    await hold(town)
    town.group.standings[town.sue.id] = town.group.standings[town.tim.id]
    town.sue.leave(town.channels[1])
    await sleep(5)
    assert not town.is_muted(town.sue)
    assert not await town.storage.is_pardoned(town.group.id, town.sue.id)

    town.sue.write(town.group, "Thank you")
    await sleep(5)
    assert not town.is_muted(town.sue)
    assert await town.storage.is_pardoned(town.group.id, town.sue.id)


@pytest.mark.parametrize("is_muted", [True, False], ids=["muted", "free"])
async def test_the_record_of_somebody_who_went_says_whether_our_mute_stands(
    autojump_clock: MockClock,
    town: Town,
    is_muted: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """A mute, or a release, was cut off; they are out, so nothing is to be done but to note it."""
    wanted = Restriction(town.group.id, town.sue.id, "Sue", RestrictionState.WANTED, 0, None, None)
    town.sue.leave(town.group)
    if is_muted:
        town.mia.restrict(town.group, town.sue)
    await settle()
    await town.storage.want_restriction(wanted)
    await town.restart()
    await sleep(30)

    held = await town.held(town.sue)
    assert (held is not None and held.state is RestrictionState.HELD) == is_muted
