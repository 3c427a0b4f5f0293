"""People who go out of a required channel, or come in."""

from functools import partial
from typing import Any

import pytest
from trio import sleep
from trio.testing import MockClock

from gmbot.api.errors import ChatMigrated
from gmbot.flows.leave import handle_job, joined_channel, left_channel
from gmbot.flows.settling import AT_ONCE
from gmbot.guard.membership import MembershipUnknown
from gmbot.guard.params import Params
from gmbot.sandbox.chats import Chat
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.faults import Fault, Rule
from gmbot.sandbox.people import Person
from gmbot.storage.errors import StorageUnavailable
from gmbot.storage.records import Job
from tests.guard.town import Town, last_update, settle

TWO_CHANNELS = pytest.mark.parametrize("town_options", [{"channels": 2}], ids=["two channels"])


async def more_groups(town: Town, count: int, *members: Person) -> list[Chat]:
    """Guard further groups with the same channels."""
    groups = [
        town.world.supergroup(
            f"Garden {number}",
            creator=town.anna,
            username=f"garden_{number}",
            members=members,
            admins=[town.telegram.bot],
        )
        for number in range(count)
    ]
    for group in groups:
        await town.protect(town.storage, group)
    await town.bot.guard.policies.load()
    return groups


def muted_in(town: Town, person: Person, groups: list[Chat]) -> list[Chat]:
    return [group for group in groups if not town.world.can_write(person, group)]


def blind(town: Town, chat: Chat) -> Rule:
    return town.telegram.faults.add(Fault.status(502), method="getChatMember", chat=chat.id)


# Out


@pytest.mark.parametrize("how", ["leaves", "is kicked", "is banned"])
async def test_who_goes_out_of_the_channel_is_muted_with_a_notice(
    autojump_clock: MockClock, town: Town, how: str
) -> None:
    match how:
        case "leaves":
            town.max.leave(town.channel)
        case "is kicked":
            town.anna.kick(town.channel, town.max)
        case _:
            town.anna.ban(town.channel, town.max)
    await settle()

    assert town.is_muted(town.max)
    assert "Max" in town.notice.text


async def test_who_goes_is_muted_in_every_linked_group_they_are_in_and_nowhere_else(
    autojump_clock: MockClock, town: Town
) -> None:
    groups = await more_groups(town, 5, town.max)
    empty = await more_groups_elsewhere(town)
    await town.bot.guard.policies.load()
    groups[4].standings.pop(town.max.id)
    unguarded = town.world.supergroup("Other", creator=town.anna, members=[town.max])
    town.max.leave(town.channel)
    await settle()

    assert muted_in(town, town.max, groups[:4]) == groups[:4]
    assert town.world.can_write(town.max, unguarded)
    assert town.world.can_write(town.max, empty)
    held = {restriction.group_id for restriction in await town.storage.restrictions()}
    assert held == {town.group.id, *(group.id for group in groups[:4])}


async def more_groups_elsewhere(town: Town) -> Chat:
    """Guard a group with another channel."""
    group = town.world.supergroup(
        "Cooks", creator=town.anna, members=[town.max], admins=[town.telegram.bot]
    )
    town.channels, kept = (
        [
            town.world.channel(
                "Recipes", creator=town.anna, members=[town.max], admins=[town.telegram.bot]
            )
        ],
        town.channels,
    )
    await town.protect(town.storage, group)
    town.channels = kept
    return group


async def test_who_goes_out_of_a_channel_that_is_out_of_sight_is_left_alone(
    autojump_clock: MockClock, town: Town
) -> None:
    town.telegram.faults.add(Fault.hang(), method="getChatMember", chat=town.channel.id)
    await town.bot.guard.policies.hide(town.channel.id, hidden=True)
    town.max.leave(town.channel)
    await sleep(10)

    assert not town.is_muted(town.max)
    assert town.notices() == []


