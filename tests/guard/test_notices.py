"""The one live notice of a group, over the time that passes."""

from itertools import pairwise
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gmbot.api.limiter import Limits
from gmbot.guard.notices import EDIT_INTERVAL, LIFETIME, RETRY
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.faults import Fault
from gmbot.storage.errors import StorageUnavailable
from gmbot.storage.records import Notice, NoticeState
from tests.guard.town import Town, pressed, settle

SUE = (5000000004, "Sue")


def _name(town: Town, *names: str) -> None:
    for name in names:
        person = next(p for p in (town.sue, town.tim, town.max, town.mia) if p.first_name == name)
        town.bot.board.add(town.group.id, person.id, person.first_name)


def _forget(town: Town, *names: str) -> None:
    for name in names:
        person = next(p for p in (town.sue, town.tim, town.max, town.mia) if p.first_name == name)
        town.bot.board.remove(town.group.id, person.id)


def _row(town: Town) -> tuple[Any, ...] | None:
    """State, message id and people of the row of the group's notice."""
    rows = town.storage.rows("notices")
    return (rows[0][3], rows[0][1], rows[0][2]) if rows else None


def _edits(town: Town) -> list[float]:
    calls = town.telegram.calls_of("sendMessage") + town.telegram.calls_of("editMessageText")
    return sorted(call.at for call in calls)


async def test_a_notice_is_stored_before_it_is_sent_and_live_after_it(
    autojump_clock: MockClock, town: Town
) -> None:
    rule = town.telegram.faults.add(Fault.hang(), method="sendMessage")
    _name(town, "Sue")
    await settle()
    assert _row(town) == ("sending", None, f'[[{town.sue.id},"Sue"]]')

    town.telegram.faults.remove(rule)
    await settle()
    assert _row(town) == ("live", town.notice.id, f'[[{town.sue.id},"Sue"]]')


async def test_one_message_a_group_is_edited_as_people_come_and_go(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await settle()
    _name(town, "Tim", "Max")
    _forget(town, "Sue")
    await trio.sleep(EDIT_INTERVAL + 0.1)

    assert town.notice.text.startswith("Tim and Max, to write here")
    assert town.count("sendMessage") == 1
    assert town.count("editMessageText") == 1
    assert _row(town) == (
        "live",
        town.notice.id,
        f'[[{town.tim.id},"Tim"],[{town.max.id},"Max"]]',
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

    assert town.notice.text.startswith("Tim,")


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
    assert town.notice.text.startswith("Sue and Tim")

    await trio.sleep(101)
    assert town.notices() == []


async def test_who_comes_after_its_time_gets_a_new_one(
    autojump_clock: MockClock, town: Town
) -> None:
    _name(town, "Sue")
    await trio.sleep(LIFETIME + 1)
    _name(town, "Tim")
    await settle()

    assert town.notice.text.startswith("Tim,")


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

    assert town.notice.text.startswith("Tim,")
    assert town.bot.board.live == 1


async def test_groups_have_each_their_own(autojump_clock: MockClock, town: Town) -> None:
    other = town.world.supergroup("Other", creator=town.anna, admins=[town.telegram.bot])
    await town.protect(town.storage, other)
    await town.bot.guard.policies.load()
    _name(town, "Sue")
    town.bot.board.add(other.id, town.tim.id, "Tim")
    await settle()

    assert town.notice.text.startswith("Sue,")
    assert other.visible()[-1].text.startswith("Tim,")


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

    assert town.notice.text.startswith("Tim,")


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

    assert town.notice.text.startswith("Tim,")
    assert _row(town) == ("live", town.notice.id, f'[[{town.tim.id},"Tim"]]')


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
    assert town.notice.text.startswith("Sue,")


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

    assert town.notice.text.startswith("Sue,")


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
    assert town.notice.text.startswith("Sue,")
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

    texts = [notice.text[:11] for notice in town.notices()]
    assert texts == (["Sue and Tim"] if minutes == 1 else [])
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
    assert town.notice.text.startswith("Sue,")


async def test_a_database_that_goes_away_in_mid_sending_makes_no_second_message(
    autojump_clock: MockClock, town: Town
) -> None:
    async def go_away() -> None:
        town.storage.refuse["save_notice"] = StorageUnavailable("gone for a moment")

    town.storage.after["save_notice"] = go_away
    _name(town, "Sue")
    await trio.sleep(30)

    assert town.count("sendMessage") == 1
    assert _row(town) == ("live", town.notice.id, f'[[{town.sue.id},"Sue"]]')


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
        f'[[{town.tim.id},"Tim"],[{town.max.id},"Max"]]',
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
    assert notice.text.startswith("Sue and Tim")
    await trio.sleep(LIFETIME)
    assert town.notices() == []
    assert town.bot.board.live == 0


async def test_a_press_of_a_notice_from_before_the_restart_releases(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.write(town.group, "Buy!")
    await settle()
    await town.restart()
    town.sue.join(town.channel)
    await settle()
    press = await pressed(town.sue, town.notice)

    assert press.text.startswith("Thank you")
    assert town.notices() == []


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
    _name(town, "Sue")
    await settle()
    (row,) = await town.storage.notices()
    both = (*row.people, (town.tim.id, "Tim"))
    await town.storage.save_notice(
        Notice(row.group_id, row.message_id, both, row.state, row.version, row.expires_at)
    )
    await town.restart()
    await settle()

    assert town.notice.text.startswith("Sue and Tim")


@pytest.mark.parametrize("age", [0.0, LIFETIME + 1])
async def test_a_notice_that_was_being_sent_is_sent_after_a_restart(
    autojump_clock: MockClock, town: Town, age: float
) -> None:
    rule = town.telegram.faults.add(Fault.hang(), method="sendMessage")
    _name(town, "Sue")
    await settle()
    town.bot.kill()
    await trio.sleep(age)
    town.telegram.faults.remove(rule)
    await town.restart()
    await settle()

    assert town.notice.text.startswith("Sue,")
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
