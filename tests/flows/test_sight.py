"""What the bot sees of a required channel: lost, told, seen again, renamed."""

import pytest
import trio
from trio.testing import MockClock

from gmbot.api.types import Chat as SeenChat
from gmbot.flows.sight import LOOK_EVERY, is_renamed, look_again
from gmbot.sandbox.chats import Chat
from gmbot.sandbox.faults import Fault
from tests.flows.hearing import Echo, unheard
from tests.guard.town import Town, settle

BLIND = (
    "I cannot see any more who is in {}: I am no admin there. "
    "Until I am one again, nobody here needs to be in it."
)
TOLD = BLIND.format("News 0")


async def jobs_done() -> None:
    await trio.sleep(4)
    await settle()


async def another_group(town: Town) -> Chat:
    other = town.world.supergroup(
        "Other", creator=town.anna, members=[town.sue], admins=[town.telegram.bot]
    )
    await town.protect(town.storage, other)
    await town.bot.guard.policies.load()
    return other


@pytest.mark.parametrize("way", ["demote", "ban", "kick"])
async def test_nobody_is_asked_to_be_in_a_channel_out_of_sight_and_the_group_is_told_once(
    autojump_clock: MockClock, town: Town, way: str
) -> None:
    echo = Echo(town)
    getattr(town.anna, way)(town.channel, town.telegram.bot)
    await settle()
    message = town.sue.write(town.group, "Hello")
    await jobs_done()
    echo.again()
    await jobs_done()

    assert not message.deleted
    assert not town.is_muted(town.sue)
    assert town.said() == [TOLD]


async def test_a_private_channel_is_as_good_as_gone(autojump_clock: MockClock, town: Town) -> None:
    town.anna.rename(town.channel, username="")
    town.anna.demote(town.channel, town.telegram.bot)
    await jobs_done()

    assert town.said() == [TOLD]


async def test_each_group_is_told(autojump_clock: MockClock, town: Town) -> None:
    other = await another_group(town)
    town.anna.demote(town.channel, town.telegram.bot)
    await jobs_done()

    assert town.said() == [TOLD]
    assert other.texts() == [TOLD]


async def test_a_title_is_shown_as_it_is(autojump_clock: MockClock, town: Town) -> None:
    town.anna.rename(town.channel, "<i>A & B")
    await town.bot.guard.policies.rename(town.channel.id, "<i>A & B", "news_0")
    town.anna.demote(town.channel, town.telegram.bot)
    await jobs_done()

    assert town.said() == [BLIND.format("<i>A & B")]


@pytest.mark.parametrize("town_options", [{"channels": 2}], ids=[""])
async def test_the_other_channels_are_still_required(autojump_clock: MockClock, town: Town) -> None:
    town.anna.demote(town.channels[1], town.telegram.bot)
    await jobs_done()
    message = town.sue.write(town.group, "Buy!")
    await settle()

    assert message.deleted
    assert town.said() == [BLIND.format("News 1")]


async def test_who_is_held_for_it_is_released(autojump_clock: MockClock, town: Town) -> None:
    town.sue.write(town.group, "Buy!")
    await settle()
    assert town.is_muted(town.sue)
    town.anna.demote(town.channel, town.telegram.bot)
    await jobs_done()

    assert not town.is_muted(town.sue)


async def test_seen_again_it_is_required_again_and_each_loss_is_told(
    autojump_clock: MockClock, town: Town
) -> None:
    for _ in range(2):
        town.anna.demote(town.channel, town.telegram.bot)
        await jobs_done()
        town.anna.promote(town.channel, town.telegram.bot)
        await jobs_done()
    message = town.sue.write(town.group, "Buy!")
    await settle()

    assert town.said() == [TOLD, TOLD]
    assert message.deleted