async def test_an_admin_and_the_owner_who_go_are_left_alone(
    autojump_clock: MockClock, town: Town
) -> None:
    town.mia.join(town.channel)
    await settle()
    with town.no_restrictions():
        town.mia.leave(town.channel)
        await sleep(10)

    assert town.storage.rows("restrictions") == []
    assert town.notices() == []


async def test_a_bot_that_goes_is_no_matter(autojump_clock: MockClock, town: Town) -> None:
    robot = town.world.bot("Robot", "robot_bot")
    town.anna.promote(town.channel, robot)
    await settle()
    with town.no_restrictions():
        asked = town.count("getChatMember")
        town.anna.demote(town.channel, robot)
        await settle()

    assert town.count("getChatMember") == asked


async def test_somebody_a_human_banned_stays_banned(autojump_clock: MockClock, town: Town) -> None:
    town.mia.ban(town.group, town.max)
    await settle()
    with town.no_restrictions():
        town.max.leave(town.channel)
        await settle()

    assert town.group.standing(town.max.id, 0).status == "kicked"


@pytest.mark.parametrize("before", [0.0, 0.4, 3600.0])
async def test_a_pardon_ends_when_the_person_goes(
    autojump_clock: MockClock, town: Town, before: float
) -> None:
    given_at = town.telegram.now() - before
    await town.storage.pardon(town.group.id, town.max.id, given_at=given_at)
    town.max.leave(town.channel)
    await settle()

    assert town.is_muted(town.max)
    assert not await town.storage.is_pardoned(town.group.id, town.max.id)


async def test_a_pardon_is_not_ended_by_an_old_leave(autojump_clock: MockClock, town: Town) -> None:
    town.max.leave(town.channel)
    change = last_update(town.telegram).update.chat_member
    assert change is not None
    await settle()
    await sleep(10)
    town.mia.lift(town.group, town.max)
    await settle()

    await left_channel(town.bot.guard, change)

    assert not town.is_muted(town.max)
    assert await town.storage.is_pardoned(town.group.id, town.max.id)


async def test_a_pardon_that_was_given_after_a_leave_outlasts_its_late_word(
    autojump_clock: MockClock, town: Town
) -> None:
    town.storage.away = True
    town.max.leave(town.channel)
    await sleep(3)
    town.storage.away = False
    pardoned_at = town.telegram.now()
    await town.storage.pardon(town.group.id, town.max.id, given_at=pardoned_at)
    with town.no_restrictions():
        await sleep(60)

    assert await town.storage.is_pardoned(town.group.id, town.max.id)


async def test_a_leave_that_arrives_twice_is_one(autojump_clock: MockClock, town: Town) -> None:
    town.max.leave(town.channel)
    change = last_update(town.telegram).update.chat_member
    assert change is not None
    for _ in range(3):
        await left_channel(town.bot.guard, change)
        await sleep(4)

    assert town.count("restrictChatMember") == 1
    assert town.count("sendMessage") == 1


async def test_who_came_back_before_it_was_looked_at_is_left_alone(
    autojump_clock: MockClock, town: Town
) -> None:
    with town.no_restrictions():
        town.max.leave(town.channel)
        change = last_update(town.telegram).update.chat_member
        town.max.join(town.channel)
        await settle()
        assert change is not None
        await left_channel(town.bot.guard, change)
        await sleep(10)
        await left_channel(town.bot.guard, change)

    assert not town.is_muted(town.max)
    assert town.storage.rows("restrictions") == []


async def test_an_old_leave_is_asked_about_and_in_doubt_looked_at_again(
    autojump_clock: MockClock, town: Town
) -> None:
    town.storage.away = True
    town.max.leave(town.channel)
    await sleep(6)
    fault = blind(town, town.channel)
    town.storage.away = False
    with town.no_restrictions():
        await sleep(20)
    town.telegram.faults.remove(fault)
    await sleep(60)

    assert town.is_muted(town.max)
    assert len(town.notices()) == 1


