"""A command that is not carried out: why, and what the sender can do about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from html import escape

import structlog

from gmbot.api.errors import ChatMigrated, Refusal, RetryAfter, Unauthorized
from gmbot.api.types import Message
from gmbot.guard.guard import Guard
from gmbot.guard.policies import MAX_CHANNELS
from gmbot.telemetry import events

LONGEST_DETAIL = 200  # characters of what people wrote that are told back

log = structlog.get_logger()


class Reason(StrEnum):
    """Why a command was refused."""

    NO_GROUP = "no_group"
    NO_ADMIN = "no_admin"
    NO_RIGHT = "no_right"
    NO_CREATOR = "no_creator"
    BOT_NO_ADMIN = "bot_no_admin"
    BOT_NO_RIGHT = "bot_no_right"
    NO_CHANNEL_NAMED = "no_channel_named"
    NOT_FORWARDED = "not_forwarded"
    NO_NAME = "no_name"
    INVITE_LINK = "invite_link"
    NOT_FOUND = "not_found"
    NO_CHANNEL = "no_channel"
    BOT_NOT_IN_CHANNEL = "bot_not_in_channel"
    NO_INVITE_LINK = "no_invite_link"
    TOO_MANY = "too_many"
    NOT_REQUIRED = "not_required"
    NONE_REQUIRED = "none_required"
    REFUSED = "refused"


_TEXTS = {
    Reason.NO_GROUP: "Please write this in the group that it is about.",
    Reason.NO_ADMIN: "Only admins of this group can do this.",
    Reason.NO_RIGHT: "You need the admin right “Ban users” in this group to do this.",
    Reason.NO_CREATOR: (
        "I cannot see who owns this group, and an anonymous admin acts for its owner. "
        "Please write this as yourself."
    ),
    Reason.BOT_NO_ADMIN: (
        "I am no admin here yet. Make me one, with the rights “Ban users” and “Delete messages”, "
        "then write this again."
    ),
    Reason.BOT_NO_RIGHT: (
        "What I lack here as an admin: {detail}. Please give it to me, then write this again."
    ),
    Reason.NO_CHANNEL_NAMED: (
        "Please name the channels: <code>/protect @channel</code>, with several behind each other. "
        "An id (-100…) or a t.me link will do too, or <code>/protect</code> as the reply to a "
        "message forwarded from the channel."
    ),
    Reason.NOT_FORWARDED: (
        "The message that you replied to does not tell me a channel. Reply to one that was "
        "forwarded from the channel itself, or name it: <code>/protect @channel</code>."
    ),
    Reason.NO_NAME: (
        "“{detail}” names no channel. Write its @name, its id (-100…) or a t.me link. "
        "Nothing was changed."
    ),
    Reason.INVITE_LINK: (
        "The invite link {detail} does not tell me which channel it leads to. Write the channel's "
        "id (-100…), or reply to a message forwarded from there. Nothing was changed."
    ),
    Reason.NOT_FOUND: (
        "I cannot find the channel {detail}. Is it written correctly, and am I an admin there? "
        "Nothing was changed."
    ),
    Reason.NO_CHANNEL: "{detail} is not a channel. Please name a channel. Nothing was changed.",
    Reason.BOT_NOT_IN_CHANNEL: (
        "I am no admin of {detail}, so I cannot see who is in. Make me one there, "
        "then write this again. Nothing was changed."
    ),
    Reason.NO_INVITE_LINK: (
        "{detail} is private, and I may not make an invite link for it. Give me the admin right "
        "“Invite users via link” there, then write this again. Nothing was changed."
    ),
    Reason.TOO_MANY: (
        f"A group can require {MAX_CHANNELS} channels at most, and with these it would be more; "
        "{detail} it requires already. Name fewer, or drop some with /unprotect. "
        "Nothing was changed."
    ),
    # These two hold also where the same command, cut off before its reply, has unlinked them.
    Reason.NOT_REQUIRED: "Not required here: {detail}. /protect tells what is required.",
    Reason.NONE_REQUIRED: (
        "Nobody has to be in a channel to write here. "
        "To require one: <code>/protect @channel</code>"
    ),
    Reason.REFUSED: (
        "Telegram does not let me do this: {detail}. Nothing was changed. Please try again later."
    ),
}

# Refusals that say nothing about the command: for the boundary of all flows.
_NOT_OURS = (ChatMigrated, RetryAfter, Unauthorized)


class CommandRefused(Exception):
    """The command is not carried out; `text` tells the sender why and what to do.

    `is_admin`: whether the sender is known to be an admin.
    """

    def __init__(self, reason: Reason, detail: str = "", *, is_admin: bool = True) -> None:
        super().__init__(reason.value)
        self.reason = reason
        self.detail = detail
        if len(detail) > LONGEST_DETAIL:
            detail = f"{detail[: LONGEST_DETAIL - 1]}…"
        self.text = _TEXTS[reason].format(detail=escape(detail))
        self.is_admin = is_admin


async def refuse(guard: Guard, message: Message, refused: CommandRefused) -> None:
    """Tell the sender; people who are no admins only now and then. Raises as `Replies.reply`."""
    log.info(events.COMMAND_REFUSED, group_id=message.chat.id, reason=refused.reason.value)
    if refused.is_admin:
        await guard.replies.reply(message, refused.text)
    else:
        await guard.replies.refuse(message, refused.text)


@contextmanager
def refusals_told(*, is_admin: bool = True) -> Iterator[None]:
    """Turn what Telegram refuses in this block into CommandRefused."""
    try:
        yield
    except _NOT_OURS:
        raise
    except Refusal as error:
        raise CommandRefused(Reason.REFUSED, error.description, is_admin=is_admin) from None
