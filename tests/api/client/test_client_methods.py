"""Each typed coroutine sends what the Bot API knows and reads what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from gmbot.api.client import METHODS, BotApi
from gmbot.api.errors import MemberNotFound, MessageNotFound, NotModified
from gmbot.api.limiter import Priority
from gmbot.api.types import (
    ALLOWED_UPDATES,
    PERMISSIONS,
    BotCommand,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
)
from gmbot.sandbox.schema import bot_api

if TYPE_CHECKING:
    from trio.testing import MockClock

    from tests.api.client.conftest import Say, Stack

GROUP = -1001234567890
ANNA = {"id": 2**52, "is_bot": False, "first_name": "Anna"}
CHAT = {"id": GROUP, "type": "supergroup", "title": "Group"}
MESSAGE = {"message_id": 9, "date": 1, "chat": CHAT, "text": "hello", "from": ANNA}
BUTTONS = InlineKeyboardMarkup(
    (
        (InlineKeyboardButton("Join", url="https://t.me/news"),),
        (InlineKeyboardButton("Check", callback_data="v:1"),),
    )
)
SENT_BUTTONS = {
    "inline_keyboard": [
        [{"text": "Join", "url": "https://t.me/news"}],
        [{"text": "Check", "callback_data": "v:1"}],
    ]
}
HELP = {"command": "help", "description": "Help"}
ALLOWED = MappingProxyType(dict.fromkeys(PERMISSIONS, True))
OWNER = {"status": "creator", "user": ANNA, "is_anonymous": False}
LEFT = {"status": "left", "user": ANNA}
LINK = {
    "invite_link": "https://t.me/+abc",
    "creator": ANNA,
    "creates_join_request": False,
    "is_primary": False,
    "is_revoked": False,
}
INFO = {
    **CHAT,
    "accent_color_id": 1,
    "max_reaction_count": 11,
    "accepted_gift_types": {
        "unlimited_gifts": True,
        "limited_gifts": True,
        "unique_gifts": True,
        "premium_subscription": True,
        "gifts_from_channels": True,
    },
    "linked_chat_id": -1009,
}
WEBHOOK = {"url": "", "has_custom_certificate": False, "pending_update_count": 3}

Make = Callable[[BotApi], Awaitable[Any]]
# What is called, what goes over the wire, what comes back, and what of it is looked at.
CASES: list[tuple[str, str, Make, dict[str, Any], Any, Callable[[Any], bool]]] = [
    (
        "first question",
        "getUpdates",
        lambda api: api.get_updates(
            offset=None, limit=100, timeout=50, allowed_updates=ALLOWED_UPDATES
        ),
        {"limit": 100, "timeout": 50, "allowed_updates": list(ALLOWED_UPDATES)},
        [],
        lambda raws: raws == [],
    ),
    (
        "next question",
        "getUpdates",
        lambda api: api.get_updates(offset=7, limit=1, timeout=0, allowed_updates=["message"]),
        {"offset": 7, "limit": 1, "timeout": 0, "allowed_updates": ["message"]},
        [{"update_id": 7, "message": MESSAGE}],
        lambda raws: len(raws) == 1 and b'"hello"' in bytes(raws[0]),
    ),
    (
        "keeping updates",
        "deleteWebhook",
        lambda api: api.delete_webhook(drop_pending_updates=False),
        {"drop_pending_updates": False},
        True,
        lambda found: found is None,
    ),
    (
        "",
        "getWebhookInfo",
        lambda api: api.get_webhook_info(),
        {},
        WEBHOOK,
        lambda info: (info.url, info.pending_update_count) == ("", 3),
    ),
    (
        "",
        "getMe",
        lambda api: api.get_me(),
        {},
        {**ANNA, "is_bot": True, "username": "guard_bot"},
        lambda me: (me.id, me.is_bot, me.username) == (2**52, True, "guard_bot"),
    ),
    (
        "text",
        "sendMessage",
        lambda api: api.send_message(GROUP, "<b>hello</b>"),
        {"chat_id": GROUP, "text": "<b>hello</b>", "parse_mode": "HTML"},
        MESSAGE,
        lambda message: message.message_id == 9,
    ),
    (
        "reply",
        "sendMessage",
        lambda api: api.send_message(GROUP, "hello", reply_to=5, priority=Priority.URGENT),
        {
            "chat_id": GROUP,
            "text": "hello",
            "parse_mode": "HTML",
            "reply_parameters": {"message_id": 5, "allow_sending_without_reply": True},
        },
        MESSAGE,
        lambda message: message.chat.id == GROUP,
    ),
    (
        "for ever",
        "restrictChatMember",
        lambda api: api.restrict_chat_member(GROUP, 7, dict.fromkeys(PERMISSIONS, False)),
        {
            "chat_id": GROUP,
            "user_id": 7,
            "permissions": dict.fromkeys(PERMISSIONS, False),
            "use_independent_chat_permissions": True,
        },
        True,
        lambda found: found is None,
    ),
    (
        "until, as it was read",
        "restrictChatMember",
        lambda api: api.restrict_chat_member(GROUP, 7, ALLOWED, until_date=1_900_000_000),
        {
            "chat_id": GROUP,
            "user_id": 7,
            "permissions": dict(ALLOWED),
            "use_independent_chat_permissions": True,
            "until_date": 1_900_000_000,
        },
        True,
        lambda found: found is None,
    ),
    (
        "",
        "createChatInviteLink",
        lambda api: api.create_chat_invite_link(GROUP, name="GMBot"),
        {"chat_id": GROUP, "name": "GMBot"},
        LINK,
        lambda link: link.invite_link == "https://t.me/+abc",
    ),
    (
        "",
        "editChatInviteLink",
        lambda api: api.edit_chat_invite_link(GROUP, "https://t.me/+abc", name="GMBot"),
        {"chat_id": GROUP, "invite_link": "https://t.me/+abc", "name": "GMBot"},
        {**LINK, "is_revoked": True},
        lambda link: link.is_revoked,
    ),
    (
        "by id",
        "getChat",
        lambda api: api.get_chat(GROUP),
        {"chat_id": GROUP},
        INFO,
        lambda info: (info.id, info.title, info.linked_chat_id) == (GROUP, "Group", -1009),
    ),
    (
        "by name",
        "getChat",
        lambda api: api.get_chat("@news", priority=Priority.BACKGROUND),
        {"chat_id": "@news"},
        INFO,
        lambda info: info.type == "supergroup",
    ),
    (
        "",
        "getChatAdministrators",
        lambda api: api.get_chat_administrators(GROUP),
        {"chat_id": GROUP},
        [OWNER],
        lambda admins: [admin.is_admin for admin in admins] == [True],
    ),
    (
        "",
        "getChatMember",
        lambda api: api.get_chat_member(GROUP, 2**52),
        {"chat_id": GROUP, "user_id": 2**52},
        LEFT,
        lambda member: (member.user.id, member.is_in) == (2**52, False),
    ),
    (
        "",
        "answerCallbackQuery",
        lambda api: api.answer_callback_query("44", "Thank you", show_alert=False),
        {"callback_query_id": "44", "text": "Thank you", "show_alert": False},
        True,
        lambda found: found is None,
    ),
    (
        "",
        "setMyCommands",
        lambda api: api.set_my_commands([BotCommand("help", "Help")], "default"),
        {"commands": [HELP], "scope": {"type": "default"}},
        True,
        lambda found: found is None,
    ),
    (
        "of a language",
        "getMyCommands",
        lambda api: api.get_my_commands("all_private_chats", language_code="de"),
        {"scope": {"type": "all_private_chats"}, "language_code": "de"},
        [HELP],
        lambda found: found == [BotCommand("help", "Help")],
    ),
    (
        "with buttons",
        "sendMessage",
        lambda api: api.send_message(GROUP, "hello", buttons=BUTTONS),
        {"chat_id": GROUP, "text": "hello", "parse_mode": "HTML", "reply_markup": SENT_BUTTONS},
        MESSAGE,
        lambda message: message.message_id == 9,
    ),
    (
        "",
        "editMessageText",
        lambda api: api.edit_message_text(GROUP, 9, "thank you"),
        {"chat_id": GROUP, "message_id": 9, "text": "thank you", "parse_mode": "HTML"},
        MESSAGE,
        lambda found: found is None,
    ),
    (
        "",
        "deleteMessage",
        lambda api: api.delete_message(GROUP, 9),
        {"chat_id": GROUP, "message_id": 9},
        True,
        lambda found: found is None,
    ),
    (
        "",
        "deleteMessages",
        lambda api: api.delete_messages(GROUP, lambda: [9, 11]),
        {"chat_id": GROUP, "message_ids": [9, 11]},
        True,
        lambda found: found is None,
    ),
    (
        "notice",
        "sendMessage",
        lambda api: api.send_notice(GROUP, lambda: ("please join", BUTTONS)),
        {
            "chat_id": GROUP,
            "text": "please join",
            "parse_mode": "HTML",
            "reply_markup": SENT_BUTTONS,
        },
        MESSAGE,
        lambda message: message.message_id == 9,
    ),
    (
        "notice",
        "editMessageText",
        lambda api: api.edit_notice(GROUP, 9, lambda: ("thank you", BUTTONS)),
        {
            "chat_id": GROUP,
            "message_id": 9,
            "text": "thank you",
            "parse_mode": "HTML",
            "reply_markup": SENT_BUTTONS,
        },
        MESSAGE,
        lambda found: found is None,
    ),
]


@pytest.mark.parametrize(
    ("method", "make", "params", "result", "is_right"),
    [pytest.param(*case[1:], id=f"{case[1]} {case[0]}".strip()) for case in CASES],
)
async def test_a_typed_call_sends_what_the_bot_api_knows_and_reads_its_answer(
    autojump_clock: MockClock,
    stack: Stack,
    say: Say,
    method: str,
    make: Make,
    params: dict[str, Any],
    result: Any,
    is_right: Callable[[Any], bool],
) -> None:
    known = bot_api().methods[method.lower()]
    assert known.check_result(result) is None
    stack.wire.replies = [say.ok(result)]

    found = await make(stack.api)

    (sent,) = stack.wire.sent
    assert (sent.method, sent.params) == (method, params)
    assert known.check(sent.params) is None
    assert is_right(found)


def test_the_list_of_methods_is_all_that_the_bot_calls() -> None:
    assert {case[1] for case in CASES} == set(METHODS)
    assert len(METHODS) == len(set(METHODS))


async def test_an_edit_answered_with_true_is_done(
    autojump_clock: MockClock, stack: Stack, say: Say
) -> None:
    stack.wire.replies = [say.ok(True)]

    await stack.api.edit_notice(GROUP, 9, lambda: ("thank you", BUTTONS))

    assert len(stack.wire.sent) == 1


@pytest.mark.parametrize(
    ("make", "words", "kind"),
    [
        pytest.param(
            lambda api: api.get_chat_member(GROUP, 7),
            "Bad Request: PARTICIPANT_ID_INVALID",
            MemberNotFound,
            id="nobody",
        ),
        pytest.param(
            lambda api: api.delete_message(GROUP, 7),
            "Bad Request: message to delete not found",
            MessageNotFound,
            id="gone",
        ),
        pytest.param(
            lambda api: api.edit_notice(GROUP, 7, lambda: ("same", BUTTONS)),
            "Bad Request: message is not modified: …",
            NotModified,
            id="same",
        ),
    ],
)
async def test_a_refusal_comes_back_by_its_name(
    autojump_clock: MockClock, stack: Stack, say: Say, make: Make, words: str, kind: type[Exception]
) -> None:
    stack.wire.replies = [say.no(400, words)]

    with pytest.raises(kind):
        await make(stack.api)
