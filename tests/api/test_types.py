import importlib.resources
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmbot.api.types import (
    ALLOWED_UPDATES,
    PERMISSIONS,
    BotCommand,
    ChatMember,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Message,
    Update,
    WebhookInfo,
    decode_hook,
)
from gmbot.api.wire import decoder
from gmbot.sandbox.schema import bot_api

CHAT = {"id": -1001, "type": "supergroup", "title": "Group"}
ANNA = {"id": 7, "is_bot": False, "first_name": "Anna"}

# Kinds of content of Bot API 10.1: those that can be replied to (fields of ExternalReplyInfo), text
# and rich messages. The rest of the fields of Message are about a message, or make it a service
# message; so a field of a later version shows up here as neither.
CONTENT = {
    "text", "rich_message", "animation", "audio", "document", "live_photo", "paid_media", "photo",
    "sticker", "story", "video", "video_note", "voice", "checklist", "contact", "dice", "game",
    "giveaway", "giveaway_winners", "invoice", "location", "poll", "venue",
}  # fmt: skip
SERVICE = {
    "new_chat_members", "left_chat_member", "chat_owner_left", "chat_owner_changed",
    "new_chat_title", "new_chat_photo", "delete_chat_photo", "group_chat_created",
    "supergroup_chat_created", "channel_chat_created", "message_auto_delete_timer_changed",
    "migrate_to_chat_id", "migrate_from_chat_id", "pinned_message", "successful_payment",
    "refunded_payment", "users_shared", "chat_shared", "gift", "unique_gift", "gift_upgrade_sent",
    "connected_website", "write_access_allowed", "passport_data", "proximity_alert_triggered",
    "boost_added", "chat_background_set", "checklist_tasks_done", "checklist_tasks_added",
    "direct_message_price_changed", "forum_topic_created", "forum_topic_edited",
    "forum_topic_closed", "forum_topic_reopened", "general_forum_topic_hidden",
    "general_forum_topic_unhidden", "giveaway_created", "giveaway_completed",
    "managed_bot_created", "paid_message_price_changed", "poll_option_added",
    "poll_option_deleted", "suggested_post_approved", "suggested_post_approval_failed",
    "suggested_post_declined", "suggested_post_paid", "suggested_post_refunded",
    "video_chat_scheduled", "video_chat_started", "video_chat_ended",
    "video_chat_participants_invited", "web_app_data",
}  # fmt: skip
ABOUT = {
    "message_id", "message_thread_id", "direct_messages_topic", "from", "sender_chat",
    "sender_boost_count", "sender_business_bot", "sender_tag", "date", "guest_query_id",
    "business_connection_id", "chat", "forward_origin", "is_topic_message",
    "is_automatic_forward", "reply_to_message", "external_reply", "quote", "reply_to_story",
    "reply_to_checklist_task_id", "reply_to_poll_option_id", "via_bot", "guest_bot_caller_user",
    "guest_bot_caller_chat", "edit_date", "has_protected_content", "is_from_offline",
    "is_paid_post", "media_group_id", "author_signature", "paid_star_count", "entities",
    "link_preview_options", "suggested_post_info", "effect_id", "caption", "caption_entities",
    "show_caption_above_media", "has_media_spoiler", "reply_markup",
}  # fmt: skip

# The fields that this version reads closely; any other may hold anything.
SAMPLES: dict[str, Any] = {
    "text": "hello",
    "new_chat_members": [ANNA],
    "left_chat_member": ANNA,
    "migrate_to_chat_id": -1009,
    "migrate_from_chat_id": -9,
}


def read(kind: type, value: Any) -> Any:
    return decoder(kind).decode(json.dumps(value).encode())


def message(**fields: Any) -> Any:
    return read(Message, {"message_id": 1, "date": 1, "chat": CHAT, "from": ANNA, **fields})


def fields_of(type_name: str) -> set[str]:
    file = importlib.resources.files("gmbot.sandbox") / "schema.json"
    return set(json.loads(file.read_bytes())["types"][type_name]["fields"])


def test_every_field_of_a_message_is_content_or_service_or_about_it() -> None:
    assert fields_of("Message") == CONTENT | SERVICE | ABOUT
    assert len(CONTENT) + len(SERVICE) + len(ABOUT) == len(fields_of("Message"))


@pytest.mark.parametrize("kind", sorted(CONTENT))
def test_a_message_with_content_is_one_that_somebody_wrote(kind: str) -> None:
    assert message(**{kind: SAMPLES.get(kind, {"anything": 1})}).is_content


@pytest.mark.parametrize("kind", sorted(SERVICE))
def test_a_service_message_is_nobodys_content(kind: str) -> None:
    assert not message(**{kind: SAMPLES.get(kind, {"anything": 1})}).is_content


def test_a_message_of_an_unknown_kind_and_one_out_of_sight_are_nobodys_content() -> None:
    assert not message(hologram={"layers": 9}).is_content
    assert not read(Message, {"message_id": 1, "date": 0, "chat": CHAT}).is_content


def test_an_empty_text_is_content_all_the_same() -> None:
    assert message(text="").is_content


def test_unknown_fields_and_kinds_of_update_are_ignored() -> None:
    update = read(Update, {"update_id": 5, "thought": {"by": ANNA}, "mood": [1, {"x": None}]})

    assert update == Update(5)