async def test_a_group_we_cannot_look_into_does_not_stop_the_others(
    autojump_clock: MockClock, town: Town, logs: list[Any]
) -> None:
    (other,) = await more_groups(town, 1, town.max)
    rule = Fault.status(403, description="Forbidden: bot was kicked from the supergroup chat")
    town.telegram.faults.add(rule, method="getChatMember", chat=town.group.id)
    town.max.leave(town.channel)
    await settle()

    assert muted_in(town, town.max, [other]) == [other]
    assert "rights_missing" in [line["event"] for line in logs]


async def test_a_group_that_is_let_go_meanwhile_is_left_alone(
    autojump_clock: MockClock, town: Town
) -> None:
    (other,) = await more_groups(town, 1, town.max)
    policies = town.bot.guard.policies
    town.storage.after["groups_seen"] = partial(policies.set_enabled, other.id, enabled=False)
    town.max.leave(town.channel)
    await settle()

    assert town.is_muted(town.max)
    assert muted_in(town, town.max, [other]) == []


async def test_a_group_that_has_moved_is_looked_at_again_under_its_new_id(
    autojump_clock: MockClock, town: Town
) -> None:
    town.max.leave(town.channel)
    change = last_update(town.telegram).update.chat_member
    assert change is not None
    moved(town)

    with pytest.RaisesGroup(ChatMigrated):
        await left_channel(town.bot.guard, change)
    with pytest.raises(ChatMigrated):
        await handle_job(town.bot.guard, job(town))


def moved(town: Town) -> None:
    """Let Telegram say that the group has another id."""
    words = "Bad Request: group chat was upgraded to a supergroup chat"
    error = TelegramError(400, words, {"migrate_to_chat_id": town.group.id})
    town.telegram.faults.add(Fault.error(error), method="getChatMember", chat=town.group.id)


async def test_who_waits_to_be_let_in_again_is_released_and_not_held_by_a_job(
    autojump_clock: MockClock, town: Town
) -> None:
    await town.bot.guard.policies.set_params(town.group.id, Params(requests_count=True))
    town.max.leave(town.channel)
    await settle()
    assert town.is_muted(town.max)
    town.channel.join_by_request = True
    town.max.request_join(town.channel)
    await sleep(10)
    await handle_job(town.bot.guard, job(town))

    assert not town.is_muted(town.max)


# The rest as a job


async def test_of_many_groups_those_where_the_person_was_seen_come_first(
    autojump_clock: MockClock, town: Town
) -> None:
    groups = await more_groups(town, 3 * AT_ONCE, town.max)
    likely = sorted(groups, key=lambda group: group.id)[-2:]  # the last ones without that
    for group in likely:
        town.max.write(group, "Hello")
    await settle()
    town.max.leave(town.channel)
    await settle()
    assert set(likely) <= set(muted_in(town, town.max, groups))
    assert len(muted_in(town, town.max, [town.group, *groups])) == AT_ONCE
    await sleep(120)

    assert muted_in(town, town.max, groups) == groups
    assert town.storage.rows("jobs") == []


async def test_a_group_that_wants_the_channel_only_meanwhile_is_looked_into_too(
    autojump_clock: MockClock, town: Town
) -> None:
    other = town.world.supergroup(
        "Other", creator=town.anna, members=[town.max], admins=[town.telegram.bot]
    )
    town.telegram.faults.add(Fault.slow(1.0), method="getChatMember", chat=town.group.id)
    town.max.leave(town.channel)
    await settle()
    await town.protect(town.storage, other)
    await town.bot.guard.policies.load()
    await sleep(30)

    assert muted_in(town, town.max, [town.group, other]) == [town.group, other]
    assert town.storage.rows("jobs") == []


