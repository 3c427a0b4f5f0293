"""/protect @channel.

::

    in a supergroup? ──► bot an admin who may restrict and delete? ──► sender an admin who may
    restrict? ──► one channel named, found, a channel? ──► bot an admin there? ──►
    owner, group, channel and link in one transaction ──► success

Each "no" is refused with what is wrong and what to do.
"""

from enum import StrEnum
from html import escape

import structlog

from gmbot.api.client import BotApi
from gmbot.api.errors import (
    BadRequest,
    ChatNotFound,
    Forbidden,
    MemberNotFound,
    NotEnoughRights,
    Refusal,
    RetryAfter,
)
from gmbot.api.limiter import Priority
from gmbot.api.types import ChatFullInfo, ChatMember, Message, User
from gmbot.flows.commands import ChannelNotNamed, parse_channel
from gmbot.guard import wording
from gmbot.guard.guard import Guard
from gmbot.guard.policies import Policy
from gmbot.storage.records import Channel, Group, Owner
from gmbot.telemetry import events

log = structlog.get_logger()

RESTRICT, DELETE, INVITE = "can_restrict_members", "can_delete_messages", "can_invite_users"


class Reason(StrEnum):
    """Why /protect was refused."""

    NO_GROUP = "no_group"
    BASIC_GROUP = "basic_group"
    NO_ADMIN = "no_admin"
    NO_RIGHT = "no_right"
    BOT_NO_ADMIN = "bot_no_admin"
    BOT_NO_RIGHT = "bot_no_right"
    NO_CHANNEL_NAMED = "no_channel_named"
    INVITE_LINK = "invite_link"
    NOT_FOUND = "not_found"
    NO_CHANNEL = "no_channel"
    BOT_NOT_IN_CHANNEL = "bot_not_in_channel"
    NO_INVITE_LINK = "no_invite_link"
    REFUSED = "refused"


_TEXTS = {
    Reason.NO_GROUP: "Please write this in the group that is to be protected.",
    Reason.BASIC_GROUP: (
        "This is a basic group, and Telegram lets bots mute people in supergroups only. "
        "Make it one (for instance by switching “Chat history for new members” to visible), "
        "then write /protect again."
    ),
    Reason.NO_ADMIN: "Only admins of this group can do this.",
    Reason.NO_RIGHT: "You need the admin right “Ban users” in this group to do this.",
    Reason.BOT_NO_ADMIN: (
        "I am no admin here yet. Make me one, with the rights “Delete messages” and “Ban users”, "
        "then write /protect again."
    ),
    Reason.BOT_NO_RIGHT: (
        "I lack an admin right here: {detail}. Please give it to me, then write /protect again."
    ),
    Reason.NO_CHANNEL_NAMED: "Please name one channel: <code>/protect @channel</code>.",
    Reason.INVITE_LINK: (
        "An invite link does not tell me which channel it leads to. "
        "Please use its id: <code>/protect -100…</code>."
    ),
    Reason.NOT_FOUND: (
        "I cannot find the channel {detail}. Is it written correctly, and am I an admin there?"
    ),
    Reason.NO_CHANNEL: "{detail} is not a channel. Please name a channel.",
    Reason.BOT_NOT_IN_CHANNEL: (
        "I am no admin of {detail}, so I cannot see who is in. Make me one there, "
        "then write /protect again."
    ),
    Reason.NO_INVITE_LINK: (
        "{detail} is private, and I may not make an invite link for it. Give me the admin right "
        "“Invite users via link” there, then write /protect again."
    ),
    Reason.REFUSED: "Telegram does not let me do this: {detail}. Nothing was changed.",
}


