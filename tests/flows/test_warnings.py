"""A group that warns first: so many messages go with a warning, then the person is muted."""

import pytest
from trio import sleep
from trio.testing import MockClock

from gmbot.guard.params import Params
from tests.guard.town import Town, settle


@pytest.fixture
async def warns(town: Town) -> None:
    """The group deletes two messages with a warning before it mutes."""
    await town.bot.guard.policies.set_params(town.group.id, Params(warnings=2))


async def test_the_first_messages_go_with_a_warning_and_the_next_one_mutes(
    autojump_clock: MockClock, town: Town, warns: None
) -> None:
    for _ in range(2):
        message = town.sue.write(town.group, "Buy!")
        await sleep(10)
        assert message.deleted
        assert not town.is_muted(town.sue)
        assert town.notice.text.startswith("Sue, to write here please join News 0.")
    assert await town.held(town.sue) is None

    message = town.sue.write(town.group, "Buy!")
    await sleep(10)
    assert message.deleted
    assert town.is_muted(town.sue)
    assert await town.held(town.sue) is not None
    assert town.count("sendMessage") == 1


async def test_each_person_is_warned_for_themselves(
    autojump_clock: MockClock, town: Town, warns: None
) -> None:
    for _ in range(3):
        town.sue.write(town.group, "Buy!")
        await sleep(10)
    town.tim.write(town.group, "Hello")
    await sleep(10)

    assert town.is_muted(town.sue)
    assert not town.is_muted(town.tim)
    assert "Tim" in town.notice.text


async def test_an_album_or_a_burst_is_one_warning(
    autojump_clock: MockClock, town: Town, warns: None
) -> None:
    album = town.sue.album(town.group, 10, "Seeds")
    burst = [town.sue.write(town.group, "Buy!") for _ in range(3)]
    await sleep(10)
    assert all(message.deleted for message in (*album, *burst))
    assert not town.is_muted(town.sue)

    for _ in range(2):
        town.sue.write(town.group, "Buy!")
        await sleep(10)
    assert town.is_muted(town.sue)


async def test_what_is_counted_outlives_a_restart(
    autojump_clock: MockClock, town: Town, warns: None
) -> None:
    for _ in range(2):
        town.sue.write(town.group, "Buy!")
        await sleep(10)
    await town.restart()
    town.sue.write(town.group, "Buy!")
    await settle()

    assert town.is_muted(town.sue)


async def test_who_joins_the_group_or_goes_out_of_the_channel_is_told_and_not_muted_yet(
    autojump_clock: MockClock, town: Town, warns: None
) -> None:
    town.group.username = "garden"
    town.world.person("Eve").join(town.group)
    town.max.leave(town.channel)
    await sleep(10)

    assert town.notice.text.startswith("Eve and Max, to write here please join News 0.")
    assert town.count("restrictChatMember") == 0
