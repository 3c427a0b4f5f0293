"""Replies: each is seen once, or not at all where that is unknown."""

from functools import partial
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gmbot.api import errors
from gmbot.api.limiter import Limits
from gmbot.api.types import Chat, InlineKeyboardButton, InlineKeyboardMarkup, Message
from gmbot.guard.replies import REFUSAL_INTERVAL
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.faults import Fault
from tests.guard.town import Town, settle

REFUSED = Fault.error(TelegramError(400, "Bad Request: not enough rights to send text messages"))


def command(town: Town, message_id: int = 99) -> Message:
    return Message(message_id, Chat(town.group.id, "supergroup"))


async def test_a_reply_is_sent_once(autojump_clock: MockClock, town: Town) -> None:
    question = town.max.write(town.group, "/what")
    await settle()
    replies, asked = town.bot.guard.replies, command(town, question.id)
    sent = await replies.reply(asked, "<b>this</b> &amp; that")

    assert sent is not None
    assert town.group.visible()[-1].reply_to is question
    assert await replies.reply(asked, "again") is None
    assert town.said() == ["this & that"]


async def test_another_instance_does_not_say_it_again(
    autojump_clock: MockClock, town: Town
) -> None:
    await town.bot.guard.replies.reply(command(town), "once")
    await town.restart()
    await town.bot.guard.replies.reply(command(town), "once")

    assert town.said() == ["once"]


async def test_replies_to_several_messages_and_chats_are_several(
    autojump_clock: MockClock, town: Town
) -> None:
    other = town.world.supergroup("Other", creator=town.anna, admins=[town.telegram.bot])
    replies = town.bot.guard.replies
    await replies.reply(command(town, 1), "one")
    await replies.reply(command(town, 2), "two")
    await replies.reply(Message(1, Chat(other.id, "supergroup")), "three")

    assert town.said() == ["one", "two"]
    assert other.visible()[-1].text == "three"


async def test_a_reply_can_have_buttons(autojump_clock: MockClock, town: Town) -> None:
    buttons = InlineKeyboardMarkup(((InlineKeyboardButton("Do", callback_data="do"),),))
    await town.bot.guard.replies.reply(command(town), "choose", buttons=buttons)

    (message,) = town.notices()
    assert [button["text"] for button in message.buttons()] == ["Do"]


async def test_what_is_said_under_one_key_is_said_once(
    autojump_clock: MockClock, town: Town
) -> None:
    replies = town.bot.guard.replies
    for key in ("a", "b", "a"):
        await replies.say_once(key, town.group.id, key)

    assert town.said() == ["a", "b"]
    await replies.forget("a")
    await replies.say_once("a", town.group.id, "a")
    assert town.said() == ["a", "b", "a"]


async def test_where_the_bot_may_not_write_nothing_is_said_but_logged(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    town.telegram.faults.add(REFUSED, method="sendMessage", times=1)
    replies = town.bot.guard.replies

    assert await replies.reply(command(town), "now") is None
    assert [e["event"] for e in logs if e["log_level"] == "warning"] == ["reply_refused"]
    assert await replies.reply(command(town), "later") is not None  # the claim was taken back
    assert town.said() == ["later"]


@pytest.mark.parametrize(
    "error",
    [
        errors.NetworkFailure("sendMessage", "no route", sent=False),
        errors.CircuitOpen("sendMessage", 1.0),
        errors.RetryAfter("sendMessage", 429, "Too Many Requests", 1.0),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_was_surely_not_sent_may_be_said_later(
    autojump_clock: MockClock, town: Town, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def fail(*_args: object, **_kwargs: object) -> None:
        raise error

    replies = town.bot.guard.replies
    with monkeypatch.context() as patch:
        patch.setattr(town.bot.guard.api, "call", fail)
        with pytest.raises(type(error)):
            await replies.reply(command(town), "now")

    assert await replies.reply(command(town), "later") is not None
    assert town.said() == ["later"]


@pytest.mark.parametrize(
    "fault", [Fault.dropped(), Fault.lost(), Fault.status(502)], ids=lambda fault: fault.name
)
async def test_what_may_have_been_sent_counts_as_sent(
    autojump_clock: MockClock, town: Town, fault: Fault
) -> None:
    town.telegram.faults.add(fault, method="sendMessage", times=1)
    replies = town.bot.guard.replies
    with pytest.raises(errors.ApiError):
        await replies.reply(command(town), "once")

    assert await replies.reply(command(town), "once") is None
    assert town.said() in ([], ["once"])


@pytest.mark.parametrize("town_options", [{"limits": Limits(0, 20, 0)}], ids=[""])
async def test_who_is_cancelled_before_its_turn_may_come_again(
    autojump_clock: MockClock, town: Town
) -> None:
    replies = town.bot.guard.replies
    async with trio.open_nursery() as nursery:
        for number in range(20):
            nursery.start_soon(replies.reply, command(town, number), f"reply {number}")
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    said = len(town.said())
    assert 0 < said < 20

    for number in range(20):
        await replies.reply(command(town, number), f"reply {number}")
    assert sorted(town.said()) == sorted(f"reply {number}" for number in range(20))


async def test_who_is_cancelled_while_it_is_sent_has_said_it(
    autojump_clock: MockClock, town: Town
) -> None:
    town.telegram.faults.add(Fault.hang(), method="sendMessage", times=1)
    replies = town.bot.guard.replies
    with trio.move_on_after(1):
        await replies.reply(command(town), "once")

    assert await replies.reply(command(town), "once") is None


async def test_a_group_that_has_moved_is_answered_where_it_is(
    autojump_clock: MockClock, town: Town
) -> None:
    basic = town.world.basic_group("Basic", creator=town.anna, members=[town.telegram.bot])
    moved = town.anna.migrate(basic)
    await town.bot.guard.replies.reply(Message(1, Chat(basic.id, "group")), "here")

    assert moved.visible()[-1].text == "here"


async def test_people_who_are_no_admins_are_refused_once_a_minute(
    autojump_clock: MockClock, town: Town
) -> None:
    other = town.world.supergroup("Other", creator=town.anna, admins=[town.telegram.bot])
    refuse = partial(town.bot.guard.replies.refuse, text="no")
    for number in range(10):
        await refuse(command(town, number))
    await refuse(Message(1, Chat(other.id, "supergroup")))
    assert town.said() == ["no"]
    assert other.texts() == ["no"]

    await trio.sleep(REFUSAL_INTERVAL - 1)
    await refuse(command(town, 20))
    assert town.said() == ["no"]
    await trio.sleep(1)
    await refuse(command(town, 21))
    assert town.said() == ["no", "no"]
