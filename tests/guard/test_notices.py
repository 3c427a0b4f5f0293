"""The one live notice of a group, over the time that passes."""

import json
from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gmbot.api.limiter import Limits
from gmbot.guard.enforcement import MUTED
from gmbot.guard.notices import EDIT_INTERVAL, RETRY
from gmbot.guard.params import Params
from gmbot.guard.wording.languages import catalogue_of
from gmbot.sandbox.chats import Message
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.faults import Fault
from gmbot.sandbox.people import Person
from gmbot.storage.errors import StorageUnavailable
from gmbot.storage.records import Named, Notice, NoticeState, Restriction, RestrictionState
from tests.guard.town import Town, settle

LIFETIME = Params().notice_seconds
SUE = Named(5000000004, "Sue")


def _name(town: Town, *names: str) -> None:
    for name in names:
        person = next(p for p in (town.sue, town.tim, town.max, town.mia) if p.first_name == name)
        town.bot.board.add(town.group.id, person.id, person.first_name)


def _forget(town: Town, *names: str) -> None:
    for name in names:
        person = next(p for p in (town.sue, town.tim, town.max, town.mia) if p.first_name == name)
        town.bot.board.remove(town.group.id, person.id)


def _row(town: Town) -> tuple[Any, ...] | None:
    """State, message id and people's names of the row of the group's notice."""
    rows = [row for row in town.storage.rows("notices") if row[0] == town.group.id]
    if not rows:
        return None
    _group_id, message_id, people, state, *_others = rows[0]
    return state, message_id, [person[1] for person in json.loads(people)]


def _named(notice: Message) -> list[str]:
    """Whom a notice names."""
    return [name for name in ("Sue", "Tim", "Max", "Mia") if name in notice.text]


def _edits(town: Town) -> list[float]:
    calls = town.telegram.calls_of("sendMessage") + town.telegram.calls_of("editMessageText")
    return sorted(call.at for call in calls)


async def test_a_notice_is_stored_before_it_is_sent_and_live_after_it(
    autojump_clock: MockClock, town: Town
) -> None:
    rule = town.telegram.faults.add(Fault.hang(), method="sendMessage")
    _name(town, "Sue")
    await settle()
    assert _row(town) == ("sending", None, ["Sue"])

    town.telegram.faults.remove(rule)
    await settle()
    assert _row(town) == ("live", town.notice.id, ["Sue"])