async def test_a_job_ends_when_the_person_comes_back(autojump_clock: MockClock, town: Town) -> None:
    groups = await more_groups(town, 3 * AT_ONCE, town.max)
    town.max.leave(town.channel)
    await settle()
    town.max.join(town.channel)
    await sleep(120)

    assert muted_in(town, town.max, groups) == []
    assert town.storage.rows("restrictions") == []
    assert town.storage.rows("jobs") == []


async def test_a_job_goes_on_after_a_restart(autojump_clock: MockClock, town: Town) -> None:
    groups = await more_groups(town, 3 * AT_ONCE, town.max)
    town.max.leave(town.channel)
    await settle()
    await town.restart()
    await sleep(180)

    assert muted_in(town, town.max, groups) == groups
    assert town.storage.rows("jobs") == []


def job(town: Town, **payload: Any) -> Job:
    return Job("leave", f"{town.channel.id}:{town.max.id}", payload, 1, 0, 0.0)


async def test_a_job_leaves_out_what_is_done(autojump_clock: MockClock, town: Town) -> None:
    groups = sorted(await more_groups(town, 4, town.max), key=lambda group: group.id)
    town.channel.standings.pop(town.max.id)

    await handle_job(town.bot.guard, job(town, done=[groups[3].id], after=groups[0].id))

    left_out = {groups[0], groups[3]}
    assert set(muted_in(town, town.max, groups)) == set(groups) - left_out


async def test_a_job_passes_over_groups_that_the_person_is_not_in(
    autojump_clock: MockClock, town: Town
) -> None:
    eve = town.world.person("Eve")
    key = f"{town.channel.id}:{eve.id}"
    with town.no_restrictions():
        await handle_job(town.bot.guard, Job("leave", key, {}, 1, 0, 0.0))
        town.telegram.faults.add(
            Fault.status(403), method="getChatMember", chat=town.group.id, times=1
        )
        await handle_job(town.bot.guard, Job("leave", key, {}, 1, 0, 0.0))
        never_there = Fault.status(400, description="Bad Request: user not found")
        town.telegram.faults.add(never_there, method="getChatMember", chat=town.group.id, times=1)
        await handle_job(town.bot.guard, Job("leave", key, {}, 1, 0, 0.0))

    assert town.storage.rows("restrictions") == []


@TWO_CHANNELS
async def test_a_job_in_doubt_is_tried_again(
    autojump_clock: MockClock, town: Town, town_options: dict[str, Any]
) -> None:
    town.max.leave(town.channels[1])
    await settle()
    town.bot.guard.memberships.note(town.channels[1].id, town.max.id, is_in=True)
    town.bot.guard.memberships.note(town.channels[0].id, town.max.id, is_in=False)
    await sleep(100)
    blind(town, town.channels[0])

    with pytest.raises(MembershipUnknown):
        await handle_job(town.bot.guard, job(town))


async def test_a_job_that_was_asked_for_anew_ends(autojump_clock: MockClock, town: Town) -> None:
    groups = await more_groups(town, AT_ONCE, town.max)
    town.channel.standings.pop(town.max.id)

    await handle_job(town.bot.guard, job(town))  # not in the storage: as if of another version

    assert 0 < len(muted_in(town, town.max, groups)) < AT_ONCE


# In


async def test_who_comes_in_is_released_without_a_press(
    autojump_clock: MockClock, town: Town
) -> None:
    groups = await more_groups(town, 2, town.sue)
    for group in (town.group, *groups):
        town.sue.write(group, "Hello")
    await sleep(5)
    town.sue.join(town.channel)
    await sleep(5)

    assert muted_in(town, town.sue, [town.group, *groups]) == []
    assert town.notices() == []
    assert town.storage.rows("restrictions") == []


@TWO_CHANNELS
async def test_who_still_lacks_another_channel_stays_held(
    autojump_clock: MockClock, town: Town, town_options: dict[str, Any]
) -> None:
    town.sue.write(town.group, "Hello")
    await sleep(5)
    town.sue.join(town.channels[0])
    await sleep(5)
    assert town.is_muted(town.sue)
    assert "Sue" in town.notice.text
    town.sue.join(town.channels[1])
    await sleep(5)

    assert not town.is_muted(town.sue)
    assert town.notices() == []


