"""Methods about messages: what is sent, changed and deleted, and in which words that is refused."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from gmbot.sandbox import errors

if TYPE_CHECKING:
    from tests.sandbox.world.conftest import Town

OK = {"inline_keyboard": [[{"text": "OK", "callback_data": "ok"}]]}


def send(town: "Town", text: str = "hello", **params: Any) -> dict[str, Any]:
    sent: dict[str, Any] = town.call("sendMessage", chat_id=town.group, text=text, **params)
    return sent


def test_a_sent_message_is_in_the_chat_and_answered_whole(town: "Town") -> None:
    said = town.bob.write(town.group, "hi")

    sent = send(
        town,
        "<b>Hello</b> 🦊",
        parse_mode="HTML",
        reply_markup=json.dumps(OK),
        reply_parameters={"message_id": said.id},
    )

    assert sent["text"] == "Hello 🦊"
    assert sent["entities"] == [{"type": "bold", "offset": 0, "length": 5}]
    assert sent["reply_markup"] == OK
    assert sent["reply_to_message"]["text"] == "hi"
    assert sent["from"]["id"] == town.bot.id
    assert town.group.texts() == ["hi", "Hello 🦊"]


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"text": ""}, errors.TEXT_EMPTY),
        ({"text": " \n "}, errors.TEXT_BLANK),
        ({"text": "<b></b>", "parse_mode": "html"}, errors.TEXT_BLANK),
        ({"text": "x" * 4097}, errors.MESSAGE_TOO_LONG),
        ({"text": "🦊" * 9000}, errors.TEXT_TOO_LONG),
        ({"text": "\ud83d"}, errors.NOT_UTF8),
        ({"text": "x", "parse_mode": "BBCode"}, errors.UNSUPPORTED_PARSE_MODE),
        ({"text": "x", "reply_markup": "{"}, errors.MARKUP_NOT_JSON),
        ({"text": "x", "reply_markup": "null"}, errors.MARKUP_NOT_OBJECT),
        ({"text": "x", "reply_markup": {"inline_keyboard": [[{"text": "a"}]]}}, errors.TEXT_BUTTON),
        ({"text": "x", "reply_parameters": "{"}, errors.REPLY_NOT_JSON),
        ({"text": "x", "reply_parameters": {"message_id": 99}}, errors.REPLY_NOT_FOUND),
    ],
)
def test_what_cannot_be_sent_is_refused(town: "Town", params: dict[str, Any], words: str) -> None:
    assert town.refused("sendMessage", chat_id=town.group, **params) == words


def test_the_longest_text_counts_characters_after_parsing(town: "Town") -> None:
    sent = send(town, "<b>" + "🦊" * 4096 + "</b>", parse_mode="HTML")

    assert sent["entities"][0]["length"] == 8192


@pytest.mark.parametrize(
    ("data", "is_valid"), [("x" * 64, True), ("x" * 65, False), ("🦊" * 17, False), ("", False)]
)
def test_callback_data_is_1_to_64_bytes(town: "Town", data: str, *, is_valid: bool) -> None:
    markup = {"inline_keyboard": [[{"text": "OK", "callback_data": data}]]}

    if is_valid:
        assert send(town, reply_markup=markup)["reply_markup"] == markup
    else:
        words = town.refused("sendMessage", chat_id=town.group, text="x", reply_markup=markup)
        assert words == errors.BUTTON_DATA_INVALID


@pytest.mark.parametrize(
    ("url", "is_valid"), [("https://t.me/news", True), ("t.me/news", True), ("", False)]
)
def test_a_button_s_address_is_one(town: "Town", url: str, *, is_valid: bool) -> None:
    markup = {"inline_keyboard": [[{"text": "Join", "url": url}]]}

    if is_valid:
        assert send(town, reply_markup=markup)["reply_markup"] == markup
    else:
        words = town.refused("sendMessage", chat_id=town.group, text="x", reply_markup=markup)
        assert words == errors.BUTTON_URL_INVALID


def test_other_markup_is_taken_and_not_shown(town: "Town") -> None:
    assert "reply_markup" not in send(town, reply_markup={"remove_keyboard": True})
    assert "reply_markup" not in send(town, reply_markup={"inline_keyboard": [[]]})


def test_a_reply_to_nothing_can_be_allowed(town: "Town") -> None:
    reply = {"message_id": 99, "allow_sending_without_reply": True}

    assert "reply_to_message" not in send(town, reply_parameters=reply)


def test_a_mention_by_id_names_the_person_and_who_is_unknown_is_not_mentioned(
    town: "Town",
) -> None:
    text = f'<a href="tg://user?id={town.zed.id}">You</a> <a href="tg://user?id=5">they</a>'

    sent = send(town, text, parse_mode="HTML")

    assert sent["text"] == "You they"
    (mention,) = sent["entities"]
    assert mention == {
        "type": "text_mention",
        "offset": 0,
        "length": 3,
        "user": town.zed.payload(),
    }


def test_a_bot_that_may_not_write_is_refused(town: "Town") -> None:
    town.ann.add(town.group, town.other)
    town.ann.set_permissions(town.group)
    params = {"by": town.other, "chat_id": town.group}
    assert town.refused("sendMessage", text="x", **params) == errors.CANNOT_SEND["text"]
    assert town.refused("sendPhoto", photo="1", **params) == errors.CANNOT_SEND["photo"]

    town.ann.promote(town.channel, town.bot, can_edit_messages=True)

    words = town.refused("sendMessage", chat_id="@news", text="x")
    assert words == errors.CANNOT_POST


def test_a_bot_writes_only_to_who_started_it(town: "Town") -> None:
    words = town.refused("sendMessage", chat_id=town.bob.id, text="hi")
    assert words == errors.CANNOT_INITIATE
    words = town.refused("sendMessage", chat_id=town.zed.id, text="hi")
    assert words == errors.CHAT_NOT_FOUND
    town.ann.add(town.group, town.other)
    with pytest.raises(errors.TelegramError) as caught:
        town.call("sendMessage", chat_id=town.other.id, text="hi")
    assert (caught.value.code, caught.value.description) == (403, errors.BOT_TO_BOT)

    town.bob.start(town.bot)
    assert town.call("sendMessage", chat_id=town.bob.id, text="hi")["chat"]["id"] == town.bob.id
    town.bob.block(town.bot)
    words = town.refused("sendMessage", chat_id=town.bob.id, text="hi")
    assert words == errors.BLOCKED


def test_a_join_request_lets_the_bot_write_for_five_minutes(town: "Town") -> None:
    town.zed.request_join(town.group, via=town.ann.link(town.group, creates_join_request=True))

    town.now += 300
    town.call("sendMessage", chat_id=town.zed.id, text="why?")
    town.now += 1

    words = town.refused("sendMessage", chat_id=town.zed.id, text="well?")
    assert words == errors.CANNOT_INITIATE


def test_a_photo_is_sent_with_its_caption_and_kept_by_its_id(town: "Town") -> None:
    sent = town.call(
        "sendPhoto", chat_id=town.group, photo="https://x.example/a.jpg", caption="#hi"
    )
    file_id = sent["photo"][0]["file_id"]

    again = town.call("sendPhoto", chat_id=town.group, photo=file_id)

    assert sent["caption_entities"][0]["type"] == "hashtag"
    assert again["photo"][0]["file_id"] == file_id
    assert "caption" not in again
    long = {"chat_id": town.group, "photo": file_id, "caption": "x" * 1025}
    assert town.refused("sendPhoto", **long) == errors.CAPTION_TOO_LONG


def test_a_forward_tells_its_origin_and_a_copy_does_not(town: "Town") -> None:
    said = town.bob.write(town.group, "words #tag")
    ask = {"chat_id": town.group, "from_chat_id": town.group, "message_id": said.id}

    forwarded = town.call("forwardMessage", **ask)
    copied = town.call("copyMessage", **ask)

    assert forwarded["forward_origin"]["sender_user"]["id"] == town.bob.id
    copy = town.group.messages[copied["message_id"]]
    assert copy.origin is None
    assert copy.content == said.content
    service = {**ask, "message_id": 1}
    assert town.refused("forwardMessage", **service) == errors.CANNOT_FORWARD
    assert town.refused("copyMessage", **service) == errors.CANNOT_COPY
    missing = {**ask, "message_id": 999}
    assert town.refused("forwardMessage", **missing) == errors.FORWARD_NOT_FOUND
    assert town.refused("copyMessage", **missing) == errors.COPY_NOT_FOUND


def test_a_copy_can_have_another_caption(town: "Town") -> None:
    photo = town.bob.photo(town.group, "#old")
    ask = {"chat_id": town.group, "from_chat_id": town.group, "message_id": photo.id}

    new = town.call("copyMessage", caption="new", **ask)
    same = town.call("copyMessage", **ask)
    none = town.call("copyMessage", caption="", **ask)

    assert town.group.messages[new["message_id"]].text == "new"
    assert "caption_entities" not in town.group.messages[new["message_id"]].content
    assert town.group.messages[same["message_id"]].text == "#old"
    assert town.group.messages[none["message_id"]].text == "#old"


def test_an_edit_changes_text_and_keyboard_together(town: "Town") -> None:
    sent = send(town, "one", reply_markup=OK)
    ask = {"chat_id": town.group, "message_id": sent["message_id"]}

    edited = town.call("editMessageText", text="two", **ask)

    assert edited["text"] == "two"
    assert "reply_markup" not in edited
    assert edited["edit_date"] == int(town.now)
    assert town.refused("editMessageText", text="two", **ask) == errors.NOT_MODIFIED
    again = town.call("editMessageText", text="two", reply_markup=OK, **ask)
    assert again["reply_markup"] == OK
    same = town.refused("editMessageText", text="two", reply_markup=OK, **ask)
    assert same == errors.NOT_MODIFIED
    assert town.refused("editMessageText", text="x" * 4097, **ask) == errors.EDIT_TOO_LONG


def test_a_keyboard_is_changed_alone_or_taken_away(town: "Town") -> None:
    sent = send(town, "one", reply_markup=OK)
    ask = {"chat_id": town.group, "message_id": sent["message_id"]}

    assert town.refused("editMessageReplyMarkup", reply_markup=OK, **ask) == errors.NOT_MODIFIED
    assert "reply_markup" not in town.call("editMessageReplyMarkup", **ask)
    assert town.group.texts() == ["one"]


def test_a_bot_edits_only_texts_of_its_own_that_are_there(town: "Town") -> None:
    said = town.bob.write(town.group, "mine")
    photo = town.call("sendPhoto", chat_id=town.group, photo="1")["message_id"]
    forward = town.call(
        "forwardMessage", chat_id=town.group, from_chat_id=town.group, message_id=said.id
    )["message_id"]
    gone = send(town)["message_id"]
    town.call("deleteMessage", chat_id=town.group, message_id=gone)

    def words(message_id: int) -> str:
        return town.refused(
            "editMessageText", chat_id=town.group, message_id=message_id, text="new"
        )

    assert words(said.id) == errors.CANNOT_EDIT
    assert words(forward) == errors.CANNOT_EDIT
    assert words(photo) == errors.NO_TEXT_TO_EDIT
    assert words(gone) == errors.EDIT_NOT_FOUND
    assert words(999) == errors.EDIT_NOT_FOUND
    assert town.refused("editMessageText", text="x") == errors.MESSAGE_NOT_SPECIFIED


def test_a_deleted_message_is_gone(town: "Town") -> None:
    said = town.bob.write(town.group, "spam")
    ask = {"chat_id": town.group, "message_id": said.id}

    town.call("deleteMessage", **ask)

    assert said.deleted_by is town.bot
    assert town.group.texts() == []
    assert town.refused("deleteMessage", **ask) == errors.DELETE_NOT_FOUND
    assert town.refused("deleteMessage", message_id=1) == errors.CHAT_NOT_SPECIFIED
    assert town.refused("deleteMessage", chat_id=town.group) == errors.MESSAGE_NOT_SPECIFIED


def test_messages_can_be_deleted_for_48_hours_and_the_first_never(town: "Town") -> None:
    said = town.bob.write(town.group, "old")
    late = town.bob.write(town.group, "older")
    first = {"chat_id": town.group, "message_id": 1}
    assert town.refused("deleteMessage", **first) == errors.CANNOT_DELETE

    town.now += 48 * 3600
    town.call("deleteMessage", chat_id=town.group, message_id=said.id)
    town.now += 1

    words = town.refused("deleteMessage", chat_id=town.group, message_id=late.id)
    assert words == errors.CANNOT_DELETE


def test_a_batch_skips_what_is_gone_and_fails_whole_for_what_must_stay(town: "Town") -> None:
    said = [town.bob.write(town.group, str(number)) for number in range(4)]
    ids = [message.id for message in said]
    town.ann.delete(said[0])

    words = town.refused("deleteMessages", chat_id=town.group, message_ids=[1, *ids])
    assert words == errors.CANNOT_DELETE
    assert town.group.deleted_ids() == [ids[0]]
    town.call("deleteMessages", chat_id=town.group, message_ids=[*ids, ids[1], 999])
    assert town.group.deleted_ids() == ids
    assert len(town.world.journal.of("deleted")) == 4
    assert town.call("deleteMessages", chat_id=town.group, message_ids=json.dumps(ids)) is True


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([], errors.IDS_NOT_SPECIFIED),
        ("[", errors.IDS_NOT_JSON),
        ("{}", errors.IDS_NOT_ARRAY),
        (list(range(1, 102)), errors.TOO_MANY_IDS),
        ([1, 0], errors.INVALID_MESSAGE_ID),
        (["x"], errors.INVALID_MESSAGE_ID),
    ],
)
def test_a_batch_that_is_none_is_refused(town: "Town", ids: Any, words: str) -> None:
    assert town.refused("deleteMessages", chat_id=town.group, message_ids=ids) == words


def test_who_may_delete_what(town: "Town") -> None:
    said, mine = town.bob.write(town.group, "his"), send(town)["message_id"]
    town.ann.promote(town.group, town.bot, can_restrict_members=True)
    ask = {"chat_id": town.group}
    words = town.refused("deleteMessage", message_id=said.id, **ask)
    assert words == errors.CANNOT_DELETE
    town.call("deleteMessage", message_id=mine, **ask)

    post = town.call("sendMessage", chat_id="@news", text="news")["message_id"]
    town.ann.promote(town.channel, town.bot, can_invite_users=True)
    words = town.refused("deleteMessage", chat_id="@news", message_id=post)
    assert words == errors.CANNOT_DELETE

    asked = town.bob.start(town.bot)
    town.call("deleteMessage", chat_id=town.bob.id, message_id=asked.id)

    basic = town.world.basic_group("Friends", creator=town.ann, members=[town.bob, town.bot])
    hers = town.ann.write(basic, "hi")
    words = town.refused("deleteMessage", chat_id=basic, message_id=hers.id)
    assert words == errors.CANNOT_DELETE
    town.ann.promote(basic, town.bot, can_pin_messages=True)
    town.call("deleteMessage", chat_id=basic, message_id=hers.id)


def pressed(town: "Town") -> str:
    message = town.group.messages[send(town, reply_markup=OK)["message_id"]]
    town.bob.press(message, "OK")
    query_id: str = town.heard("callback_query")[0]["id"]
    return query_id


@pytest.mark.parametrize(("after", "in_time"), [(15.0, True), (15.1, False)])
def test_a_press_is_answered_within_15_seconds(
    town: "Town", after: float, *, in_time: bool
) -> None:
    query_id = pressed(town)
    town.now += after

    if in_time:
        assert town.call("answerCallbackQuery", callback_query_id=query_id) is True
    else:
        words = town.refused("answerCallbackQuery", callback_query_id=query_id)
        assert words == errors.QUERY_TOO_OLD


def test_a_press_is_answered_once_and_by_its_bot(town: "Town") -> None:
    query_id = pressed(town)
    words = town.refused("answerCallbackQuery", by=town.other, callback_query_id=query_id)
    assert words == errors.QUERY_TOO_OLD
    long = town.refused("answerCallbackQuery", callback_query_id=query_id, text="x" * 201)
    assert long == errors.ANSWER_TOO_LONG
    town.call("answerCallbackQuery", callback_query_id=query_id, text="x" * 200)

    assert town.refused("answerCallbackQuery", callback_query_id=query_id) == errors.QUERY_TOO_OLD
    assert town.refused("answerCallbackQuery", callback_query_id="1") == errors.QUERY_TOO_OLD
