"""A press of "I have joined"."""

from typing import Any

import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from gmbot.guard.params import Params
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.faults import Fault
from gmbot.sandbox.members import administrator
from gmbot.sandbox.people import Person
from gmbot.storage.records import Named, Notice, NoticeState, RestrictionState
from tests.guard.town import Town, last_update, pressed, settle

FREE = "You are free here."
CANNOT_CHECK = "This can't be checked right now. Please press again in a minute."


async def _hold(town: Town) -> None:
    town.sue.write(town.group, "Buy!")
    await settle()


def _slip_in(town: Town, person: Person, number: int = 0) -> None:
    """Let a person join a channel without a word of it to the bot: then only a press releases."""
    channel = town.channels[number]
    channel.standings[person.id] = channel.standings[town.max.id]


async def test_pressing_too_early_names_the_channel_and_changes_nothing(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    press = await pressed(town.sue, town.notice)

    assert press.text == "You are not yet in News 0. Join first."
    assert press.show_alert
    assert town.is_muted(town.sue)
    assert len(town.notices()) == 1


@pytest.mark.parametrize("town_options", [{"channels": 2}], ids=["two channels"])
async def test_the_alert_names_only_what_is_missing(autojump_clock: MockClock, town: Town) -> None:
    await _hold(town)
    _slip_in(town, town.sue)
    press = await pressed(town.sue, town.notice)

    assert press.text == "You are not yet in News 1. Join first."


async def test_who_joined_is_released_thanked_and_named_no_more(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    notice = town.notice
    _slip_in(town, town.sue)
    press = await pressed(town.sue, notice)

    assert press.text == "Thank you, you can write now."
    assert not press.show_alert
    assert town.group.standing(town.sue.id, 0).status == "member"
    assert await town.held(town.sue) is None
    assert notice.deleted
    message = town.sue.write(town.group, "Thanks")
    await settle()
    assert not message.deleted


async def test_who_is_not_held_is_told_so(autojump_clock: MockClock, town: Town) -> None:
    await _hold(town)
    with town.no_restrictions():
        press = await pressed(town.max, town.notice)

    assert press.text == "You are not muted by this bot. There is nothing to do for you."
    assert len(town.notices()) == 1
    assert town.is_muted(town.sue)


@pytest.mark.parametrize(
    "data", ["verify:1", "VERIFY", "", "x" * 64, "\ud83d", "unmute 5000000004"]
)
async def test_forged_data_is_answered_and_harmless(
    autojump_clock: MockClock, town: Town, data: str
) -> None:
    await _hold(town)
    _slip_in(town, town.sue)
    with town.no_restrictions():
        press = town.sue.press_data(town.notice, data)
        await settle()

    assert press.text == "This button is no longer in use."
    assert len(town.notices()) == 1


async def test_a_notice_of_a_group_that_is_not_guarded_is_stale(
    autojump_clock: MockClock, town: Town
) -> None:
    other = town.world.supergroup(
        "Other", creator=town.anna, members=[town.sue], admins=[town.telegram.bot]
    )
    buttons = {"inline_keyboard": [[{"text": "I have joined", "callback_data": "verify"}]]}
    await town.bot.api.call(
        "sendMessage", {"chat_id": other.id, "text": "Old", "reply_markup": buttons}, dict
    )
    with town.no_restrictions():
        press = await pressed(town.sue, other.visible()[-1])

    assert press.text == "This button is no longer in use."


async def test_a_press_without_a_message_is_stale(autojump_clock: MockClock, town: Town) -> None:
    query = {"id": "1", "from": town.sue.payload(), "chat_instance": "1", "data": "verify"}
    town.telegram.inject("callback_query", query)
    await settle()

    assert town.telegram.calls_of("answerCallbackQuery")[-1].params["text"].startswith("This but")


async def test_a_press_of_what_telegram_shows_no_more_is_answered(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    notice = town.notice
    gone = {"chat": town.group.payload(), "message_id": notice.id, "date": 0}
    query = {"id": "1", "from": town.sue.payload(), "message": gone, "data": "verify"}
    town.telegram.inject("callback_query", {**query, "chat_instance": "1"})
    await settle()

    assert "News 0" in town.telegram.calls_of("answerCallbackQuery")[-1].params["text"]


async def test_pressing_twice_releases_once(autojump_clock: MockClock, town: Town) -> None:
    await _hold(town)
    _slip_in(town, town.sue)
    town.telegram.exchange.latency = 0.1
    presses = [town.sue.press(town.notice, "I have joined") for _ in range(2)]
    await trio.sleep(5)

    assert [press.text[:9] for press in presses] == ["Thank you", "You are n"]
    assert town.count("restrictChatMember") == 2


async def test_whoever_presses_often_is_looked_up_once_in_three_seconds(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    before = town.count("getChatMember")
    presses = [town.sue.press(town.notice, "I have joined") for _ in range(20)]
    await settle()
    assert town.count("getChatMember") == before + 1
    assert {press.text for press in presses[1:]} == {
        "One moment, please: press again in a few seconds."
    }

    await trio.sleep(3.01)
    press = await pressed(town.sue, town.notice)
    assert press.text.startswith("You are not yet")


async def test_who_is_known_to_have_joined_does_not_wait(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    await pressed(town.sue, town.notice)
    _slip_in(town, town.sue)
    town.bot.guard.memberships.note(town.channel.id, town.sue.id, is_in=True)
    press = await pressed(town.sue, town.notice)

    assert press.text.startswith("Thank you")


async def test_doubt_asks_to_press_again(autojump_clock: MockClock, town: Town) -> None:
    await _hold(town)
    town.channel.member_list_inaccessible = True
    press = await pressed(town.sue, town.notice)

    assert press.text == "This can't be checked right now. Please press again in a minute."
    assert press.show_alert
    assert town.is_muted(town.sue)
    assert await town.held(town.sue) is not None


# Whom humans have decided about


def _restrict(town: Town, how: str, person: Person) -> None:
    if how == "kicked":
        town.mia.ban(town.group, person)
    elif how == "for a day":
        until = int(town.telegram.now()) + 86_400
        town.mia.restrict(town.group, person, until_date=until)
    else:
        town.mia.restrict(town.group, person)


@pytest.mark.parametrize("how", ["for a day", "kicked"])
async def test_whom_a_human_restricted_is_told_so_and_stays_so(
    autojump_clock: MockClock, town: Town, how: str
) -> None:
    await _hold(town)
    notice = town.notice
    _slip_in(town, town.sue)
    _restrict(town, how, town.sue)
    human = town.group.standing(town.sue.id, town.telegram.now())
    _forged(town, notice)  # who is banned sees it no more
    await settle()

    assert _answer(town) == "An admin of this group has restricted you. Please ask them."
    assert town.telegram.calls_of("answerCallbackQuery")[-1].params["show_alert"]
    assert town.group.standing(town.sue.id, town.telegram.now()) == human
    assert await town.held(town.sue) is None
    assert notice.deleted


def _forged(town: Town, message: Any) -> None:
    """Let Sue press what she sees no more."""
    query = {"id": "1", "from": town.sue.payload(), "message": message.payload(), "data": "verify"}
    town.telegram.inject("callback_query", {**query, "chat_instance": "1"})


def _answer(town: Town) -> str:
    text: str = town.telegram.calls_of("answerCallbackQuery")[-1].params["text"]
    return text


@pytest.mark.parametrize("how", ["for a day", "for ever"])
async def test_who_was_never_held_and_is_restricted_by_a_human_is_told_so(
    autojump_clock: MockClock, town: Town, how: str
) -> None:
    await _hold(town)
    _restrict(town, how, town.tim)
    human = town.group.standing(town.tim.id, town.telegram.now())
    press = await pressed(town.tim, town.notice)

    assert press.text == "An admin of this group has restricted you. Please ask them."
    assert press.show_alert
    assert town.group.standing(town.tim.id, town.telegram.now()) == human


async def test_where_it_cannot_be_seen_who_is_restricted_the_press_is_answered(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    words = Fault.error(TelegramError(400, "Bad Request: member list is inaccessible"))
    town.telegram.faults.add(words, method="getChatMember", chat=town.group.id)
    press = await pressed(town.tim, town.notice)

    assert press.text.startswith("You are not muted")


async def test_who_may_not_send_pictures_only_is_not_restricted(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    town.mia.restrict(town.group, town.tim, can_send_messages=True)
    press = await pressed(town.tim, town.notice)

    assert press.text.startswith("You are not muted")


async def test_whom_a_human_had_restricted_before_is_given_back_to_that(
    autojump_clock: MockClock, town: Town
) -> None:
    town.mia.restrict(town.group, town.sue, can_send_messages=True)
    human = town.group.standing(town.sue.id, town.telegram.now())
    await _hold(town)
    _slip_in(town, town.sue)
    press = await pressed(town.sue, town.notice)

    assert press.text.startswith("Thank you")
    assert town.group.standing(town.sue.id, town.telegram.now()) == human


async def test_whom_a_human_freed_is_told_that_they_are_free(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    notice = town.notice
    press = town.sue.press(notice, "I have joined")
    town.mia.lift(town.group, town.sue)
    await settle()
    await trio.sleep(5)
    _forged(town, notice)
    await settle()

    assert press.answered
    assert _answer(town) == FREE
    assert not town.is_muted(town.sue)
    assert notice.deleted


async def test_whom_a_human_freed_and_the_notice_names_still_is_taken_off(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    await town.storage.pardon(town.group.id, town.sue.id, given_at=1.0)  # by another instance
    notice = town.notice
    press = await pressed(town.sue, notice)

    assert press.text == FREE
    assert notice.deleted


# Whom the bot may not, or cannot, release


async def test_a_release_that_is_refused_says_so_and_keeps_the_record(
    autojump_clock: MockClock, town: Town, logs: list[Any]
) -> None:
    await _hold(town)
    _slip_in(town, town.sue)
    standings, bot = town.group.standings, town.telegram.bot
    able = standings[bot.id]
    # Without a word of it to the bot: else the notice would go.
    standings[bot.id] = administrator({"can_delete_messages"}, promoted_by=town.anna.id)
    press = await pressed(town.sue, town.notice)

    assert press.text.startswith("You are in, but I may not lift your mute here")
    assert press.show_alert
    assert await town.held(town.sue) is not None
    assert [e["action"] for e in logs if e["event"] == "rights_missing"] == ["release"]

    standings[bot.id] = able
    await trio.sleep(4)
    press = await pressed(town.sue, town.notice)
    assert press.text.startswith("Thank you")
    assert not town.is_muted(town.sue)


async def test_who_was_never_there_is_held_no_more(autojump_clock: MockClock, town: Town) -> None:
    await _hold(town)
    _slip_in(town, town.sue)
    words = Fault.error(TelegramError(400, "Bad Request: PARTICIPANT_ID_INVALID"))
    town.telegram.faults.add(words, method="getChatMember", chat=town.group.id)
    await pressed(town.sue, town.notice)

    assert await town.held(town.sue) is None


async def test_a_release_cut_off_in_the_middle_goes_on(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    _slip_in(town, town.sue)
    rule = town.telegram.faults.add(Fault.hang(), method="restrictChatMember")
    town.sue.press(town.notice, "I have joined")
    await settle()
    held = await town.held(town.sue)
    assert held is not None
    assert held.state is RestrictionState.RELEASING

    await town.restart()
    town.telegram.faults.remove(rule)
    await trio.sleep(15)

    assert not town.is_muted(town.sue)
    assert await town.held(town.sue) is None


async def test_a_release_whose_record_outlived_it_is_thanked(
    autojump_clock: MockClock, town: Town
) -> None:
    town.mia.restrict(town.group, town.sue, can_send_messages=True)
    human = town.group.standing(town.sue.id, town.telegram.now())
    await _hold(town)
    _slip_in(town, town.sue)
    town.storage.refuse["drop_restriction"] = town.away()
    press = await pressed(town.sue, town.notice)
    await trio.sleep(7)

    assert press.text.startswith("Thank you")
    assert town.group.standing(town.sue.id, town.telegram.now()) == human
    assert await town.held(town.sue) is None


async def test_two_instances_at_one_press_are_one(autojump_clock: MockClock, town: Town) -> None:
    await _hold(town)
    held = await town.held(town.sue)
    assert held is not None
    await town.storage.advance_restriction(held, RestrictionState.RELEASING)

    assert await town.bot.guard.enforcement.release(held, now=0)
    assert town.is_muted(town.sue)  # the other one does it


async def test_a_query_that_expired_still_does_its_work(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    _slip_in(town, town.sue)
    await settle()
    rule = town.telegram.faults.add(Fault.hang(), method="restrictChatMember")
    press = town.sue.press(town.notice, "I have joined")
    await trio.sleep(16)
    town.telegram.faults.remove(rule)
    await trio.sleep(1)

    assert not press.answered
    assert not town.is_muted(town.sue)
    assert town.storage.rows("pending_updates") == []


async def test_a_press_given_again_changes_nothing(autojump_clock: MockClock, town: Town) -> None:
    await _hold(town)
    _slip_in(town, town.sue)
    press = town.sue.press(town.notice, "I have joined")
    again = last_update(town.telegram)
    await settle()
    deeds = town.world.journal.total
    await town.bot.dispatch.accept(again, lambda: None)
    await trio.sleep(5)

    assert press.text.startswith("Thank you")
    assert town.world.journal.total == deeds


# Who was only warned


@pytest.fixture
async def warns(town: Town) -> None:
    """The group deletes two messages with a warning before it mutes."""
    await town.bot.guard.policies.set_params(town.group.id, Params(warnings=2))


async def test_who_was_only_warned_and_joined_is_thanked_and_named_no_more(
    autojump_clock: MockClock, town: Town, warns: None
) -> None:
    await _hold(town)
    notice = town.notice
    assert not town.is_muted(town.sue)

    _slip_in(town, town.sue)
    with town.no_restrictions():
        press = town.sue.press(notice, "I have joined")
        await trio.lowlevel.checkpoint()

    await settle()
    assert press.text == "Thank you, you can write now."
    assert notice.deleted


async def test_who_was_only_warned_and_lacks_the_channel_is_told_which(
    autojump_clock: MockClock, town: Town, warns: None
) -> None:
    await _hold(town)
    press = await pressed(town.sue, town.notice)

    assert press.text == "You are not yet in News 0. Join first."
    assert press.show_alert
    assert "Sue" in town.notice.text


async def test_who_was_only_warned_and_is_in_doubt_is_asked_to_press_again(
    autojump_clock: MockClock, town: Town, warns: None
) -> None:
    await _hold(town)
    await trio.sleep(5)
    town.channel.member_list_inaccessible = True
    press = await pressed(town.sue, town.notice)

    assert press.text == CANNOT_CHECK
    assert len(town.notices()) == 1


async def test_who_joined_is_warned_anew_when_they_leave_again(
    autojump_clock: MockClock, town: Town, warns: None
) -> None:
    for _ in range(2):
        await _hold(town)
        await trio.sleep(6)
    _slip_in(town, town.sue)
    await pressed(town.sue, town.notice)
    town.channel.standings.pop(town.sue.id)
    town.bot.guard.memberships.note(town.channel.id, town.sue.id, is_in=False)
    await _hold(town)

    assert not town.is_muted(town.sue)


# Languages


@pytest.mark.parametrize(
    ("own", "words"),
    [
        ("de", "Es fehlt noch"),
        ("pt-br", "Ainda falta"),
        ("en", "You are not yet in"),
        ("zh-hans", "Non sei ancora"),
        (None, "Non sei ancora"),
    ],
    ids=["own", "own with a region", "own is the default", "own is not offered", "own unknown"],
)
async def test_the_answer_is_in_the_pressers_language_else_the_groups(
    autojump_clock: MockClock, town: Town, own: str | None, words: str
) -> None:
    await town.bot.guard.policies.set_params(town.group.id, Params(language="it"))
    town.sue.language_code = own
    await _hold(town)
    (join, verify) = (button["text"] for button in town.notice.buttons())
    press = await pressed(town.sue, town.notice, verify)

    assert join.startswith("Unisciti")
    assert words in press.text


# Groups where acting has stopped, and whose notice still stands


async def test_in_a_group_that_is_disabled_who_joined_is_released(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    await town.bot.guard.policies.set_enabled(town.group.id, enabled=False)
    _slip_in(town, town.sue)
    press = await pressed(town.sue, town.notice)

    assert press.text.startswith("Thank you")
    assert not town.is_muted(town.sue)


async def test_in_a_group_that_is_disabled_who_lacks_a_channel_is_told_which(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    await town.bot.guard.policies.set_enabled(town.group.id, enabled=False)
    press = await pressed(town.sue, town.notice)

    assert press.text == "You are not yet in News 0. Join first."
    assert town.is_muted(town.sue)


async def test_where_the_bot_lost_its_rights_who_joined_is_sent_to_an_admin(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    notice = town.notice
    words = TelegramError(400, "Bad Request: message can't be deleted for everyone")
    town.telegram.faults.add(Fault.error(words), method="deleteMessage")
    await town.bot.guard.policies.set_enabled(town.group.id, enabled=False)
    admin = town.group.standings[town.telegram.bot.id]
    town.group.standings[town.telegram.bot.id] = town.group.standings[town.max.id]
    _slip_in(town, town.sue)
    press = await pressed(town.sue, notice)

    assert press.text.startswith("You are in, but I may not lift your mute here")
    assert await town.held(town.sue) is not None
    calls = town.count("getChatMember")
    again = await pressed(town.sue, notice)
    assert again.text.startswith("One moment")
    assert town.count("getChatMember") == calls
    town.group.standings[town.telegram.bot.id] = admin


async def test_where_no_channel_is_required_any_more_whoever_is_held_is_released(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    await town.bot.guard.policies.unprotect(town.group.id, [town.channel.id])
    press = await pressed(town.sue, town.notice)

    assert press.text.startswith("Thank you")
    assert not town.is_muted(town.sue)


async def test_in_a_group_of_which_nothing_is_known_whoever_is_held_is_released(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    notice = town.notice
    for table in ("group_channel_links", "protected_groups"):
        town.storage.db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
    await town.bot.guard.policies.load()
    press = await pressed(town.sue, notice)

    assert press.text.startswith("Thank you")
    assert not town.is_muted(town.sue)


@pytest.mark.parametrize("town_options", [{"channels": 2}], ids=["two channels"])
async def test_a_channel_out_of_sight_is_not_asked_for(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    await town.bot.guard.policies.hide(town.channels[1].id, hidden=True)
    _slip_in(town, town.sue)
    press = await pressed(town.sue, town.notice)

    assert press.text.startswith("Thank you")


async def test_who_has_asked_to_be_let_in_counts_as_in_where_that_is_set(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    await town.bot.guard.policies.set_params(town.group.id, Params(requests_count=True))
    await town.bot.guard.requests.note(town.channel.id, town.sue.id)
    press = await pressed(town.sue, town.notice)

    assert press.text.startswith("Thank you")
    assert not town.is_muted(town.sue)


# Notices that we lost sight of


async def _stray(town: Town) -> Any:
    """Send a notice that the bot does not know of."""
    buttons = {"inline_keyboard": [[{"text": "I have joined", "callback_data": "verify"}]]}
    await town.bot.api.call(
        "sendMessage", {"chat_id": town.group.id, "text": "Lost", "reply_markup": buttons}, dict
    )
    return town.group.visible()[-1]


async def test_a_stray_notice_goes_when_somebody_who_is_not_held_presses_it(
    autojump_clock: MockClock, town: Town
) -> None:
    stray = await _stray(town)
    press = await pressed(town.max, stray)

    assert press.text.startswith("You are not muted")
    assert stray.deleted


async def test_a_stray_notice_goes_when_the_held_press_it_and_the_live_one_stays(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    live = town.notice
    stray = await _stray(town)
    press = await pressed(town.sue, stray)

    assert press.text.startswith("You are not yet")
    assert stray.deleted
    assert town.notice is live
    assert "Sue" in live.text


async def test_who_pressed_a_stray_notice_too_early_is_named_in_a_new_one(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    town.bot.board.remove(town.group.id, town.sue.id)
    await trio.sleep(5)
    assert town.notices() == []

    stray = await _stray(town)
    await pressed(town.sue, stray)

    assert stray.deleted
    assert town.notice.text.startswith("Sue,")


async def test_a_stray_notice_that_cannot_be_deleted_is_no_trouble(
    autojump_clock: MockClock, town: Town
) -> None:
    stray = await _stray(town)
    old = Fault.error(TelegramError(400, "Bad Request: message can't be deleted"))
    town.telegram.faults.add(old, method="deleteMessage")
    press = await pressed(town.max, stray)

    assert press.answered
    assert town.storage.rows("pending_updates") == []


async def test_a_notice_that_is_being_sent_is_not_stray(
    autojump_clock: MockClock, town: Town
) -> None:
    people = (Named(town.sue.id, "Sue"),)
    await town.storage.save_notice(Notice(town.group.id, None, people, NoticeState.SENDING, 0, 0.0))
    notice = await _stray(town)
    await pressed(town.max, notice)

    assert not notice.deleted
