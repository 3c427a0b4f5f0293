"""Methods about messages: to send, forward, edit and delete them, and to answer presses."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gmbot.sandbox import errors, posting
from gmbot.sandbox.access import Call
from gmbot.sandbox.chats import Chat, Content, Message
from gmbot.sandbox.keyboards import read_markup
from gmbot.sandbox.people import photo_content
from gmbot.sandbox.texts import LONGEST_CAPTION, LONGEST_TEXT, read

DELETABLE: Final = 48 * 3600  # seconds. Source: deleteMessage
MOST_IDS: Final = 100  # Source: deleteMessages
ANSWERABLE: Final = 15  # seconds a press can be answered
_LONGEST_ANSWER: Final = 200  # Source: answerCallbackQuery, text


def send_message(call: Call) -> dict[str, Any]:
    """Send a text."""
    content = _text(call, errors.MESSAGE_TOO_LONG)
    return _send(call, content).payload()


def send_photo(call: Call) -> dict[str, Any]:
    """Send a photo; a `file_id` is kept, an address or an upload gets a new one."""
    photo = call.params.text("photo")
    content = photo_content(photo if photo.isdecimal() else call.world.new_id())
    return _send(call, content | _caption(call)).payload()


def forward_message(call: Call) -> dict[str, Any]:
    """Forward a message, which tells where it is from."""
    source = call.chat("from_chat_id", read_only=True)
    message = call.message(source, errors.FORWARD_NOT_FOUND)
    if message.is_service:
        raise errors.refusal(errors.CANNOT_FORWARD)
    origin = posting.origin_of(message)
    return _send(call, dict(message.content), origin=origin).payload()


def copy_message(call: Call) -> dict[str, Any]:
    """Send what a message says once more, without a word of its origin."""
    source = call.chat("from_chat_id", read_only=True)
    message = call.message(source, errors.COPY_NOT_FOUND)
    if message.is_service:
        raise errors.refusal(errors.CANNOT_COPY)
    content = dict(message.content)
    if "caption" in call.params and "text" not in content:
        content.pop("caption_entities", None)
        content |= _caption(call)
    return {"message_id": _send(call, content).id}


def edit_message_text(call: Call) -> dict[str, Any]:
    """Change the text of the bot's own message; without a keyboard it loses the one it had."""
    content = _text(call, errors.EDIT_TOO_LONG)
    markup = read_markup(call.params)
    message = _editable(call)
    if "text" not in message.content:
        raise errors.refusal(errors.NO_TEXT_TO_EDIT)
    return _edit(call, message, content, markup)


def edit_message_reply_markup(call: Call) -> dict[str, Any]:
    """Change the keyboard of the bot's own message, or take it away."""
    markup = read_markup(call.params)
    message = _editable(call)
    return _edit(call, message, message.content, markup)


def delete_message(call: Call) -> bool:
    """Delete a message."""
    if not call.params.text("chat_id"):
        raise errors.refusal(errors.CHAT_NOT_SPECIFIED)
    if call.params.integer("message_id") <= 0:
        raise errors.refusal(errors.MESSAGE_NOT_SPECIFIED)
    chat = call.chat()
    message = call.message(chat, errors.DELETE_NOT_FOUND)
    _check_deletable(call, message)
    posting.delete(call.world, message, call.bot)
    return True


def delete_messages(call: Call) -> bool:
    """Delete messages: those that are gone are skipped, one that cannot go keeps them all."""
    ids = _ids(call)
    chat = call.chat()
    found = [chat.messages[number] for number in dict.fromkeys(ids) if number in chat.messages]
    present = [message for message in found if not message.deleted]
    for message in present:
        _check_deletable(call, message)
    for message in present:
        posting.delete(call.world, message, call.bot)
    return True


def answer_callback_query(call: Call) -> bool:
    """Answer a press, once and in time."""
    press = call.world.presses.get(call.params.text("callback_query_id"))
    if (
        press is None
        or press.answered
        or press.message.sender is not call.bot
        or call.world.clock() - press.at > ANSWERABLE
    ):
        raise errors.refusal(errors.QUERY_TOO_OLD)
    text = call.params.text("text")
    if len(text) > _LONGEST_ANSWER:
        raise errors.refusal(errors.ANSWER_TOO_LONG)
    press.answered = True
    press.text = text
    press.show_alert = call.params.boolean("show_alert")
    press.url = call.params.text("url")
    call.world.note(call.bot, "answered", press.message.chat, whom=press.person, text=text)
    return True


TABLE: Final[Mapping[str, Callable[[Call], Any]]] = {
    "sendMessage": send_message,
    "sendPhoto": send_photo,
    "forwardMessage": forward_message,
    "copyMessage": copy_message,
    "editMessageText": edit_message_text,
    "editMessageReplyMarkup": edit_message_reply_markup,
    "deleteMessage": delete_message,
    "deleteMessages": delete_messages,
    "answerCallbackQuery": answer_callback_query,
}


