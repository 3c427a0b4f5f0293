"""How messages come to be, change and go, and which bots hear of it. Nobody's rights are asked."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from gmbot.sandbox.chats import Account, Bot, Chat, Content, Message

if TYPE_CHECKING:
    from gmbot.sandbox.world import World

_JOINS: Final = frozenset({"new_chat_members", "left_chat_member"})


def publish(
    world: "World",
    chat: Chat,
    sender: Account,
    content: Content,
    *,
    as_chat: Chat | None = None,
    reply_to: Message | None = None,
    markup: dict[str, Any] | None = None,
    media_group_id: str | None = None,
    origin: dict[str, Any] | None = None,
) -> Message:
    """Put a message into a chat and let the bots there hear it; channels pass it to their group."""
    message = Message(
        chat.next_message_id,
        chat,
        world.now,
        sender,
        content,
        as_chat=chat if chat.type == "channel" else as_chat,
        reply_to=reply_to,
        markup=markup,
        media_group_id=media_group_id,
        origin=origin,
    )
    _place(world, message)
    if not message.is_service:
        world.note(sender, _deed(message), chat, message=message, text=_words(message))
        if chat.type == "channel" and chat.linked is not None:
            _pass_on(world, message, chat.linked)
    return message


def announce(world: "World", chat: Chat, sender: Account, content: Content) -> Message | None:
    """Put a service message into a chat; joining and leaving only where the chat shows it.

    Of what happens in channels only their new title is told.
    """
    if chat.type == "channel" and "new_chat_title" not in content:
        return None
    if not chat.join_messages and not _JOINS.isdisjoint(content):
        return None
    standing = chat.standing(sender.id, world.clock())
    return publish(world, chat, sender, content, as_chat=chat if standing.is_anonymous else None)


def edit(world: "World", message: Message, content: Content, markup: dict[str, Any] | None) -> None:
    """Change what a message says, and its automatic forward, and let the bots hear it."""
    message.content = content
    message.markup = markup
    message.edit_date = world.now
    world.note(message.sender, "edited", message.chat, message=message, text=_words(message))
    _tell(world, message, "edited_")
    forward = message.passed_on
    if forward is not None and not forward.deleted:
        forward.content, forward.edit_date = content, world.now
        _tell(world, forward, "edited_")


def delete(world: "World", message: Message, by: Account) -> None:
    """Take a message away. No bot is told."""
    message.deleted, message.deleted_by = True, by
    world.note(by, "deleted", message.chat, whom=message.sender, message=message)


def origin_of(message: Message) -> dict[str, Any]:
    """Write the MessageOrigin of a forwarded message."""
    if message.origin is not None:
        return message.origin
    source = message.as_chat
    if source is None:
        return {"type": "user", "date": message.date, "sender_user": message.sender.payload()}
    if message.chat.type == "channel":
        return {
            "type": "channel",
            "date": message.date,
            "chat": source.payload(),
            "message_id": message.id,
        }
    return {"type": "chat", "date": message.date, "sender_chat": source.payload()}


def _deed(message: Message) -> str:
    if message.origin is not None:
        return "forwarded"
    return "posted" if message.chat.type == "channel" else "wrote"


def _words(message: Message) -> str:
    words = message.text or f"({next(iter(message.content))})"
    labels = " ".join(f"[ {button['text']} ]" for button in message.buttons())
    return f"{words}\n{labels}" if labels else words


def _place(world: "World", message: Message) -> None:
    message.chat.messages[message.id] = message
    message.chat.next_message_id = message.id + 1
    _tell(world, message, "")


def _pass_on(world: "World", post: Message, group: Chat) -> None:
    forward = replace(
        post,
        id=group.next_message_id,
        chat=group,
        as_chat=post.chat,
        origin=origin_of(post),
        is_automatic=True,
        reply_to=None,
        markup=None,
    )
    post.passed_on = forward
    _place(world, forward)


def _tell(world: "World", message: Message, prefix: str) -> None:
    kind = "channel_post" if message.chat.type == "channel" else "message"
    payload: dict[str, Any] | None = None
    for bot in world.bots.values():
        if bot.id in message.chat.standings and _hears(world, bot, message):
            payload = payload or message.payload()
            world.tell(bot, prefix + kind, payload)


def _hears(world: "World", bot: Bot, message: Message) -> bool:
    """Whether a bot is told of a message. Source: "Privacy mode" in Telegram's page on bots."""
    chat, sender = message.chat, message.sender
    standing = chat.standing(bot.id, world.clock())
    if not standing.is_in or (sender is bot and not message.is_automatic):
        return False
    if chat.type == "channel":
        return standing.is_admin
    if message.is_service or chat.type == "private":
        return True
    if sender.is_bot and not message.is_automatic:
        return False  # bots do not hear each other
    answered = message.reply_to is not None and message.reply_to.sender is bot
    return standing.is_admin or not bot.privacy or answered or _calls(message, bot)


def _calls(message: Message, bot: Bot) -> bool:
    """Whether a message holds a command for this bot, by name or for any."""
    encoded = message.text.encode("utf-16-le", "surrogatepass")
    for entity in message.content.get("entities", ()):
        if entity["type"] == "bot_command":
            start, end = entity["offset"], entity["offset"] + entity["length"]
            command = encoded[2 * start : 2 * end].decode("utf-16-le", "surrogatepass")
            name = command.partition("@")[2]
            if not name or name.lower() == (bot.username or "").lower():
                return True
    return False
