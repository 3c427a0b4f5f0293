"""A press of "I have joined"."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.faults import Fault
from gmbot.storage.records import Notice, NoticeState, RestrictionState
from tests.guard.town import Town, last_update, pressed, settle


async def _hold(town: Town) -> None:
    town.sue.write(town.group, "Buy!")
    await settle()


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
    town.sue.join(town.channels[0])
    press = await pressed(town.sue, town.notice)

    assert press.text == "You are not yet in News 1. Join first."


async def test_who_joined_is_released_thanked_and_named_no_more(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    notice = town.notice
    town.sue.join(town.channel)
    press = await pressed(town.sue, notice)

    assert press.text == "Thank you, you can write now."
    assert not press.show_alert
    assert town.group.standing(town.sue.id, 0).status == "member"
    assert await town.held(town.sue) is None
    assert notice.deleted
    message = town.sue.write(town.group, "Thanks")
    await settle()
    assert not message.deleted


async def test_a_press_looks_past_what_is_remembered(autojump_clock: MockClock, town: Town) -> None:
    """Also where Telegram's own word of the join never came."""
    await _hold(town)
    town.channel.standings[town.sue.id] = town.channel.standings[town.max.id]
    press = await pressed(town.sue, town.notice)

    assert press.text == "Thank you, you can write now."


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
    town.sue.join(town.channel)
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
    town.sue.join(town.channel)
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
    town.sue.join(town.channel)
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


@pytest.mark.parametrize("how", ["mute for a day", "partly", "kicked"])
async def test_whom_a_human_restricted_stays_so(
    autojump_clock: MockClock, town: Town, how: str
) -> None:
    await _hold(town)
    notice = town.notice
    town.sue.join(town.channel)
    await settle()
    press = town.sue.press(notice, "I have joined")
    if how == "kicked":
        town.mia.ban(town.group, town.sue)
    elif how == "partly":
        town.mia.restrict(town.group, town.sue, can_send_polls=True)
    else:
        until = int(town.telegram.now()) + 86_400
        town.mia.restrict(town.group, town.sue, until_date=until)
    human = town.group.standing(town.sue.id, town.telegram.now())
    await settle()

    assert press.text == (
        "You are in, but an admin of this group has restricted you. Please ask them."
    )
    assert press.show_alert
    assert town.group.standing(town.sue.id, town.telegram.now()) == human
    assert await town.held(town.sue) is None
    assert notice.deleted


async def test_whom_a_human_had_muted_before_is_given_back_to_that(
    autojump_clock: MockClock, town: Town
) -> None:
    """The human's mute came while their last message was on its way."""
    message = town.sue.write(town.group, "Buy!")
    town.mia.restrict(town.group, town.sue)
    human = town.group.standing(town.sue.id, town.telegram.now())
    await settle()
    assert message.deleted

    town.sue.join(town.channel)
    press = await pressed(town.sue, town.notice)

    assert press.text.startswith("You are in, but an admin")
    assert town.group.standing(town.sue.id, town.telegram.now()) == human


async def test_whom_a_human_freed_is_thanked_all_the_same(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    town.mia.lift(town.group, town.sue)
    town.sue.join(town.channel)
    calls = town.count("restrictChatMember")
    press = await pressed(town.sue, town.notice)

    assert press.text.startswith("Thank you")
    assert town.count("restrictChatMember") == calls
    assert await town.held(town.sue) is None


async def test_a_release_that_is_refused_says_so_and_keeps_the_record(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    await _hold(town)
    town.sue.join(town.channel)
    town.anna.promote(town.group, town.telegram.bot, can_delete_messages=True)
    press = await pressed(town.sue, town.notice)

    assert press.text.startswith("You are in, but I may not lift your mute here")
    assert press.show_alert
    assert await town.held(town.sue) is not None
    assert [e["action"] for e in logs if e["event"] == "rights_missing"] == ["release"]

    town.anna.promote(town.group, town.telegram.bot)
    await trio.sleep(4)
    press = await pressed(town.sue, town.notice)
    assert press.text.startswith("Thank you")
    assert not town.is_muted(town.sue)


async def test_who_was_never_there_is_held_no_more(autojump_clock: MockClock, town: Town) -> None:
    await _hold(town)
    town.sue.join(town.channel)
    words = Fault.error(TelegramError(400, "Bad Request: PARTICIPANT_ID_INVALID"))
    town.telegram.faults.add(words, method="getChatMember", chat=town.group.id)
    await pressed(town.sue, town.notice)

    assert await town.held(town.sue) is None


async def test_a_release_cut_off_in_the_middle_goes_on(
    autojump_clock: MockClock, town: Town
) -> None:
    await _hold(town)
    town.sue.join(town.channel)
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
    town.sue.join(town.channel)
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
    town.sue.join(town.channel)
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
    town.sue.join(town.channel)
    press = town.sue.press(town.notice, "I have joined")
    again = last_update(town.telegram)
    await settle()
    deeds = town.world.journal.total
    await town.bot.dispatch.accept(again, lambda: None)
    await trio.sleep(5)

    assert press.text.startswith("Thank you")
    assert town.world.journal.total == deeds


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
    await town.storage.save_notice(
        Notice(town.group.id, None, ((town.sue.id, "Sue"),), NoticeState.SENDING, 0, 0.0)
    )
    notice = await _stray(town)
    await pressed(town.max, notice)

    assert not notice.deleted