class CommandRefused(Exception):
    """The command is not carried out; `text` tells the sender why and what to do."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.text = _TEXTS[reason].format(detail=escape(detail))


async def protect(guard: Guard, message: Message, words: tuple[str, ...]) -> None:
    """Carry out /protect and reply."""
    group_id = message.chat.id
    try:
        policy = await _set_up(guard, message, words)
    except CommandRefused as refused:
        log.info(events.COMMAND_REFUSED, group_id=group_id, reason=refused.reason.value)
        text = refused.text
    else:
        log.info(events.GROUP_PROTECTED, group_id=group_id, channel_ids=sorted(policy.channel_ids))
        text = wording.protected(policy.channels)
    try:
        await guard.api.send_message(group_id, text, reply_to=message.message_id)
    except Refusal as error:  # the bot may not write here: what was done stands
        log.warning(events.REPLY_REFUSED, group_id=group_id, reason=error.description)


async def _set_up(guard: Guard, message: Message, words: tuple[str, ...]) -> Policy:
    try:
        return await _set_up_here(guard, message, words)
    except RetryAfter:
        raise
    except Refusal as error:
        raise CommandRefused(Reason.REFUSED, error.description) from None


async def _set_up_here(guard: Guard, message: Message, words: tuple[str, ...]) -> Policy:
    chat = message.chat
    if chat.type == "group":
        raise CommandRefused(Reason.BASIC_GROUP)
    if chat.type != "supergroup":
        raise CommandRefused(Reason.NO_GROUP)
    await _check_bot(guard, chat.id)
    owner = await _owner(guard.api, message)
    channel = await _channel(guard, words)
    group = Group(chat.id, owner.user_id, chat.title or "")
    return await guard.policies.protect(owner, group, [channel])


async def _owner(api: BotApi, message: Message) -> Owner:
    """Return who owns the protection: the sender, or for an anonymous admin the creator."""
    chat_id, sender = message.chat.id, message.from_user
    if message.sender_chat is not None:
        if message.sender_chat.id != chat_id:
            raise CommandRefused(Reason.NO_ADMIN)
        admins = await api.get_chat_administrators(chat_id)
        creator = next((a.user for a in admins if a.status == "creator"), None)
        if creator is None:
            raise CommandRefused(Reason.NO_ADMIN)
        return _as_owner(creator)
    if sender is None:
        raise CommandRefused(Reason.NO_ADMIN)
    member = await api.get_chat_member(chat_id, sender.id, priority=Priority.REPLY)
    if not member.is_admin:
        raise CommandRefused(Reason.NO_ADMIN)
    if not member.may(RESTRICT):
        raise CommandRefused(Reason.NO_RIGHT)
    return _as_owner(sender)


def _as_owner(user: User) -> Owner:
    return Owner(user.id, user.username)


async def _check_bot(guard: Guard, group_id: int) -> None:
    me = await guard.api.get_chat_member(group_id, guard.me.id, priority=Priority.REPLY)
    if not me.is_admin:
        raise CommandRefused(Reason.BOT_NO_ADMIN)
    for right, name in ((RESTRICT, "Ban users"), (DELETE, "Delete messages")):
        if not me.may(right):
            raise CommandRefused(Reason.BOT_NO_RIGHT, f"“{name}”")


async def _channel(guard: Guard, words: tuple[str, ...]) -> Channel:
    """Find the one channel that is named, and see that the bot can look into it."""
    if len(words) != 1:
        raise CommandRefused(Reason.NO_CHANNEL_NAMED)
    try:
        named = parse_channel(words[0])
    except ChannelNotNamed as error:
        reason = Reason.INVITE_LINK if error.invite else Reason.NO_CHANNEL_NAMED
        raise CommandRefused(reason) from None
    try:
        chat = await guard.api.get_chat(named)
    except (ChatNotFound, BadRequest):
        raise CommandRefused(Reason.NOT_FOUND, str(named)) from None
    except Forbidden:
        raise CommandRefused(Reason.BOT_NOT_IN_CHANNEL, str(named)) from None
    title = chat.title or str(named)
    if chat.type != "channel":
        raise CommandRefused(Reason.NO_CHANNEL, title)
    me = await _bot_in(guard, chat.id)
    if me is None or not me.is_admin:
        raise CommandRefused(Reason.BOT_NOT_IN_CHANNEL, title)
    link = None if chat.username else await _invite_link(guard, chat, me)
    return Channel(chat.id, chat.title or "", chat.username, link)


async def _bot_in(guard: Guard, channel_id: int) -> ChatMember | None:
    try:
        return await guard.api.get_chat_member(channel_id, guard.me.id, priority=Priority.REPLY)
    except (Forbidden, MemberNotFound, NotEnoughRights, BadRequest):
        return None


async def _invite_link(guard: Guard, chat: ChatFullInfo, me: ChatMember) -> str:
    """Return the link that is kept for a private channel, or make one."""
    kept = guard.policies.channel(chat.id)
    if kept is not None and kept.invite_link:
        return kept.invite_link
    if not me.may(INVITE):
        raise CommandRefused(Reason.NO_INVITE_LINK, chat.title or "")
    try:
        return (await guard.api.create_chat_invite_link(chat.id, name="GMBot")).invite_link
    except Refusal:
        raise CommandRefused(Reason.NO_INVITE_LINK, chat.title or "") from None