async def test_one_message_a_group_is_edited_as_people_come_and_go(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await settle()
    _name(town, "Tim", "Max")
    _forget(town, "Sue")
    await trio.sleep(EDIT_INTERVAL + 0.1)

    assert _named(town.notice) == ["Tim", "Max"]
    assert town.count("sendMessage") == 1
    assert town.count("editMessageText") == 1
    assert _row(town) == (
        "live",
        town.notice.id,
        ["Tim", "Max"],
    )


async def test_there_are_at_least_4_seconds_between_two_versions(
    autojump_clock: MockClock, town: Town
) -> None:
    for number in range(100):
        town.bot.board.add(town.group.id, number, f"P{number}")
        await trio.sleep(0.3)
    await trio.sleep(5)

    times = _edits(town)
    assert len(times) in {8, 9}
    assert all(later - earlier >= 3.99 for earlier, later in pairwise(times))
    assert "and 95 more" in town.notice.text


async def test_naming_somebody_twice_says_nothing_new(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await settle()
    _name(town, "Sue", "Sue")
    await trio.sleep(10)

    assert len(_edits(town)) == 1


async def test_removing_whom_nobody_named_is_harmless(
    autojump_clock: MockClock, town: Town
) -> None:
    _forget(town, "Sue")
    _name(town, "Tim")
    await settle()
    _forget(town, "Sue")
    await trio.sleep(10)

    assert _named(town.notice) == ["Tim"]


async def test_when_nobody_is_left_it_goes_at_once(autojump_clock: MockClock, town: Town) -> None:
    _name(town, "Sue", "Tim")
    await settle()
    _forget(town, "Sue", "Tim")
    await settle()

    assert town.notices() == []
    assert _row(town) is None
    assert town.bot.board.live == 0


async def test_after_5_minutes_it_goes_and_those_it_named_stay_held(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.write(town.group, "Buy!")
    await settle()
    await trio.sleep(LIFETIME - 1)
    assert len(town.notices()) == 1

    await trio.sleep(1.1)
    assert town.notices() == []
    assert _row(town) is None
    assert town.bot.board.live == 0
    assert town.is_muted(town.sue)
    assert await town.held(town.sue) is not None


async def test_the_5_minutes_begin_with_the_last_who_came(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await trio.sleep(200)
    _name(town, "Tim")
    await trio.sleep(200)
    assert _named(town.notice) == ["Sue", "Tim"]

    await trio.sleep(101)
    assert town.notices() == []


async def test_who_comes_after_its_time_gets_a_new_one(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await trio.sleep(LIFETIME + 1)
    _name(town, "Tim")
    await settle()

    assert _named(town.notice) == ["Tim"]


async def test_who_is_told_anew_after_its_time_is_told_in_a_new_one_whatever_is_under_way(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue", "Tim")
    await settle()
    old = town.notice
    await trio.sleep(LIFETIME - 2)
    rule = town.telegram.faults.add(Fault.hang(), method="editMessageText")
    _forget(town, "Tim")
    await trio.sleep(3)
    _name(town, "Sue")
    town.telegram.faults.remove(rule)
    await settle()

    assert old.deleted
    assert _named(town.notice) == ["Sue"]
    await trio.sleep(LIFETIME + 1)
    assert town.notices() == []


async def test_who_comes_while_it_is_being_deleted_gets_a_new_one(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await settle()
    rule = town.telegram.faults.add(Fault.hang(), method="deleteMessage")
    _forget(town, "Sue")
    await settle()
    _name(town, "Tim")
    town.telegram.faults.remove(rule)
    await settle()

    assert _named(town.notice) == ["Tim"]
    assert town.bot.board.live == 1


async def test_groups_have_each_their_own(autojump_clock: MockClock, town: Town) -> None:
    other = town.world.supergroup("Other", creator=town.anna, admins=[town.telegram.bot])
    await town.protect(town.storage, other)
    await town.bot.guard.policies.load()
    _name(town, "Sue")
    town.bot.board.add(other.id, town.tim.id, "Tim")
    await settle()

    assert _named(town.notice) == ["Sue"]
    assert _named(other.visible()[-1]) == ["Tim"]


async def test_a_group_sets_how_long_its_notice_stands(
    autojump_clock: MockClock, town: Town
) -> None:
    await town.bot.guard.policies.set_params(town.group.id, Params(notice_seconds=60))
    _name(town, "Sue")
    await trio.sleep(50)
    _name(town, "Tim")
    await trio.sleep(59)
    assert len(town.notices()) == 1

    await trio.sleep(1.1)
    assert town.notices() == []


async def test_the_board_knows_whom_it_names(autojump_clock: MockClock, town: Town) -> None:
    board, group = town.bot.board, town.group.id
    assert not board.names(group, town.sue.id)

    _name(town, "Sue")
    assert board.names(group, town.sue.id)
    assert not board.names(group, town.tim.id)
    assert not board.names(-100500, town.sue.id)

    _forget(town, "Sue")
    assert not board.names(group, town.sue.id)


async def test_who_is_new_and_chats_are_named_and_kept_as_such(
    autojump_clock: MockClock, town: Town
) -> None:
    town.bot.board.add(town.group.id, town.sue.id, "Sue", is_new=True)
    town.bot.board.add(town.group.id, -1009, "Tim's channel")
    await trio.sleep(EDIT_INTERVAL + 0.1)

    assert _named(town.notice) == ["Sue", "Tim"]
    assert "tg://user?id=-" not in str(town.notice.payload())
    (row,) = await town.storage.notices()
    assert row.people == (Named(town.sue.id, "Sue", True), Named(-1009, "Tim's channel", False))


@pytest.mark.parametrize("town_options", [{"limits": Limits(25, 20, 100)}], ids=["limits"])
async def test_a_raid_gets_one_message_that_is_edited_every_4_seconds_at_most(
    autojump_clock: MockClock, town: Town
) -> None:
    for number in range(1, 501):
        town.bot.board.add(town.group.id, number, f"P{number}", is_new=True)
        if number % 10 == 0:
            await trio.sleep(0.02)
    await trio.sleep(30)

    assert town.count("sendMessage") == 1
    assert town.count("editMessageText") == 1
    assert "495" in town.notice.text
    assert all(later - earlier >= EDIT_INTERVAL for earlier, later in pairwise(_edits(town)))


@pytest.mark.parametrize("town_options", [{"channels": 2}], ids=["two channels"])
async def test_nobody_is_asked_to_be_in_a_channel_that_is_out_of_sight(
    autojump_clock: MockClock, town: Town
) -> None:
    await town.bot.guard.policies.hide(town.channels[0].id, hidden=True)
    _name(town, "Sue")
    await settle()
    assert town.channels[1].title in town.notice.text
    assert town.channels[0].title not in str(town.notice.payload())

    await town.bot.guard.policies.hide(town.channels[1].id, hidden=True)
    _name(town, "Tim")
    await trio.sleep(EDIT_INTERVAL + 0.1)
    assert town.notices() == []
    assert town.bot.board.live == 0


# It follows what its group wants


@pytest.mark.parametrize("town_options", [{"channels": 2}], ids=["two channels"])
async def test_a_live_notice_follows_its_channels_words_and_language(
    autojump_clock: MockClock, town: Town
) -> None:
    policies, group_id = town.bot.guard.policies, town.group.id
    _name(town, "Sue")
    await settle()
    notice = town.notice

    async def changed() -> str:
        await trio.sleep(EDIT_INTERVAL + 0.1)
        assert town.notices() == [notice]
        return f"{notice.text} {[button['text'] for button in notice.buttons()]}"

    await policies.set_params(group_id, Params(language="de"))
    assert catalogue_of("de").verify in await changed()
    await policies.set_params(group_id, Params(text="Hey {people}, see {channels}."))
    assert "Hey Sue, see News 0 and News 1." in await changed()
    await policies.rename(town.channels[1].id, "Fresh", None)
    assert "see News 0 and Fresh." in await changed()
    await policies.hide(town.channels[1].id, hidden=True)
    assert "see News 0." in await changed()
    await policies.hide(town.channels[1].id, hidden=False)
    assert "see News 0 and Fresh." in await changed()
    await policies.unprotect(group_id, [town.channels[0].id])
    assert "see Fresh." in await changed()


async def test_changes_that_come_together_are_one_edit(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await settle()
    for language in ("de", "fr", "it"):
        await town.bot.guard.policies.set_params(town.group.id, Params(language=language))
    await trio.sleep(60)

    assert len(_edits(town)) == 2
    assert catalogue_of("it").verify in town.notice.text


@pytest.mark.parametrize(
    ("before", "after", "at"),
    [
        pytest.param(300, 900, 900, id="longer"),
        pytest.param(900, 300, 300, id="shorter"),
        pytest.param(900, 60, 100, id="over already"),
    ],
)
async def test_a_live_notice_stands_as_long_as_the_group_has_it_by_now(
    autojump_clock: MockClock, town: Town, before: int, after: int, at: float
) -> None:
    policies, group_id = town.bot.guard.policies, town.group.id
    await policies.set_params(group_id, Params(notice_seconds=before))
    _name(town, "Sue")
    await trio.sleep(100)
    await policies.set_params(group_id, Params(notice_seconds=after))
    await settle()
    row = town.storage.rows("notices")
    assert [round(one[5] - town.telegram.now()) for one in row] in ([], [after - 100])
    if at > 100:
        await trio.sleep(at - 100 - 1)
        assert len(town.notices()) == 1
        await trio.sleep(2)

    assert town.notices() == []


async def test_a_restored_notice_follows_too(autojump_clock: MockClock, town: Town) -> None:
    await _write_held(town, town.sue)
    _name(town, "Sue")
    await settle()
    await trio.sleep(50)
    await town.restart()
    await trio.sleep(50)
    await town.bot.guard.policies.set_params(town.group.id, Params(notice_seconds=900))
    await trio.sleep(900 - 100 - 2)
    assert len(town.notices()) == 1
    await trio.sleep(4)

    assert town.notices() == []


@pytest.mark.parametrize("way", ["unprotected", "hidden", "disabled"])
@pytest.mark.parametrize("town_options", [{"channels": 2}], ids=["two channels"])
async def test_where_nobody_has_to_be_in_a_channel_any_more_it_goes_at_once(
    autojump_clock: MockClock, town: Town, way: str
) -> None:
    policies, ids = town.bot.guard.policies, [channel.id for channel in town.channels]
    _name(town, "Sue")
    await trio.sleep(EDIT_INTERVAL)
    match way:
        case "unprotected":
            await policies.unprotect(town.group.id, ids)
        case "hidden":
            for channel_id in ids:
                await policies.hide(channel_id, hidden=True)
        case _:
            await policies.set_enabled(town.group.id, enabled=False)
    await settle()

    assert town.notices() == []
    assert town.storage.rows("notices") == []
    assert town.bot.board.live == 0


async def test_a_change_where_no_notice_stands_says_nothing(
    autojump_clock: MockClock, town: Town
) -> None:
    await town.bot.guard.policies.set_params(town.group.id, Params(language="de"))
    await trio.sleep(60)

    assert _edits(town) == []


async def test_what_changed_while_an_edit_failed_is_said_when_telegram_is_back(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await trio.sleep(EDIT_INTERVAL)
    fault = town.telegram.faults.add(Fault.status(502), method="editMessageText")
    await town.bot.guard.policies.set_params(town.group.id, Params(language="de"))
    await trio.sleep(1)
    town.telegram.faults.remove(fault)
    await trio.sleep(60)

    assert catalogue_of("de").verify in town.notice.text


async def test_a_dated_notice_that_an_admin_deleted_is_not_sent_again(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await settle()
    town.anna.delete(town.notice)
    await town.bot.guard.policies.set_params(town.group.id, Params(language="de"))
    await trio.sleep(60)

    assert town.notices() == []
    assert town.bot.board.live == 0


# When its turn comes it says what is true then


@pytest.mark.parametrize("town_options", [{"limits": Limits(25, 20, 100)}], ids=["limits"])
async def test_whoever_was_released_while_it_waited_is_not_named(
    autojump_clock: MockClock, town: Town
) -> None:
    town.bot.limiter.freeze("sendMessage", town.group.id, 60)
    _name(town, "Sue", "Tim")
    await trio.sleep(30)
    _forget(town, "Sue")
    await trio.sleep(31)

    assert _named(town.notice) == ["Tim"]


@pytest.mark.parametrize("town_options", [{"limits": Limits(25, 20, 100)}], ids=["limits"])
async def test_a_notice_that_nobody_needs_any_more_is_withdrawn_unsent(
    autojump_clock: MockClock, town: Town
) -> None:
    town.bot.limiter.freeze("sendMessage", town.group.id, 60)
    _name(town, "Sue")
    await trio.sleep(30)
    _forget(town, "Sue")
    await trio.sleep(31)

    assert town.count("sendMessage") == 0
    assert _row(town) is None
    assert town.bot.board.live == 0


@pytest.mark.parametrize("town_options", [{"limits": Limits(25, 20, 100)}], ids=["limits"])
async def test_an_edit_that_nobody_needs_any_more_becomes_the_deletion(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await trio.sleep(5)
    town.bot.limiter.freeze("editMessageText", town.group.id, 60)
    _name(town, "Tim")
    await trio.sleep(30)
    _forget(town, "Sue", "Tim")
    await trio.sleep(31)

    assert town.count("editMessageText") == 0
    assert town.notices() == []
    assert town.bot.board.live == 0


@pytest.mark.parametrize("town_options", [{"limits": Limits(25, 20, 100)}], ids=["limits"])
async def test_a_notice_whose_turn_came_late_stands_5_minutes_all_the_same(
    autojump_clock: MockClock, town: Town
) -> None:
    town.bot.limiter.freeze("sendMessage", town.group.id, LIFETIME + 100)
    _name(town, "Sue")
    await trio.sleep(LIFETIME + 101)
    assert len(town.notices()) == 1
    await trio.sleep(LIFETIME - 2)
    assert len(town.notices()) == 1

    await trio.sleep(2)
    assert town.notices() == []


async def test_a_group_that_is_guarded_no_more_gets_none(
    autojump_clock: MockClock, town: Town
) -> None:
    town.bot.board.add(-100500, town.sue.id, "Sue")
    await settle()

    assert town.count("sendMessage") == 0
    assert town.bot.board.live == 0


# Other hands


async def test_a_notice_that_an_admin_deleted_is_not_sent_again(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await settle()
    town.mia.delete(town.notice)
    _forget(town, "Sue")
    await trio.sleep(10)

    assert town.notices() == []
    assert town.bot.board.live == 0
    assert _row(town) is None


async def test_who_comes_after_an_admin_deleted_it_is_told_in_a_new_one(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await settle()
    town.mia.delete(town.notice)
    _name(town, "Tim")
    await trio.sleep(10)

    assert _named(town.notice) == ["Tim"]
    assert _row(town) == ("live", town.notice.id, ["Tim"])


async def test_where_the_bot_may_not_write_no_notice_is_kept(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    words = Fault.error(TelegramError(400, "Bad Request: not enough rights to send text messages"))
    rule = town.telegram.faults.add(words, method="sendMessage")
    _name(town, "Sue")
    await trio.sleep(60)
    assert town.count("sendMessage") == 1
    assert _row(town) is None
    assert town.bot.board.live == 0
    assert [e["event"] for e in logs if e["log_level"] == "warning"] == ["notice_refused"]

    town.telegram.faults.remove(rule)
    _name(town, "Sue")
    await settle()
    assert _named(town.notice) == ["Sue"]


async def test_a_refusal_while_the_database_is_away_stops_nobody(
    autojump_clock: MockClock, town: Town
) -> None:
    words = Fault.error(TelegramError(403, "Forbidden: bot was kicked from the supergroup chat"))
    town.telegram.faults.add(words, method="sendMessage")
    town.storage.refuse["drop_notice"] = town.away()
    _name(town, "Sue")
    await trio.sleep(2 * RETRY)

    assert _row(town) is None
    assert town.bot.board.live == 0


async def test_who_comes_in_the_moment_of_a_refusal_is_told(
    autojump_clock: MockClock, town: Town
) -> None:
    words = Fault.error(TelegramError(400, "Bad Request: not enough rights to send text messages"))
    town.telegram.faults.add(words, method="sendMessage", times=1)

    async def come_back() -> None:
        _name(town, "Sue")

    town.storage.after["drop_notice"] = come_back
    _name(town, "Sue")
    await trio.sleep(10)

    assert _named(town.notice) == ["Sue"]


async def test_an_old_notice_that_cannot_be_deleted_is_let_be(
    autojump_clock: MockClock, town: Town
) -> None:
    words = Fault.error(TelegramError(400, "Bad Request: message can't be deleted"))
    town.telegram.faults.add(words, method="deleteMessage")
    _name(town, "Sue")
    await settle()
    _forget(town, "Sue")
    await trio.sleep(60)

    assert town.count("deleteMessage") == 1
    assert _row(town) is None
    assert town.bot.board.live == 0


async def test_who_comes_while_an_old_one_cannot_be_deleted_is_told_all_the_same(
    autojump_clock: MockClock, town: Town
) -> None:
    words = Fault.error(TelegramError(400, "Bad Request: message can't be deleted"))
    town.telegram.faults.add(words, method="deleteMessage")
    _name(town, "Sue")
    await settle()
    old = town.notice
    rule = town.telegram.faults.add(Fault.hang(), method="deleteMessage", times=1)
    _forget(town, "Sue")
    await settle()
    _name(town, "Tim")
    town.telegram.faults.remove(rule)
    await settle()

    assert [_named(notice) for notice in town.notices()] == [["Sue"], ["Tim"]]
    assert _row(town) == ("live", town.notices()[1].id, ["Tim"])
    assert not old.deleted


# Groups that are guarded no more


async def test_a_notice_that_is_withdrawn_goes_and_names_nobody(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await settle()
    town.bot.board.withdraw(town.group.id)
    assert not town.bot.board.names(town.group.id, town.sue.id)

    await trio.sleep(60)
    assert town.notices() == []
    assert town.count("sendMessage") == 1
    assert town.count("editMessageText") == 0
    assert _row(town) is None
    assert town.bot.board.live == 0


async def test_withdrawing_where_there_is_none_is_harmless(
    autojump_clock: MockClock, town: Town
) -> None:
    town.bot.board.withdraw(town.group.id)
    await settle()

    assert town.sent() == []


@pytest.mark.parametrize("town_options", [{"limits": Limits(25, 20, 100)}], ids=["limits"])
async def test_what_waits_when_it_is_withdrawn_is_not_sent(
    autojump_clock: MockClock, town: Town
) -> None:
    town.bot.limiter.freeze("sendMessage", town.group.id, 60)
    _name(town, "Sue")
    await trio.sleep(30)
    town.bot.board.withdraw(town.group.id)
    await trio.sleep(31)

    assert town.count("sendMessage") == 0
    assert _row(town) is None
    assert town.bot.board.live == 0


async def test_what_is_on_its_way_when_it_is_withdrawn_is_taken_down(
    autojump_clock: MockClock, town: Town
) -> None:
    rule = town.telegram.faults.add(Fault.hang(), method="sendMessage")
    _name(town, "Sue")
    await settle()
    town.bot.board.withdraw(town.group.id)
    town.telegram.faults.remove(rule)
    await settle()

    assert town.count("sendMessage") == 1
    assert town.notices() == []
    assert _row(town) is None


async def test_a_withdrawn_notice_of_a_group_that_the_bot_was_removed_from_is_let_be(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await settle()
    words = Fault.error(TelegramError(403, "Forbidden: bot was kicked from the supergroup chat"))
    town.telegram.faults.add(words, method="deleteMessage")
    town.bot.board.withdraw(town.group.id)
    await trio.sleep(60)

    assert town.count("deleteMessage") == 1
    assert _row(town) is None
    assert town.bot.board.live == 0


async def test_who_is_named_after_a_withdrawal_gets_a_new_message(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await settle()
    old = town.notice
    town.bot.board.withdraw(town.group.id)
    _name(town, "Sue")
    await settle()

    assert old.deleted
    assert town.notice is not old
    assert _named(town.notice) == ["Sue"]


# Groups with a new id


async def test_a_group_s_new_id_gets_a_notice_of_all_whom_the_old_one_s_named(
    autojump_clock: MockClock, town: Town
) -> None:
    new = town.world.supergroup("Moved", creator=town.anna, admins=[town.telegram.bot])
    _name(town, "Sue")
    town.bot.board.add(town.group.id, town.tim.id, "Tim", is_new=True)
    await settle()
    old = town.notice
    await town.bot.guard.policies.migrate(town.group.id, new.id)
    town.bot.board.migrate(town.group.id, new.id)
    await trio.sleep(EDIT_INTERVAL + 0.1)

    assert _named(new.visible()[-1]) == ["Sue", "Tim"]
    assert not old.deleted
    assert town.count("deleteMessage") == 0
    assert town.bot.board.live == 1
    (row,) = await town.storage.notices()
    assert row.group_id == new.id
    assert row.people == (Named(town.sue.id, "Sue"), Named(town.tim.id, "Tim", True))


async def test_a_notice_that_is_on_its_way_to_the_old_id_is_given_up(
    autojump_clock: MockClock, town: Town
) -> None:
    new = town.world.supergroup("Moved", creator=town.anna, admins=[town.telegram.bot])
    rule = town.telegram.faults.add(Fault.hang(), method="sendMessage", chat=town.group.id)
    _name(town, "Sue")
    await settle()
    await town.bot.guard.policies.migrate(town.group.id, new.id)
    town.bot.board.migrate(town.group.id, new.id)
    await settle()
    town.telegram.faults.remove(rule)
    await settle()

    assert _named(new.visible()[-1]) == ["Sue"]
    assert [row.group_id for row in await town.storage.notices()] == [new.id]
    assert town.bot.board.live == 1


async def test_following_a_group_without_a_notice_says_nothing(
    autojump_clock: MockClock, town: Town
) -> None:
    town.bot.board.migrate(town.group.id, -100777)
    await settle()

    assert town.sent() == []


@pytest.mark.parametrize("method", ["sendMessage", "deleteMessage"])
async def test_a_notice_waits_for_a_group_that_has_moved_to_be_followed(
    autojump_clock: MockClock, town: Town, method: str
) -> None:
    new = town.world.supergroup("Moved", creator=town.anna, admins=[town.telegram.bot])
    words = "Bad Request: group chat was upgraded to a supergroup chat"
    moved = TelegramError(400, words, {"migrate_to_chat_id": new.id})
    town.telegram.faults.add(Fault.error(moved), method=method, chat=town.group.id)
    _name(town, "Sue")
    await settle()
    if method == "deleteMessage":
        _forget(town, "Sue")
        await settle()
        _name(town, "Sue")
    await trio.sleep(60)

    assert _named(new.visible()[-1]) == ["Sue"]
    assert town.bot.board.live == 1


# Bad days


@pytest.mark.parametrize("minutes", [1, 12])
async def test_an_api_that_fails_for_a_while_holds_the_notice_up(
    autojump_clock: MockClock, town: Town, minutes: int
) -> None:
    rule = town.telegram.faults.add(Fault.status(502, html=True), method="sendMessage")
    _name(town, "Sue")
    await trio.sleep(60 * minutes)
    assert town.bot.board.live == 1

    town.telegram.faults.remove(rule)
    await trio.sleep(40)  # a breaker's longest rest, and a pause
    assert _named(town.notice) == ["Sue"]
    assert town.count("sendMessage") <= 12 * minutes + 10


@pytest.mark.parametrize("minutes", [1, 12])
async def test_an_api_that_fails_edits_later(
    autojump_clock: MockClock, town: Town, minutes: int
) -> None:
    _name(town, "Sue")
    await settle()
    rule = town.telegram.faults.add(Fault.status(502, html=True))
    _name(town, "Tim")
    await trio.sleep(60 * minutes)
    town.telegram.faults.remove(rule)
    await trio.sleep(40)

    named = [_named(notice) for notice in town.notices()]
    assert named == ([["Sue", "Tim"]] if minutes == 1 else [])
    await trio.sleep(LIFETIME)
    assert town.notices() == []
    assert town.bot.board.live == 0


async def test_an_api_that_fails_deletes_later(autojump_clock: MockClock, town: Town) -> None:
    _name(town, "Sue")
    await settle()
    rule = town.telegram.faults.add(Fault.status(502, html=True))
    await trio.sleep(LIFETIME + 60)
    assert len(town.notices()) == 1

    town.telegram.faults.remove(rule)
    await trio.sleep(40)
    assert town.notices() == []
    assert town.bot.board.live == 0


async def test_a_database_that_is_away_holds_a_new_notice_up(
    autojump_clock: MockClock, town: Town
) -> None:
    town.storage.away = True
    _name(town, "Sue")
    await trio.sleep(30)
    assert town.notices() == []

    town.storage.away = False
    await trio.sleep(RETRY + 1)
    assert _named(town.notice) == ["Sue"]


async def test_a_database_that_goes_away_in_mid_sending_makes_no_second_message(
    autojump_clock: MockClock, town: Town
) -> None:
    async def go_away() -> None:
        town.storage.refuse["save_notice"] = StorageUnavailable("gone for a moment")

    town.storage.after["save_notice"] = go_away
    _name(town, "Sue")
    await trio.sleep(30)

    assert town.count("sendMessage") == 1
    assert _row(town) == ("live", town.notice.id, ["Sue"])


async def test_a_row_that_another_hand_wrote_is_taken_over(
    autojump_clock: MockClock, town: Town
) -> None:
    await town.storage.save_notice(
        Notice(town.group.id, 99, (SUE,), NoticeState.LIVE, 0, town.telegram.now())
    )
    _name(town, "Tim")
    await settle()
    _name(town, "Max")
    await trio.sleep(5)

    assert _row(town) == (
        "live",
        town.notice.id,
        ["Tim", "Max"],
    )


# After a restart


async def test_a_live_notice_is_found_again_and_goes_in_its_time(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.write(town.group, "Buy!")
    await trio.sleep(100)
    notice = town.notice
    await town.restart()
    await settle()
    assert town.notice is notice

    _name(town, "Tim")
    await trio.sleep(10)
    assert _named(notice) == ["Sue", "Tim"]
    await trio.sleep(LIFETIME)
    assert town.notices() == []
    assert town.bot.board.live == 0


async def test_a_notice_from_before_the_restart_goes_with_the_last_it_names(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.write(town.group, "Buy!")
    await settle()
    await town.restart()
    await settle()
    notice = town.notice
    town.sue.join(town.channel)
    await trio.sleep(1)

    assert notice.deleted
    assert town.notices() == []
    assert not town.is_muted(town.sue)


async def test_a_live_notice_whose_time_has_passed_goes_at_the_start(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await settle()
    town.bot.kill()
    await trio.sleep(LIFETIME + 10)
    await town.restart()
    await settle()

    assert town.notices() == []
    assert _row(town) is None


async def test_who_was_named_last_before_a_kill_is_shown_after_it(
    autojump_clock: MockClock, town: Town
) -> None:
    """The row tells of people whom the message may not name yet."""
    await _write_held(town, town.sue, town.tim)
    _name(town, "Sue")
    await settle()
    (row,) = await town.storage.notices()
    both = (*row.people, Named(town.tim.id, "Tim"))
    await town.storage.save_notice(
        Notice(row.group_id, row.message_id, both, row.state, row.version, row.expires_at)
    )
    await town.restart()
    await settle()

    assert _named(town.notice) == ["Sue", "Tim"]


@pytest.mark.parametrize("age", [0.0, LIFETIME + 1])
async def test_a_notice_that_was_being_sent_is_sent_after_a_restart(
    autojump_clock: MockClock, town: Town, age: float
) -> None:
    rule = town.telegram.faults.add(Fault.hang(), method="sendMessage")
    await _write_held(town, town.sue)
    _name(town, "Sue")
    await settle()
    town.bot.kill()
    await trio.sleep(age)
    town.telegram.faults.remove(rule)
    await town.restart()
    await settle()

    assert _named(town.notice) == ["Sue"]
    await trio.sleep(LIFETIME + 1)
    assert town.notices() == []


async def test_a_notice_of_a_group_that_is_guarded_no_more_goes_at_the_start(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await settle()
    town.bot.kill()
    await town.storage.set_group_enabled(town.group.id, enabled=False)
    await town.restart()
    await settle()

    assert town.notices() == []
    assert town.bot.board.live == 0


async def _write_held(
    town: Town, *people: Person, state: RestrictionState = RestrictionState.HELD
) -> None:
    """Leave people as a flow does that was killed before it gave notice."""
    for person in people:
        wanted = Restriction(
            town.group.id, person.id, person.first_name, RestrictionState.WANTED, 0, None, None
        )
        record, _is_new = await town.storage.want_restriction(wanted)
        await town.bot.api.restrict_chat_member(town.group.id, person.id, MUTED)
        if state is not RestrictionState.WANTED:
            await town.storage.advance_restriction(record, state)


async def test_who_is_held_and_was_never_told_is_told_after_a_restart(
    autojump_clock: MockClock, town: Town
) -> None:
    await _write_held(town, town.sue)
    await town.restart()
    await trio.sleep(1)

    assert _named(town.notice) == ["Sue"]
    assert await town.storage.untold_restrictions() == []


@pytest.mark.parametrize("state", [RestrictionState.WANTED, RestrictionState.RELEASING])
async def test_who_is_not_held_yet_or_any_more_is_not_told_at_the_start(
    autojump_clock: MockClock, town: Town, state: RestrictionState
) -> None:
    await _write_held(town, town.sue, state=state)
    town.bot.board.withdraw(town.group.id)
    await town.bot.board.restore()

    assert town.bot.board.live == 0


@pytest.mark.parametrize("warnings", [0, 1])
async def test_who_was_freed_just_before_a_kill_is_named_no_more(
    autojump_clock: MockClock, town: Town, warnings: int
) -> None:
    await town.bot.guard.policies.set_params(town.group.id, Params(warnings=warnings))
    await _write_held(town, town.sue, town.tim)
    _name(town, "Sue", "Tim")
    await trio.sleep(EDIT_INTERVAL)
    town.bot.kill()
    await town.storage.pardon(town.group.id, town.sue.id, given_at=town.telegram.now())
    await town.restart()
    await settle()

    assert _named(town.notice) == ["Tim"]


async def test_who_was_only_warned_is_named_on_after_a_restart(
    autojump_clock: MockClock, town: Town
) -> None:
    await town.bot.guard.policies.set_params(town.group.id, Params(warnings=1))
    town.sue.write(town.group, "Buy!")
    await trio.sleep(EDIT_INTERVAL)
    await town.restart()
    await settle()

    assert _named(town.notice) == ["Sue"]


async def test_who_was_named_when_they_were_muted_is_not_told_again_after_a_restart(
    autojump_clock: MockClock, town: Town
) -> None:
    await town.bot.guard.policies.set_params(town.group.id, Params(warnings=1))
    town.sue.write(town.group, "Buy!")
    await trio.sleep(10)
    town.sue.write(town.group, "Buy more!")
    await settle()
    assert town.is_muted(town.sue)
    await trio.sleep(LIFETIME + 1)
    await town.restart()
    await trio.sleep(10)

    assert town.notices() == []


async def test_who_was_told_is_not_told_again_after_a_restart(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.write(town.group, "Buy!")
    await trio.sleep(LIFETIME + 1)
    assert town.notices() == []
    await town.restart()
    await trio.sleep(10)

    assert town.notices() == []
    assert town.is_muted(town.sue)


async def test_who_came_while_it_was_being_sent_does_not_count_as_told(
    autojump_clock: MockClock, town: Town
) -> None:
    await _write_held(town, town.sue, town.tim)
    rule = town.telegram.faults.add(Fault.hang(), method="sendMessage")
    _name(town, "Sue")
    await settle()
    _name(town, "Tim")
    town.telegram.faults.remove(rule)
    await settle()
    assert _named(town.notice) == ["Sue"]
    assert _row(town) == ("live", town.notice.id, ["Sue"])
    assert [held.user_id for held in await town.storage.untold_restrictions()] == [town.tim.id]

    await town.restart()
    await trio.sleep(EDIT_INTERVAL + 0.1)
    assert _named(town.notice) == ["Sue", "Tim"]


async def test_in_a_group_that_is_guarded_no_more_nobody_is_told_after_a_restart(
    autojump_clock: MockClock, town: Town
) -> None:
    await _write_held(town, town.sue)
    town.anna.ban(town.group, town.telegram.bot)
    await settle()
    await town.restart()
    await trio.sleep(10)

    assert town.count("sendMessage") == 0
    assert town.bot.board.live == 0


async def test_after_a_restart_an_expired_notice_goes_before_others_are_told_in_a_new_one(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await settle()
    old = town.notice
    town.bot.kill()
    await _write_held(town, town.tim)
    await trio.sleep(LIFETIME + 10)
    await town.restart()
    await trio.sleep(EDIT_INTERVAL + 0.1)

    assert old.deleted
    assert _named(town.notice) == ["Tim"]
    assert "Sue" not in town.notice.text
    assert town.count("editMessageText") == 0


# A send that was cut off


async def test_a_notice_whose_sending_was_cut_off_is_sent_again_and_the_first_is_a_stray(
    autojump_clock: MockClock, town: Town
) -> None:
    town.telegram.faults.add(Fault.lost(), method="sendMessage", times=1)
    _name(town, "Sue")
    await trio.sleep(RETRY + 1)

    stray, live = town.notices()
    assert await town.bot.board.is_stray(town.group.id, stray.id)
    assert not await town.bot.board.is_stray(town.group.id, live.id)


async def test_while_it_is_unknown_which_is_the_live_one_none_is_a_stray(
    autojump_clock: MockClock, town: Town
) -> None:
    town.telegram.faults.add(Fault.lost(), method="sendMessage", times=1)
    _name(town, "Sue")
    await trio.sleep(1)

    assert not await town.bot.board.is_stray(town.group.id, town.notice.id)


async def test_where_there_is_no_notice_all_are_strays(
    autojump_clock: MockClock, town: Town
) -> None:
    assert await town.bot.board.is_stray(town.group.id, 99)
