"""What the bot itself may do in a group: lost, back, in steps, removed, told late or twice."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gmbot.flows.rights import BACK, handle_rights
from gmbot.sandbox import errors
from gmbot.sandbox.chats import Chat
from gmbot.sandbox.faults import Fault
from gmbot.storage.records import Group, Job, Owner, ProtectionRequest
from tests.flows.hearing import Echo, unheard
from tests.guard.town import Town, settle

NO_ADMIN = (
    "I cannot protect this group now: I am no admin here. Please make me one, with “Ban users” and "
    "“Delete messages”; then I go on by myself."
)
ALL = {"can_restrict_members": True, "can_delete_messages": True}


def lacking(what: str) -> str:
    return (
        f"I cannot protect this group now. What I lack as an admin: {what}. "
        "As soon as I have it, I go on by myself."
    )


def promote(town: Town, **rights: bool) -> None:
    town.anna.promote(town.group, town.telegram.bot, **{"can_manage_chat": True, **rights})


async def jobs_done() -> None:
    await trio.sleep(3)
    await settle()


def is_guarded(town: Town) -> bool:
    return town.bot.guard.policies.get(town.group.id) is not None


@pytest.mark.parametrize(
    ("rights", "text"),
    [
        ({"can_delete_messages": True}, lacking("“Ban users”")),
        ({"can_restrict_members": True}, lacking("“Delete messages”")),
        ({"can_pin_messages": True}, lacking("“Ban users” and “Delete messages”")),
    ],
)
async def test_a_lost_right_stops_the_guard_and_is_named_once(
    autojump_clock: MockClock, town: Town, rights: dict[str, bool], text: str
) -> None:
    promote(town, **rights)
    await settle()
    with town.no_restrictions():
        message = town.sue.write(town.group, "Buy!")
        await jobs_done()

    assert town.said() == [text]
    assert not is_guarded(town)
    assert not message.deleted


async def test_a_bot_that_is_no_admin_says_that_it_has_to_be_one(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.demote(town.group, town.telegram.bot)
    await settle()

    assert town.said() == [NO_ADMIN]
    assert not is_guarded(town)


async def test_a_bot_that_may_not_even_write_stops_in_silence(
    autojump_clock: MockClock, town: Town, logs: list[Any]
) -> None:
    town.anna.restrict(town.group, town.telegram.bot)
    await settle()

    assert town.said() == []
    assert not is_guarded(town)
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["reply_refused"]


async def test_rights_lost_in_steps_are_one_loss(autojump_clock: MockClock, town: Town) -> None:
    promote(town, can_delete_messages=True)
    await settle()
    town.anna.demote(town.group, town.telegram.bot)
    await settle()

    assert town.said() == [lacking("“Ban users”")]


async def test_the_notice_goes_with_the_rights(autojump_clock: MockClock, town: Town) -> None:
    town.sue.write(town.group, "Buy!")
    await jobs_done()
    assert len(town.notices()) == 1
    promote(town, can_delete_messages=True)
    await jobs_done()

    assert town.notices() == []


async def test_a_loss_that_is_told_twice_is_said_once(
    autojump_clock: MockClock, town: Town
) -> None:
    echo = Echo(town)
    promote(town, can_delete_messages=True)
    await settle()
    echo.again()
    await jobs_done()

    assert town.said() == [lacking("“Ban users”")]


async def test_a_loss_is_said_also_where_the_flow_was_cut_off_after_the_stop(
    autojump_clock: MockClock, town: Town
) -> None:
    town.storage.refuse["claim_effect"] = town.away()
    promote(town, can_delete_messages=True)
    await settle()
    assert (is_guarded(town), town.said()) == (False, [])
    await trio.sleep(10)

    assert town.said() == [lacking("“Ban users”")]


async def test_the_guard_goes_on_when_the_last_right_is_back(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.demote(town.group, town.telegram.bot)
    await settle()
    promote(town, can_delete_messages=True)
    await settle()
    assert not is_guarded(town)
    promote(town, **ALL)
    await settle()
    message = town.sue.write(town.group, "Buy!")
    await settle()

    assert town.said() == [NO_ADMIN, BACK]
    assert message.deleted
    assert town.is_muted(town.sue)


async def test_who_joined_meanwhile_is_released_and_who_did_not_stays_muted(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.write(town.group, "Buy!")
    town.tim.write(town.group, "Sell!")
    await settle()
    promote(town, can_delete_messages=True)
    await settle()
    with unheard(town):
        town.sue.join(town.channel)
    await trio.sleep(120)
    assert town.is_muted(town.sue)
    promote(town, **ALL)
    await jobs_done()

    assert not town.is_muted(town.sue)
    assert await town.held(town.sue) is None
    assert town.is_muted(town.tim)
    assert await town.held(town.tim) is not None


async def test_a_return_is_followed_up_also_where_the_flow_was_cut_off_after_the_switch(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.write(town.group, "Buy!")
    await settle()
    promote(town, can_delete_messages=True)
    await settle()
    with unheard(town):
        town.sue.join(town.channel)
    await trio.sleep(120)
    town.storage.refuse["add_job"] = town.away()
    promote(town, **ALL)
    await trio.sleep(30)

    assert not town.is_muted(town.sue)
    assert town.said() == [lacking("“Ban users”"), BACK]


async def test_each_loss_and_each_return_is_said_once(
    autojump_clock: MockClock, town: Town
) -> None:
    echo = Echo(town)
    for _ in range(2):
        promote(town, can_delete_messages=True)
        await settle()
        promote(town, **ALL)
        await settle()
        echo.again()
        await settle()

    assert town.said() == [lacking("“Ban users”"), BACK] * 2


async def test_a_loss_that_is_told_after_the_return_changes_nothing(
    autojump_clock: MockClock, town: Town
) -> None:
    echo = Echo(town)
    promote(town, can_delete_messages=True)
    await settle()
    loss = echo.last
    promote(town, **ALL)
    await settle()
    echo.again(loss)
    await jobs_done()

    assert town.said() == [lacking("“Ban users”"), BACK]
    assert is_guarded(town)


async def test_a_right_more_is_no_news(autojump_clock: MockClock, town: Town) -> None:
    promote(town, **ALL, can_pin_messages=True)
    await jobs_done()

    assert town.said() == []
    assert is_guarded(town)


async def test_rights_that_come_back_while_the_loss_is_noted_are_found(
    autojump_clock: MockClock, town: Town
) -> None:
    async def give_back() -> None:
        with unheard(town):
            promote(town, **ALL)

    town.storage.after["set_group_enabled"] = give_back
    promote(town, can_delete_messages=True)
    await settle()

    assert is_guarded(town)
    assert town.said()[-1] == BACK


@pytest.mark.parametrize("way", ["ban", "kick"])
async def test_a_bot_that_is_removed_says_nothing_and_guards_no_more(
    autojump_clock: MockClock, town: Town, way: str
) -> None:
    town.sue.write(town.group, "Buy!")
    await settle()
    sent = town.count("sendMessage")
    getattr(town.anna, way)(town.group, town.telegram.bot)
    await jobs_done()

    assert not is_guarded(town)
    known = await town.bot.guard.policies.known(town.group.id)
    assert known is not None
    assert not known.group.enabled
    assert town.count("sendMessage") == sent
    assert await town.held(town.sue) is not None


async def test_added_back_as_an_admin_it_goes_on_and_looks_at_whoever_is_held(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.write(town.group, "Buy!")
    await settle()
    town.anna.ban(town.group, town.telegram.bot)
    await settle()
    with unheard(town):
        town.sue.join(town.channel)
    promote(town, **ALL)
    await jobs_done()

    assert is_guarded(town)
    assert town.said() == [BACK]
    assert not town.is_muted(town.sue)


async def test_added_back_as_a_member_it_says_once_what_is_missing(
    autojump_clock: MockClock, town: Town
) -> None:
    echo = Echo(town)
    for _ in range(2):
        town.anna.kick(town.group, town.telegram.bot)
        await settle()
        town.anna.add(town.group, town.telegram.bot)
        await settle()
        echo.again()
        await settle()
        assert not is_guarded(town)
    promote(town, **ALL)
    await settle()

    assert town.said() == [NO_ADMIN, NO_ADMIN, BACK]
    assert is_guarded(town)


async def test_rights_that_were_lost_unheard_show_when_a_mute_is_refused(
    autojump_clock: MockClock, town: Town
) -> None:
    with unheard(town):
        promote(town, can_delete_messages=True)
    town.sue.write(town.group, "Buy!")
    town.tim.write(town.group, "Sell!")
    await jobs_done()

    assert town.said() == [lacking("“Ban users”")]
    assert not is_guarded(town)
    assert town.notices() == []


async def test_a_group_from_which_the_bot_was_removed_unheard_is_given_up_in_silence(
    autojump_clock: MockClock, town: Town
) -> None:
    with unheard(town):
        town.anna.ban(town.group, town.telegram.bot)
    await town.bot.guard.jobs.add("rights", town.group.id)
    await jobs_done()

    assert not is_guarded(town)
    assert town.count("sendMessage") == 0


async def test_a_job_that_finds_all_as_it_was_changes_nothing(
    autojump_clock: MockClock, town: Town
) -> None:
    await town.bot.guard.jobs.add("rights", town.group.id)
    await jobs_done()

    assert is_guarded(town)
    assert town.said() == []
    assert town.count("getChatMember") == 1


async def test_a_server_that_fails_decides_nothing(autojump_clock: MockClock, town: Town) -> None:
    fault = town.telegram.faults.add(Fault.status(502), method="getChatMember")
    promote(town, can_delete_messages=True)
    await jobs_done()
    assert (is_guarded(town), town.said()) == (True, [])
    town.telegram.faults.remove(fault)
    await trio.sleep(60)

    assert town.said() == [lacking("“Ban users”")]


async def test_in_a_group_that_it_does_not_guard_the_bot_says_nothing(
    autojump_clock: MockClock, town: Town
) -> None:
    other = town.world.supergroup("Other", creator=town.anna)
    town.anna.add(other, town.telegram.bot)
    await settle()
    town.anna.promote(other, town.telegram.bot)
    await settle()
    town.anna.demote(other, town.telegram.bot)
    await settle()

    assert other.texts() == []
    assert set(town.sent()) == {"protected_group", "protection_request"}


async def test_a_group_that_requires_nothing_any_more_is_left_alone(
    autojump_clock: MockClock, town: Town
) -> None:
    await town.bot.guard.policies.unprotect(town.group.id, [town.channel.id])
    promote(town, can_delete_messages=True)
    await jobs_done()

    assert town.said() == []


async def test_a_protect_that_waits_for_the_rights_is_completed_when_they_come(
    autojump_clock: MockClock, town: Town
) -> None:
    other: Chat = town.world.supergroup("Other", creator=town.anna, members=[town.sue])
    owner = Owner(town.anna.id, town.anna.username)
    await town.storage.save_protection_request(
        ProtectionRequest(other.id, owner, (town.channel.id,))
    )
    town.anna.promote(other, town.telegram.bot)
    await settle()
    message = town.sue.write(other, "Buy!")
    await settle()

    assert message.deleted
    assert town.bot.guard.policies.get(other.id) is not None


async def test_a_group_that_has_got_another_id_is_followed_there(
    autojump_clock: MockClock, town: Town
) -> None:
    owner = Owner(town.anna.id, town.anna.username)
    old = Group(-4_000_000_777, town.anna.id, "Old")
    known = await town.bot.guard.policies.known(town.group.id)
    assert known is not None
    await town.bot.guard.policies.protect(owner, old, known.channels)
    answer = Fault.error(errors.migrated(town.group.id))
    town.telegram.faults.add(answer, method="getChatMember", chat=old.group_id)
    await handle_rights(town.bot.guard, Job("rights", str(old.group_id), {}, 1, 0, 0.0))

    assert town.bot.guard.policies.get(old.group_id) is None
    assert is_guarded(town)


async def test_a_hidden_channel_is_looked_at_when_the_group_is_guarded_again(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.kick(town.group, town.telegram.bot)
    await settle()
    await town.storage.set_channel_hidden(town.channel.id, hidden=True)
    promote(town, **ALL)
    await jobs_done()
    message = town.sue.write(town.group, "Buy!")
    await settle()

    assert message.deleted


# Where acting has stopped


async def test_a_return_of_the_rights_that_was_not_heard_is_found_by_the_next_start(
    autojump_clock: MockClock, town: Town
) -> None:
    promote(town, can_delete_messages=True)
    await jobs_done()
    with unheard(town):
        promote(town, **ALL)
    await town.restart()
    await jobs_done()
    message = town.sue.write(town.group, "Buy!")
    await settle()

    assert is_guarded(town)
    assert town.said() == [lacking("“Ban users”"), BACK]
    assert message.deleted


async def test_a_start_says_nothing_anew_where_a_right_is_still_missing(
    autojump_clock: MockClock, town: Town
) -> None:
    promote(town, can_delete_messages=True)
    await jobs_done()
    await town.restart()
    await jobs_done()

    assert not is_guarded(town)
    assert town.said() == [lacking("“Ban users”")]


async def test_a_group_that_the_bot_was_removed_from_costs_a_start_one_call_and_no_word(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.ban(town.group, town.telegram.bot)
    await jobs_done()
    town.bot.kill()
    asked, said = town.count("getChatMember"), town.count("sendMessage")
    await town.restart()
    await jobs_done()

    assert town.count("getChatMember") == asked + 1
    assert town.count("sendMessage") == said
    assert not is_guarded(town)


async def test_a_group_where_acting_has_stopped_for_long_is_asked_about_no_more(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.ban(town.group, town.telegram.bot)
    await jobs_done()
    town.storage.db.execute("UPDATE protected_groups SET updated_at = updated_at - 31 * 86400")
    asked = town.count("getChatMember")
    await town.restart()
    await jobs_done()

    assert town.count("getChatMember") == asked