def _send(call: Call, content: Content, *, origin: dict[str, Any] | None = None) -> Message:
    markup = read_markup(call.params)
    chat = call.chat()
    call.check_private(chat)
    _check_write(call, chat, "text" if "text" in content else "photo")
    return posting.publish(
        call.world,
        chat,
        call.bot,
        content,
        reply_to=_reply(call, chat),
        markup=markup,
        origin=origin,
    )


def _check_write(call: Call, chat: Chat, kind: str) -> None:
    if chat.type == "channel":
        call.need(chat, "can_post_messages", errors.CANNOT_POST)
    elif not call.world.may(call.bot, chat, _NEEDS[kind]):
        raise errors.refusal(errors.CANNOT_SEND[kind])


_NEEDS: Final = {"text": "can_send_messages", "photo": "can_send_photos"}


def _reply(call: Call, chat: Chat) -> Message | None:
    reply = call.params.parsed("reply_parameters", not_json=errors.REPLY_NOT_JSON)
    if not isinstance(reply, dict):
        return None
    message = chat.messages.get(reply.get("message_id", 0))
    if message is not None and not message.deleted:
        return message
    if reply.get("allow_sending_without_reply", False):
        return None
    raise errors.refusal(errors.REPLY_NOT_FOUND)


def _text(call: Call, too_long: str) -> Content:
    source = call.params.text("text")
    if not source:
        raise errors.refusal(errors.TEXT_EMPTY)
    text, entities = _read(call, source, longest=LONGEST_TEXT, too_long=too_long)
    if not text:
        raise errors.refusal(errors.TEXT_BLANK)
    return {"text": text} | ({"entities": entities} if entities else {})


def _caption(call: Call) -> Content:
    source = call.params.text("caption")
    text, entities = _read(call, source, longest=LONGEST_CAPTION, too_long=errors.CAPTION_TOO_LONG)
    if not text:
        return {}
    return {"caption": text} | ({"caption_entities": entities} if entities else {})


def _read(
    call: Call, source: str, *, longest: int, too_long: str
) -> tuple[str, list[dict[str, Any]]]:
    """Read a text and let mentions of people by id name them; unknown people are not mentioned."""
    mode = call.params.text("parse_mode")
    text, entities = read(source, mode, longest=longest, too_long=too_long)
    kept = []
    for entity in entities:
        if entity["type"] == "text_mention":
            account = call.world.accounts.get(entity.pop("user_id"))
            if account is None:
                continue
            entity["user"] = account.payload()
        kept.append(entity)
    return text, kept


def _editable(call: Call) -> Message:
    if call.params.integer("message_id") == 0 and "chat_id" not in call.params:
        raise errors.refusal(errors.MESSAGE_NOT_SPECIFIED)
    chat = call.chat()
    message = call.message(chat, errors.EDIT_NOT_FOUND)
    if message.sender is not call.bot or message.is_service or message.origin is not None:
        raise errors.refusal(errors.CANNOT_EDIT)
    return message


def _edit(
    call: Call, message: Message, content: Content, markup: dict[str, Any] | None
) -> dict[str, Any]:
    if (message.content, message.markup) == (content, markup):
        raise errors.refusal(errors.NOT_MODIFIED)
    posting.edit(call.world, message, content, markup)
    return message.payload()


def _ids(call: Call) -> list[int]:
    ids = call.params.parsed("message_ids", not_json=errors.IDS_NOT_JSON)
    if ids is None or ids == []:
        raise errors.refusal(errors.IDS_NOT_SPECIFIED)
    if not isinstance(ids, list):
        raise errors.refusal(errors.IDS_NOT_ARRAY)
    if len(ids) > MOST_IDS:
        raise errors.refusal(errors.TOO_MANY_IDS)
    if not all(isinstance(number, int) and number > 0 for number in ids):
        raise errors.refusal(errors.INVALID_MESSAGE_ID)
    return ids


def _check_deletable(call: Call, message: Message) -> None:
    chat = message.chat
    is_first = message.id == 1 and chat.type != "private"
    is_old = call.world.clock() - message.date > DELETABLE
    if is_first or is_old or not _may_delete(call, message):
        raise errors.refusal(errors.CANNOT_DELETE)


def _may_delete(call: Call, message: Message) -> bool:
    """Whether the message is the bot's to delete. Source: deleteMessage."""
    chat, standing = message.chat, call.standing(message.chat)
    if chat.type == "private":
        return True
    if chat.type == "group":
        return standing.is_admin or message.sender is call.bot
    if message.sender is call.bot and not message.is_automatic:
        return chat.type == "supergroup" or standing.may("can_post_messages")
    return standing.may("can_delete_messages")
