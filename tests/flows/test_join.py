"""People who come into a guarded group."""

from math import inf
from typing import Any

import pytest
from trio import sleep
from trio.testing import MockClock

from gmbot.api.errors import ChatMigrated
from gmbot.flows.join import joined, welcomed
from gmbot.guard.params import Params
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.faults import Fault, Rule
from gmbot.sandbox.people import Person
from gmbot.storage.records import RestrictionState
from tests.guard.town import Town, last_update, pressed, settle


@pytest.fixture
def eve(town: Town) -> Person:
    """Somebody who is nowhere yet; the group is open to everybody."""
    town.group.username = "garden_friends"
    return town.world.person("Eve")


def blind(town: Town) -> Rule:
    """Let nobody find out who is in the channel."""
    return town.telegram.faults.add(Fault.status(502), method="getChatMember", chat=town.channel.id)


async def service_message(town: Town, *people: Person, by: Person | None = None) -> None:
    """Let the bot hear of a join by a service message alone."""
    adder = by or people[0]
    message = {
        "message_id": town.group.next_message_id,
        "date": int(town.telegram.now()),
        "chat": town.group.payload(),
        "from": adder.payload(),
        "new_chat_members": [person.payload() for person in people],
    }
    town.world.tell(town.telegram.bot, "message", message)
    await settle()


# Held and welcomed