@pytest.mark.parametrize("number", [2**31, 2**52, 2**63 - 1])
def test_ids_have_up_to_64_bits(number: int) -> None:
    update = read(
        Update,
        {
            "update_id": 1,
            "message": {
                "message_id": number,
                "date": 1,
                "chat": {"id": -number, "type": "supergroup"},
                "from": {**ANNA, "id": number},
                "migrate_to_chat_id": -number,
            },
        },
    )

    assert update.message is not None
    assert update.message.from_user is not None
    assert update.message.from_user.id == update.message.message_id == number
    assert update.message.chat.id == update.message.migrate_to_chat_id == -number


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("\N{PARTY POPPER}" * 64, id="64 emoji"),
        pytest.param("\N{FAMILY}\u200d\N{FAMILY}\ufe0f" * 16, id="joined emoji"),
        pytest.param('<b>&amp;"</b></a><a href="tg://user?id=1">', id="markup"),
        pytest.param("\u202e\u0000\u2066", id="controls"),
        pytest.param("", id="empty"),
    ],
)
def test_names_and_titles_come_through_as_they_are(name: str) -> None:
    found = message(chat={**CHAT, "title": name}, **{"from": {**ANNA, "first_name": name}})

    assert found.from_user.first_name == name
    assert found.chat.title == name


def test_a_chat_without_a_title_and_a_person_without_a_name_are_read() -> None:
    found = message(chat={"id": 1}, **{"from": {"id": 2}})

    assert found.chat.title is None
    assert found.from_user.first_name == ""


@given(
    rights=st.dictionaries(
        st.from_regex(r"can_[a-z_]{1,20}", fullmatch=True), st.booleans(), max_size=20
    )
)
def test_a_member_keeps_every_right_that_the_server_named(rights: dict[str, bool]) -> None:
    member = read(
        ChatMember,
        {"status": "restricted", "user": ANNA, "is_member": True, "until_date": 5, **rights},
    )

    assert dict(member.rights) == rights
    assert member.until_date == 5


def test_what_is_no_right_is_left_out_of_the_rights() -> None:
    member = read(
        ChatMember,
        {"status": "administrator", "user": ANNA, "can_fly": "high", "custom_title": "x"},
    )

    assert dict(member.rights) == {}


@pytest.mark.parametrize(
    "junk",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"status": "member"}, id="nobody"),
        pytest.param({"user": ANNA}, id="no status"),
        pytest.param({"status": 5, "user": ANNA}, id="status of a wrong type"),
        pytest.param({"status": "member", "user": {"id": "7"}}, id="id of a wrong type"),
        pytest.param([1], id="a list"),
        pytest.param(None, id="null"),
    ],
)
def test_a_member_that_is_none_is_refused(junk: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(ChatMember, junk)


@pytest.mark.parametrize(
    ("status", "is_member", "is_in", "is_admin"),
    [
        ("creator", False, True, True),
        ("administrator", False, True, True),
        ("member", False, True, False),
        ("restricted", True, True, False),
        ("restricted", False, False, False),
        ("left", False, False, False),
        ("kicked", True, False, False),
        ("enlightened", True, False, False),
    ],
)
def test_who_is_in_and_who_is_admin_follows_from_the_status(
    status: str, *, is_member: bool, is_in: bool, is_admin: bool
) -> None:
    member = read(ChatMember, {"status": status, "user": ANNA, "is_member": is_member})

    assert (member.is_in, member.is_admin) == (is_in, is_admin)


def test_an_owner_may_everything_and_an_admin_what_they_were_given() -> None:
    right = {"can_restrict_members": True, "can_delete_messages": False}
    owner = read(ChatMember, {"status": "creator", "user": ANNA})
    admin = read(ChatMember, {"status": "administrator", "user": ANNA, **right})
    member = read(ChatMember, {"status": "member", "user": ANNA, **right})

    assert owner.may("can_delete_messages")
    assert admin.may("can_restrict_members")
    assert not admin.may("can_delete_messages")
    assert not admin.may("can_pin_messages")
    assert not member.may("can_restrict_members")


def test_a_member_is_shown_without_their_name() -> None:
    member = read(ChatMember, {"status": "left", "user": ANNA})

    assert repr(member) == "ChatMember('left', user=7, is_member=False)"


def test_updates_of_members_are_named_since_the_default_leaves_them_out() -> None:
    assert set(ALLOWED_UPDATES) == {
        "message",
        "edited_message",
        "callback_query",
        "my_chat_member",
        "chat_member",
        "chat_join_request",
    }
    assert set(ALLOWED_UPDATES) <= bot_api().update_kinds


def test_the_permissions_are_those_of_the_bot_api() -> None:
    assert bot_api().check_type("ChatPermissions", dict.fromkeys(PERMISSIONS, True)) is None
    assert set(PERMISSIONS) == fields_of("ChatPermissions")


def test_what_is_sent_is_as_the_bot_api_wants_it() -> None:
    buttons = InlineKeyboardMarkup(
        (
            (InlineKeyboardButton("Join", url="https://example.org/"),),
            (InlineKeyboardButton("Check", callback_data="v:1"),),
        )
    )

    sent = msgspec.json.decode(msgspec.json.encode(buttons))

    assert bot_api().check_type("InlineKeyboardMarkup", sent) is None
    assert sent["inline_keyboard"][0] == [{"text": "Join", "url": "https://example.org/"}]
    command = msgspec.json.decode(msgspec.json.encode(BotCommand("protect", "Guard this group")))
    assert bot_api().check_type("BotCommand", command) is None


def test_a_webhook_that_is_not_set_has_an_empty_address() -> None:
    info = read(WebhookInfo, {"url": "", "has_custom_certificate": False})

    assert not info.url
    assert info.pending_update_count == 0


def test_the_hook_knows_one_type() -> None:
    with pytest.raises(NotImplementedError):
        decode_hook(complex, "1")