@TWO_CHANNELS
async def test_in_doubt_about_another_channel_the_release_is_tried_again(
    autojump_clock: MockClock, town: Town, town_options: dict[str, Any]
) -> None:
    town.sue.write(town.group, "Hello")
    town.sue.join(town.channels[1])
    await sleep(5)
    town.bot.guard.memberships.note(town.channels[1].id, town.sue.id, is_in=False)
    fault = blind(town, town.channels[1])
    town.sue.join(town.channels[0])
    await sleep(5)
    assert town.is_muted(town.sue)
    town.telegram.faults.remove(fault)
    await sleep(40)

    assert not town.is_muted(town.sue)


async def test_an_old_entry_does_not_release_who_has_left_again(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.join(town.channel)
    change = last_update(town.telegram).update.chat_member
    assert change is not None
    town.sue.leave(town.channel)
    await sleep(10)
    assert town.is_muted(town.sue)

    await joined_channel(town.bot.guard, change)

    assert town.is_muted(town.sue)
    assert len(town.notices()) == 1


async def test_somebody_whom_humans_restricted_before_us_gets_only_that_back(
    autojump_clock: MockClock, town: Town
) -> None:
    town.mia.restrict(town.group, town.sue, can_send_messages=True)
    town.sue.write(town.group, "Hello")
    await sleep(5)
    town.sue.join(town.channel)
    await settle()

    assert town.world.may(town.sue, town.group, "can_send_messages")
    assert not town.world.may(town.sue, town.group, "can_send_photos")


async def test_who_was_warned_is_named_no_more_and_begins_anew(
    autojump_clock: MockClock, town: Town
) -> None:
    await town.bot.guard.policies.set_params(town.group.id, Params(warnings=2))
    town.sue.write(town.group, "Hello")
    await sleep(6)
    assert "Sue" in town.notice.text
    town.sue.join(town.channel)
    await sleep(6)
    assert town.notices() == []
    town.sue.leave(town.channel)
    await sleep(6)
    for _ in range(2):
        town.sue.write(town.group, "Hello again")
        await sleep(6)

    assert not town.is_muted(town.sue)
    town.sue.write(town.group, "Hello once more")
    await settle()
    assert town.is_muted(town.sue)


@TWO_CHANNELS
async def test_who_was_warned_and_lacks_another_channel_stays_named(
    autojump_clock: MockClock, town: Town, town_options: dict[str, Any]
) -> None:
    await town.bot.guard.policies.set_params(town.group.id, Params(warnings=2))
    town.sue.write(town.group, "Hello")
    await sleep(6)
    fault = blind(town, town.channels[1])
    town.sue.join(town.channels[0])
    await sleep(4)
    assert "Sue" in town.notice.text
    town.telegram.faults.remove(fault)
    await sleep(40)

    assert "Sue" in town.notice.text


async def test_who_is_held_in_very_many_groups_is_released_in_all(
    autojump_clock: MockClock, town: Town
) -> None:
    groups = await more_groups(town, 2 * AT_ONCE, town.max)
    town.max.leave(town.channel)
    await sleep(120)
    assert muted_in(town, town.max, groups) == groups
    town.max.join(town.channel)
    await settle()
    await sleep(120)

    assert muted_in(town, town.max, groups) == []
    assert town.storage.rows("jobs") == []
    assert town.storage.rows("restrictions") == []


async def test_a_database_that_is_away_loses_no_leave(
    autojump_clock: MockClock, town: Town
) -> None:
    town.storage.refuse["drop_join_request"] = StorageUnavailable("gone for a moment")
    town.max.leave(town.channel)
    await sleep(20)

    assert town.is_muted(town.max)