async def test_who_joins_without_the_channel_is_muted_and_welcomed(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    eve.join(town.group)
    await settle()

    assert town.is_muted(eve)
    assert "Eve" in town.notice.text
    record = await town.held(eve)
    assert record is not None
    assert (record.state, record.before) == (RestrictionState.HELD, None)


async def test_who_joins_with_the_channel_is_left_alone(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    eve.join(town.channel)
    await settle()
    with town.no_restrictions():
        eve.join(town.group)
        await sleep(10)

    assert town.notices() == []
    assert not town.is_muted(eve)


async def test_a_join_in_both_forms_is_one(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    eve.join(town.group)
    await sleep(30)

    assert town.count("restrictChatMember") == 1
    assert town.count("sendMessage") == 1
    assert town.count("editMessageText") == 0
    assert town.count("getChatMember") == 1  # the channel: the update tells the rest


@pytest.mark.parametrize("later", [0, 1, 4, 7, 30], ids=lambda later: f"{later} s later")
async def test_a_join_whose_service_message_comes_first_is_one_too(
    autojump_clock: MockClock, town: Town, eve: Person, later: int
) -> None:
    hear = town.world.on_update
    held_up: list[Any] = []

    def sort(bot_id: int, kind: str, payload: dict[str, Any]) -> None:
        if kind == "chat_member":
            if payload["new_chat_member"]["user"]["id"] == eve.id:
                held_up.append(payload)
        else:
            hear(bot_id, kind, payload)

    town.world.on_update = sort
    eve.join(town.group)
    await sleep(later)
    town.world.on_update = hear
    change, *_ours = held_up
    hear(town.telegram.bot.id, "chat_member", change)
    await sleep(60)

    assert town.is_muted(eve)
    assert town.count("restrictChatMember") == 1
    assert town.count("sendMessage") == 1
    assert town.notice.text.startswith("Welcome, Eve!")
    assert await town.held(eve) is not None


async def test_somebody_whom_a_member_adds_is_one_join_in_both_forms(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    town.max.add(town.group, eve)
    await sleep(30)

    assert town.is_muted(eve)
    assert town.count("restrictChatMember") == 1
    assert town.count("sendMessage") == 1


async def test_a_join_that_arrives_twice_is_one(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    town.group.join_messages = False
    eve.join(town.group)
    change = last_update(town.telegram).update.chat_member
    assert change is not None
    await sleep(3)
    await joined(town.bot.guard, change)
    await sleep(30)
    await joined(town.bot.guard, change)
    await sleep(30)

    assert town.count("restrictChatMember") == 1
    assert town.count("sendMessage") == 1
    assert len(town.notices()) == 1


async def test_a_service_message_alone_does_it_too(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    await service_message(town, town.sue)

    assert town.is_muted(town.sue)
    assert "Sue" in town.notice.text


async def test_a_service_message_alone_names_again_who_comes_back_while_held(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    town.sue.write(town.group, "Hello")
    await sleep(400)
    assert town.notices() == []
    await service_message(town, town.sue)

    assert "Sue" in town.notice.text
    assert town.count("restrictChatMember") == 1


async def test_several_people_in_one_service_message_are_looked_at_each(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    await service_message(town, town.sue, town.max, town.tim, by=town.max)

    assert town.is_muted(town.sue)
    assert town.is_muted(town.tim)
    assert not town.is_muted(town.max)
    assert len(town.notices()) == 1


async def test_who_is_gone_when_the_service_message_is_looked_at_is_left_alone(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    with town.no_restrictions():
        await service_message(town, eve)
        await sleep(10)

    assert town.storage.rows("restrictions") == []
    assert town.notices() == []


async def test_a_raid_has_one_notice(autojump_clock: MockClock, town: Town, eve: Person) -> None:
    people = [town.world.person(f"Raider {number}") for number in range(40)]
    for person in people:
        person.join(town.group)
    await sleep(20)

    assert all(town.is_muted(person) for person in people)
    assert len(town.notices()) == 1
    assert town.count("restrictChatMember") == 40


# Left alone


async def test_bots_and_admins_are_left_alone(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    robot = town.world.bot("Robot", "robot_bot")
    with town.no_restrictions():
        town.anna.add(town.group, robot)
        town.anna.promote(town.group, eve)
        await service_message(town, town.mia)
        await sleep(10)

    assert town.storage.rows("restrictions") == []
    assert town.notices() == []


async def test_joins_of_a_group_that_is_not_guarded_are_no_matter(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    other = town.world.supergroup(
        "Elsewhere", creator=town.anna, username="elsewhere", admins=[town.telegram.bot]
    )
    with town.no_calls():
        eve.join(other)
        change = last_update(town.telegram, back=2).update.chat_member
        message = last_update(town.telegram).update.message
        await settle()
        assert change is not None
        assert message is not None
        await joined(town.bot.guard, change)  # as where it was stored before /unprotect
        await welcomed(town.bot.guard, message)

    assert town.world.can_write(eve, other)


async def test_somebody_whom_a_human_restricted_stays_so(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    town.mia.restrict(town.group, eve, can_send_messages=True)
    eve.join(town.group)
    await settle()
    assert town.is_muted(eve)
    eve.join(town.channel)
    await settle()

    assert town.world.may(eve, town.group, "can_send_messages")
    assert not town.world.may(eve, town.group, "can_send_photos")


# In doubt


async def test_nobody_is_held_on_doubt_and_the_join_is_looked_at_again(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    fault = blind(town)
    with town.no_restrictions():
        eve.join(town.group)
        await sleep(4)
    town.telegram.faults.remove(fault)
    await sleep(8)

    assert town.is_muted(eve)
    assert len(town.notices()) == 1


async def test_who_has_left_meanwhile_is_left_alone(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    fault = blind(town)
    with town.no_restrictions():
        eve.join(town.group)
        await sleep(4)
        eve.leave(town.group)
        town.telegram.faults.remove(fault)
        await sleep(60)

    assert town.storage.rows("restrictions") == []
    assert town.notices() == []


async def test_what_a_human_decided_meanwhile_is_what_is_given_back(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    fault = blind(town)
    eve.join(town.group)
    await sleep(4)
    town.mia.restrict(town.group, eve, can_send_messages=True)
    town.telegram.faults.remove(fault)
    await sleep(20)
    assert town.is_muted(eve)
    eve.join(town.channel)
    await sleep(5)

    assert town.world.may(eve, town.group, "can_send_messages")
    assert not town.world.may(eve, town.group, "can_send_photos")


async def test_of_several_people_only_who_is_in_doubt_has_to_wait(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    town.bot.guard.memberships.note(town.channel.id, town.sue.id, is_in=False)
    fault = blind(town)
    await service_message(town, town.sue, town.tim, by=town.max)
    await sleep(4)
    assert town.is_muted(town.sue)
    assert not town.is_muted(town.tim)
    town.telegram.faults.remove(fault)
    await sleep(8)

    assert town.is_muted(town.tim)
    assert town.count("restrictChatMember") == 2
    assert len(town.notices()) == 1


# Coming back


async def test_who_comes_back_while_held_is_named_again_and_not_muted_twice(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    eve.join(town.group)
    await sleep(5)
    eve.leave(town.group)
    await sleep(10)
    assert town.notices() == []
    eve.join(town.group)
    await sleep(5)

    assert "Eve" in town.notice.text
    assert town.is_muted(eve)
    assert town.count("restrictChatMember") == 1


async def test_who_comes_back_while_held_is_released_by_the_button(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    eve.join(town.group)
    await sleep(5)
    eve.leave(town.group)
    await sleep(10)
    eve.join(town.group)
    await sleep(5)
    town.bot.guard.memberships.note(town.channel.id, eve.id, is_in=True)  # somehow
    await pressed(eve, town.notice)

    assert not town.is_muted(eve)


@pytest.mark.parametrize("form", ["chat_member", "message"])
async def test_who_comes_back_while_held_and_lacks_nothing_is_released(
    autojump_clock: MockClock, town: Town, eve: Person, form: str
) -> None:
    eve.join(town.group)
    await sleep(5)
    eve.leave(town.group)
    await sleep(90)  # what was known of the channel is forgotten
    hear = town.world.on_update
    town.world.on_update = lambda *_: None
    eve.join(town.channel)
    town.world.on_update = lambda bot_id, kind, payload: (
        hear(bot_id, kind, payload) if kind == form else None
    )
    eve.join(town.group)
    await sleep(30)

    assert not town.is_muted(eve)
    assert await town.held(eve) is None
    assert town.notices() == []


async def test_who_was_freed_while_away_is_pardoned_when_they_come_back(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    eve.join(town.group)
    await sleep(5)
    eve.leave(town.group)
    await sleep(5)
    town.mia.lift(town.group, eve)
    await settle()
    eve.join(town.group)
    await sleep(5)

    assert not town.is_muted(eve)
    assert town.notices() == []


async def test_who_comes_back_as_an_admin_is_held_no_more(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    eve.join(town.group)
    await sleep(5)
    eve.leave(town.group)
    await sleep(5)
    town.anna.promote(town.group, eve)
    await sleep(5)

    assert town.storage.rows("restrictions") == []


# Trusted


@pytest.fixture
async def trusting(autojump_clock: MockClock, town: Town) -> None:
    """Admins of the group may bring in whom they like."""
    await town.bot.guard.policies.set_params(town.group.id, Params(trust_added=True))


async def test_whom_an_admin_adds_needs_no_channel_where_the_group_says_so(
    autojump_clock: MockClock, town: Town, eve: Person, trusting: None
) -> None:
    with town.no_restrictions():
        town.mia.add(town.group, eve)
        await settle()
        message = eve.write(town.group, "Hello")
        await settle()

    assert not message.deleted
    assert town.notices() == []


async def test_whom_an_anonymous_admin_adds_needs_none_either(
    autojump_clock: MockClock, town: Town, eve: Person, trusting: None
) -> None:
    town.mia.be_anonymous(town.group)
    town.mia.add(town.group, eve)
    await settle()

    assert not town.is_muted(eve)


async def test_whom_an_admin_adds_is_held_where_the_group_does_not_say_so(
    autojump_clock: MockClock, town: Town, eve: Person
) -> None:
    town.mia.add(town.group, eve)
    await settle()

    assert town.is_muted(eve)


async def test_whom_a_member_adds_is_held_all_the_same(
    autojump_clock: MockClock, town: Town, eve: Person, trusting: None
) -> None:
    town.max.add(town.group, eve)
    await settle()

    assert town.is_muted(eve)


@pytest.mark.parametrize("how", ["by a link", "without one"])
async def test_whom_an_admin_lets_in_on_request_is_not_added_by_them(
    autojump_clock: MockClock, town: Town, eve: Person, trusting: None, how: str
) -> None:
    link = None
    if how == "by a link":
        link = town.anna.link(town.group, creates_join_request=True)
    town.group.join_by_request = link is None
    town.group.join_messages = False
    town.mia.approve(eve.request_join(town.group, via=link))
    await settle()

    assert town.is_muted(eve)


@pytest.mark.parametrize("told", ["by an update", "by a message"])
async def test_who_was_added_is_free_from_then_on_however_late_that_is_written(
    autojump_clock: MockClock, town: Town, eve: Person, trusting: None, told: str
) -> None:
    town.storage.away = True
    added_at = int(town.telegram.now())
    if told == "by an update":
        town.group.join_messages = False
        town.mia.add(town.group, eve)
    else:
        town.group.standings[eve.id] = town.group.standings[town.sue.id]
        await service_message(town, eve, by=town.mia)
    await sleep(60)
    town.storage.away = False
    await sleep(60)

    ((_group_id, user_id, given_at),) = town.storage.rows("pardons")
    assert (user_id, given_at) == (eve.id, added_at)


async def test_who_was_held_is_released_when_an_admin_adds_them(
    autojump_clock: MockClock, town: Town, eve: Person, trusting: None
) -> None:
    eve.join(town.group)
    await sleep(5)
    eve.leave(town.group)
    await sleep(5)
    town.mia.add(town.group, eve)
    await sleep(5)

    assert not town.is_muted(eve)
    assert await town.held(eve) is None
    assert town.notices() == []


async def test_who_has_left_meanwhile_is_not_pardoned(
    autojump_clock: MockClock, town: Town, eve: Person, trusting: None
) -> None:
    town.mia.add(town.group, eve)
    change = last_update(town.telegram, back=2).update.chat_member
    assert change is not None
    eve.leave(town.group)
    await sleep(10)
    await town.storage.end_pardons(eve.id, [town.group.id], before=inf)

    await joined(town.bot.guard, change)

    assert not await town.storage.is_pardoned(town.group.id, eve.id)


async def test_a_service_message_tells_of_trust_too(
    autojump_clock: MockClock, town: Town, eve: Person, trusting: None
) -> None:
    town.sue.write(town.group, "Hello")
    await sleep(5)
    assert "Sue" in town.notice.text
    await service_message(town, town.sue, eve, by=town.mia)
    await sleep(5)
    assert town.notices() == []
    message = town.sue.write(town.group, "Hello")
    await settle()

    assert not message.deleted
    assert not await town.storage.is_pardoned(town.group.id, eve.id)  # who is not there


async def test_a_group_that_has_moved_is_looked_at_again_under_its_new_id(
    autojump_clock: MockClock, town: Town, eve: Person, trusting: None
) -> None:
    eve.join(town.group)
    await sleep(5)
    eve.leave(town.group)
    await sleep(5)
    town.group.join_messages = False
    words = "Bad Request: group chat was upgraded to a supergroup chat"
    error = TelegramError(400, words, {"migrate_to_chat_id": town.group.id})
    town.telegram.faults.add(Fault.error(error), method="restrictChatMember")
    town.mia.add(town.group, eve)
    change = last_update(town.telegram).update.chat_member
    assert change is not None

    with pytest.raises(ChatMigrated):
        await joined(town.bot.guard, change)


async def test_a_release_that_is_refused_keeps_the_record(
    autojump_clock: MockClock, town: Town, eve: Person, trusting: None, logs: list[Any]
) -> None:
    eve.join(town.group)
    await sleep(5)
    eve.leave(town.group)
    await sleep(5)
    town.group.join_messages = False
    town.telegram.faults.add(Fault.status(400), method="restrictChatMember", times=1)
    town.mia.add(town.group, eve)
    await sleep(5)

    assert await town.held(eve) is not None
    assert "rights_missing" in [line["event"] for line in logs]
