"""Finding the channels that a command names, and seeing that the bot can look into them."""

from collections.abc import Collection, Sequence
from html import escape

import msgspec

from gmbot.api.errors import (
    BadRequest,
    ChatNotFound,
    Forbidden,
    MemberNotFound,
    NotEnoughRights,
)
from gmbot.api.limiter import Priority
from gmbot.api.types import ChatFullInfo, ChatMember, Message
from gmbot.flows.admins import INVITE
from gmbot.flows.commands import ChannelNotNamed, parse_channels
from gmbot.flows.refusal import CommandRefused, Reason
from gmbot.guard.guard import Guard
from gmbot.guard.policies import MAX_CHANNELS
from gmbot.guard.wording.names import short
from gmbot.storage.records import Channel

LINK_NAME = "GMBot"  # what the channel's admins see in their list of links


class Found(msgspec.Struct, frozen=True):
    """A channel in which the bot is an admin.

    Kept from earlier: `link`, an invite link, and whether it `was_hidden`, out of the bot's sight.
    """

    chat: ChatFullInfo
    may_invite: bool
    link: str | None
    was_hidden: bool


def named_in(message: Message, words: Sequence[str]) -> tuple[int | str, ...]:
    """Return the channels that a command names, by its words and by what it replies to.

    Ids, or public names with @, each once. Raises CommandRefused.
    """
    try:
        names = parse_channels(words)
    except ChannelNotNamed as junk:
        reason = Reason.INVITE_LINK if junk.invite else Reason.NO_NAME
        raise CommandRefused(reason, junk.word) from None
    answered = message.reply_to_message
    if answered is None or answered.forward_origin is None:
        return names
    origin = answered.forward_origin
    if origin.type != "channel" or origin.chat is None:
        if names:
            return names
        raise CommandRefused(Reason.NOT_FORWARDED)
    # Comments on a post of the linked channel are replies to it, whatever they are about.
    if names and answered.is_automatic_forward:
        return names
    return tuple(dict.fromkeys((*names, origin.chat.id)))


async def find_all(
    guard: Guard, names: Sequence[int | str], linked: Collection[int]
) -> list[Found]:
    """Find channels, each once however it is named, and see that the bot is an admin there.

    With those that are `linked` they may be no more than a group can have. Raises CommandRefused
    for the first that is wrong, and an ApiError. Nothing is written or made.
    """
    found: dict[int, Found] = {}
    for name in names:
        one = await find(guard, name)
        found[one.chat.id] = one
        if len(found.keys() | linked) > MAX_CHANNELS:
            raise CommandRefused(Reason.TOO_MANY, str(len(linked)))
    return list(found.values())


async def find(guard: Guard, name: int | str) -> Found:
    """Find one channel. Raises CommandRefused, an ApiError or a StorageError."""
    chat = await find_chat(guard, name)
    title = chat.title or str(name)
    if chat.type != "channel":
        raise CommandRefused(Reason.NO_CHANNEL, title)
    me = await _bot_in(guard, chat.id)
    if me is None or not me.is_admin:
        raise CommandRefused(Reason.BOT_NOT_IN_CHANNEL, title)
    known = await guard.policies.known_channel(chat.id)
    link, was_hidden = (known.invite_link, known.hidden) if known else (None, False)
    found = Found(chat, me.may(INVITE), link, was_hidden)
    if not (chat.username or found.link or found.may_invite):
        raise CommandRefused(Reason.NO_INVITE_LINK, title)
    return found


async def find_chat(guard: Guard, name: int | str) -> ChatFullInfo:
    """Find a chat, whatever it is. Raises CommandRefused, or an ApiError."""
    try:
        return await guard.api.get_chat(name)
    except (ChatNotFound, BadRequest):
        raise CommandRefused(Reason.NOT_FOUND, str(name)) from None
    except (Forbidden, NotEnoughRights):
        raise CommandRefused(Reason.BOT_NOT_IN_CHANNEL, str(name)) from None


async def as_record(guard: Guard, found: Found) -> Channel:
    """Return a channel as it is kept, with a link that lets people in where it is private.

    Raises CommandRefused where no link can be made, and an ApiError.
    """
    link = None if found.chat.username else await _invite_link(guard, found)
    return msgspec.structs.replace(as_named(found), invite_link=link)


def as_named(found: Found) -> Channel:
    """Return a channel as it can be told of, without a link."""
    chat = found.chat
    return Channel(chat.id, chat.title or "", chat.username, None)


async def new_link(guard: Guard, channel_id: int) -> str | None:
    """Make an invite link; None where the bot may not. Raises an ApiError."""
    try:
        return (await guard.api.create_chat_invite_link(channel_id, name=LINK_NAME)).invite_link
    except (BadRequest, Forbidden, NotEnoughRights):
        return None


def listed(channels: Sequence[Channel]) -> str:
    """Return channels as part of a sentence, in HTML."""
    titles = [f"<b>{title_of(channel)}</b>" for channel in channels]
    if len(titles) <= 1:
        return "".join(titles)
    return f"{', '.join(titles[:-1])} and {titles[-1]}"


def title_of(channel: Channel) -> str:
    """Return what people call a channel, in HTML."""
    return escape(short(channel.title)) or name_of(channel)


def name_of(channel: Channel) -> str:
    """Return how a command can name a channel."""
    return f"@{channel.username}" if channel.username else str(channel.channel_id)


async def _bot_in(guard: Guard, channel_id: int) -> ChatMember | None:
    try:
        return await guard.api.get_chat_member(channel_id, guard.me.id, priority=Priority.REPLY)
    except (Forbidden, MemberNotFound, NotEnoughRights, BadRequest):
        return None


async def _invite_link(guard: Guard, found: Found) -> str:
    """Return the link that is kept for a private channel, or make one.

    The Bot API has no method to look at a link. Editing one tells: a link that was revoked is
    refused (INVITE_HASH_EXPIRED) or comes back as such. That takes nothing away, since people
    cannot edit a bot's links (MTProto, messages.editExportedChatInvite: EDIT_BOT_INVITE_FORBIDDEN).
    A bot that may not invite any more cannot ask, and its link stands.
    """
    chat_id = found.chat.id
    if found.link is not None and not (
        found.may_invite and await _is_revoked(guard, chat_id, found.link)
    ):
        return found.link
    link = await new_link(guard, chat_id)
    if link is None:
        raise CommandRefused(Reason.NO_INVITE_LINK, found.chat.title or str(chat_id))
    return link


async def _is_revoked(guard: Guard, channel_id: int, link: str) -> bool:
    try:
        edited = await guard.api.edit_chat_invite_link(channel_id, link, name=LINK_NAME)
    except NotEnoughRights:
        return False
    except BadRequest:
        return True
    return edited.is_revoked