@pytest.mark.parametrize("town_options", [{"channels": 2}], ids=[""])
async def test_who_is_held_is_looked_at_when_it_is_seen_again(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.demote(town.channels[0], town.telegram.bot)
    await jobs_done()
    town.sue.write(town.group, "Buy!")
    await settle()
    with unheard(town):
        for channel in town.channels:
            town.sue.join(channel)
    assert town.is_muted(town.sue)
    town.anna.promote(town.channels[0], town.telegram.bot)
    await jobs_done()

    assert not town.is_muted(town.sue)


async def test_a_server_that_fails_decides_nothing(autojump_clock: MockClock, town: Town) -> None:
    fault = town.telegram.faults.add(Fault.status(502), method="getChatMember")
    await town.bot.guard.jobs.add("sight", town.channel.id)
    await trio.sleep(30)
    town.telegram.faults.remove(fault)
    await trio.sleep(30)

    assert town.said() == []
    channel = town.bot.guard.policies.channel(town.channel.id)
    assert channel is not None
    assert not channel.hidden


async def test_a_loss_that_was_not_heard_shows_when_somebody_is_looked_up(
    autojump_clock: MockClock, town: Town
) -> None:
    with unheard(town):
        town.anna.demote(town.channel, town.telegram.bot)
    message = town.sue.write(town.group, "Hello")
    await trio.sleep(20)
    await settle()

    assert town.said() == [TOLD]
    assert not message.deleted
    assert not town.is_muted(town.sue)


@pytest.mark.parametrize("query", ["set_channel_hidden", "add_job"])
async def test_all_are_told_also_where_the_flow_was_cut_off(
    autojump_clock: MockClock, town: Town, query: str
) -> None:
    other = await another_group(town)
    town.storage.refuse[query] = town.away()
    town.storage.refuse["claim_effect"] = town.away()
    town.anna.demote(town.channel, town.telegram.bot)
    await trio.sleep(30)
    await settle()

    assert town.said() == [TOLD]
    assert other.texts() == [TOLD]


async def test_groups_that_were_not_told_yet_are_left_in_peace_when_it_is_seen_again(
    autojump_clock: MockClock, town: Town
) -> None:
    other = await another_group(town)

    async def see_again() -> None:
        town.anna.promote(town.channel, town.telegram.bot)
        await settle()

    town.storage.after["release_effect"] = town.storage.after["claim_effect"] = see_again
    town.anna.demote(town.channel, town.telegram.bot)
    await jobs_done()
    await jobs_done()

    assert sorted([*town.said(), *other.texts()]) == [TOLD]
    assert town.bot.guard.policies.channel(town.channel.id) is not None
    assert not town.bot.guard.policies.channel(town.channel.id).hidden  # type: ignore[union-attr]


async def test_a_return_that_was_not_heard_is_found_by_looking_again(
    autojump_clock: MockClock, town: Town
) -> None:
    await another_group(town)
    town.anna.demote(town.channel, town.telegram.bot)
    await jobs_done()
    with unheard(town):
        town.anna.promote(town.channel, town.telegram.bot)
    await look_again(town.bot.guard)
    await jobs_done()
    message = town.sue.write(town.group, "Buy!")
    await settle()

    assert message.deleted


async def test_a_look_again_tells_nobody_a_second_time(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.demote(town.channel, town.telegram.bot)
    await jobs_done()
    asked = town.sent().count("add_job")
    await look_again(town.bot.guard)
    await jobs_done()

    assert town.said() == [TOLD]
    assert town.sent().count("add_job") == asked + 1


async def test_where_all_is_in_sight_there_is_nothing_to_look_at_again(
    autojump_clock: MockClock, town: Town
) -> None:
    await look_again(town.bot.guard)
    await jobs_done()

    assert town.count("getChatMember") == 0


async def test_a_look_learns_a_channels_new_names(autojump_clock: MockClock, town: Town) -> None:
    town.anna.rename(town.channel, "Fresh news", username="fresh_news")
    seen = SeenChat(town.channel.id, "channel", "Fresh news", "fresh_news")
    assert is_renamed(town.bot.guard, seen)
    await town.bot.guard.jobs.add("sight", town.channel.id)
    await jobs_done()

    channel = town.bot.guard.policies.channel(town.channel.id)
    assert channel is not None
    assert (channel.title, channel.username) == ("Fresh news", "fresh_news")
    assert not is_renamed(town.bot.guard, seen)
    assert not is_renamed(town.bot.guard, SeenChat(town.group.id, "channel", "Else"))


async def test_a_channel_that_becomes_private_gets_a_link_made_once_and_kept(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.rename(town.channel, username="")
    town.max.leave(town.channel)  # which tells of the names
    await jobs_done()
    (link,) = [link for link, made in town.channel.links.items() if made.name == "GMBot"]
    assert next(town.notice.buttons()) == {"text": "Join News 0", "url": link}

    for name in ("news_again", ""):
        town.anna.rename(town.channel, username=name)
        await town.bot.guard.jobs.add("sight", town.channel.id)
        await jobs_done()
    await town.restart()
    town.sue.write(town.group, "Buy!")
    await jobs_done()
    assert next(town.notice.buttons()) == {"text": "Join News 0", "url": link}
    assert town.count("createChatInviteLink") == 1


async def test_a_channel_that_becomes_private_gets_its_link_when_the_bot_may_make_one(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.promote(town.channel, town.telegram.bot, can_post_messages=True)
    town.anna.rename(town.channel, username="")
    town.max.leave(town.channel)
    await jobs_done()
    assert [button["text"] for button in town.notice.buttons()] == ["I have joined"]

    town.anna.promote(town.channel, town.telegram.bot)
    await jobs_done()
    town.sue.write(town.group, "Buy!")
    await jobs_done()
    assert [button["text"] for button in town.notice.buttons()] == ["Join News 0", "I have joined"]


@pytest.mark.parametrize("kind", ["sight", "tell"])
async def test_a_channel_that_nobody_requires_any_more_is_not_looked_at(
    autojump_clock: MockClock, town: Town, kind: str
) -> None:
    await town.bot.guard.policies.unprotect(town.group.id, [town.channel.id])
    await town.bot.guard.jobs.add(kind, town.channel.id)
    await jobs_done()

    assert town.count("getChatMember") == 0


async def test_a_group_that_was_not_guarded_then_is_told_when_it_is_again(
    autojump_clock: MockClock, town: Town
) -> None:
    await another_group(town)
    town.anna.kick(town.group, town.telegram.bot)
    await settle()
    town.anna.demote(town.channel, town.telegram.bot)
    await jobs_done()
    assert town.said() == []
    town.anna.promote(town.group, town.telegram.bot)
    await jobs_done()

    assert town.said()[-1] == TOLD


async def test_a_return_that_was_not_heard_is_found_when_a_group_names_it_again(
    autojump_clock: MockClock, town: Town
) -> None:
    other = await another_group(town)
    town.anna.demote(town.channel, town.telegram.bot)
    await jobs_done()
    with unheard(town):
        town.anna.promote(town.channel, town.telegram.bot)
    third = town.world.supergroup("Third", creator=town.anna, admins=[town.telegram.bot])
    town.anna.command(third, "/protect @news_0")
    await jobs_done()
    messages = [town.sue.write(group, "Buy!") for group in (town.group, other)]
    await settle()
    assert [message.deleted for message in messages] == [True, True]
    town.anna.demote(town.channel, town.telegram.bot)
    await jobs_done()

    assert town.said() == [TOLD, TOLD]
    assert third.texts()[-1] == TOLD


async def test_a_protect_does_not_show_a_channel_that_is_lost_in_the_midst_of_it(
    autojump_clock: MockClock, town: Town
) -> None:
    async def lose() -> None:
        town.anna.demote(town.channel, town.telegram.bot)
        await trio.sleep(1)

    other = town.world.supergroup("Other", creator=town.anna, admins=[town.telegram.bot])
    town.storage.after["channel"] = lose
    town.anna.command(other, "/protect @news_0")
    await jobs_done()

    channel = town.bot.guard.policies.channel(town.channel.id)
    assert channel is not None
    assert channel.hidden


async def test_a_channel_that_a_group_gave_up_and_took_back_is_a_new_one_to_lose(
    autojump_clock: MockClock, town: Town
) -> None:
    await another_group(town)
    town.anna.demote(town.channel, town.telegram.bot)
    await jobs_done()
    town.anna.command(town.group, "/unprotect")
    await jobs_done()
    town.anna.promote(town.channel, town.telegram.bot)
    await jobs_done()
    town.anna.command(town.group, "/protect @news_0")
    await jobs_done()
    town.anna.demote(town.channel, town.telegram.bot)
    await jobs_done()

    assert town.said().count(TOLD) == 2


@pytest.mark.parametrize("loss_is_heard", [True, False])
async def test_who_left_while_it_was_out_of_sight_is_not_taken_for_a_member(
    autojump_clock: MockClock, town: Town, *, loss_is_heard: bool
) -> None:
    town.max.write(town.group, "I am in")
    await settle()
    if loss_is_heard:
        town.anna.demote(town.channel, town.telegram.bot)
        await jobs_done()
    else:
        with unheard(town):
            town.anna.demote(town.channel, town.telegram.bot)
    with unheard(town):
        town.max.leave(town.channel)
    town.anna.promote(town.channel, town.telegram.bot)
    await jobs_done()
    message = town.max.write(town.group, "Am I?")
    await settle()

    assert message.deleted
    assert town.is_muted(town.max)


async def test_who_left_while_no_group_required_it_is_not_taken_for_a_member(
    autojump_clock: MockClock, town: Town
) -> None:
    town.max.write(town.group, "I am in")
    await settle()
    town.anna.command(town.group, "/unprotect")
    await jobs_done()
    town.max.leave(town.channel)
    await settle()
    town.anna.command(town.group, "/protect @news_0")
    await settle()
    message = town.max.write(town.group, "Am I?")
    await settle()

    assert message.deleted
    assert town.is_muted(town.max)


async def test_a_return_that_was_not_heard_is_found_within_ten_minutes(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.demote(town.channel, town.telegram.bot)
    await jobs_done()
    with unheard(town):
        town.anna.promote(town.channel, town.telegram.bot)
    await trio.sleep(LOOK_EVERY + 3)
    message = town.sue.write(town.group, "Buy!")
    await settle()

    assert message.deleted


async def test_a_database_that_is_away_at_one_look_is_asked_at_the_next(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.demote(town.channel, town.telegram.bot)
    await jobs_done()
    with unheard(town):
        town.anna.promote(town.channel, town.telegram.bot)
    await trio.sleep(LOOK_EVERY - 100)
    town.storage.away = True
    await trio.sleep(110)
    town.storage.away = False
    await trio.sleep(LOOK_EVERY + 3)

    channel = town.bot.guard.policies.channel(town.channel.id)
    assert channel is not None
    assert not channel.hidden


async def test_a_channel_that_stays_out_of_sight_costs_a_call_in_ten_minutes(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.demote(town.channel, town.telegram.bot)
    await jobs_done()
    asked = town.count("getChatMember")
    await trio.sleep(6 * LOOK_EVERY)

    assert town.count("getChatMember") == asked + 6
    assert town.said() == [TOLD]


async def test_who_joined_while_it_was_out_of_sight_unnoticed_is_released_when_it_is_back(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.write(town.group, "Buy!")
    await settle()
    with unheard(town):
        town.anna.demote(town.channel, town.telegram.bot)
        town.sue.join(town.channel)
    town.anna.promote(town.channel, town.telegram.bot)
    await jobs_done()

    assert not town.is_muted(town.sue)
    assert town.said() == []
