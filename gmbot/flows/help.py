"""/help: what the bot does, how it is set up, and its commands."""

from gmbot.api.types import InlineKeyboardButton, InlineKeyboardMarkup, Message
from gmbot.flows.admins import require_admin
from gmbot.flows.menus import MENUS
from gmbot.flows.refusal import CommandRefused, Reason, refuse
from gmbot.guard.guard import Guard

_WHAT = (
    "I let only members of your channels write in your group. Whoever is not in a channel yet is "
    "muted and told what to join, and can write at once as soon as they are in."
)

SET_UP = (
    "<b>How to set me up</b>\n"
    "1. Make me an admin of your channel. If it is private, with the right “Invite users via "
    "link”.\n"
    "2. Make me an admin of your group, with the rights “Ban users” and “Delete messages”.\n"
    "3. Write <code>/protect @channel</code> in the group; for a private channel, its id "
    "(<code>-100…</code>), or reply to a message forwarded from it with <code>/protect</code>."
)

# Whoever opens these is asked for a chat and for these rights (core.telegram.org/bots/features,
# “Deep linking”).
_TO_GROUP = "https://t.me/{}?startgroup&admin=restrict_members+delete_messages"
_TO_CHANNEL = "https://t.me/{}?startchannel&admin=invite_users"


async def help_(guard: Guard, message: Message, words: tuple[str, ...]) -> None:
    """Tell in private what the bot does; in a group, its admins what they can do."""
    del words
    if message.chat.type == "private":
        text = f"{_WHAT}\n\n{SET_UP}\n\n{_commands()}"
        await guard.replies.reply(message, text, buttons=set_up_buttons(guard.me.username))
        return
    try:
        await require_admin(guard, message)
    except CommandRefused as refused:
        if refused.reason is Reason.BOT_NO_ADMIN:  # so that it cannot be seen who is one
            await refuse(guard, message, refused)
        if not refused.is_admin:
            return  # to others the commands are of no use
    is_guarded = guard.policies.get(message.chat.id) is not None
    parts = (_WHAT, _commands()) if is_guarded else (_WHAT, SET_UP, _commands())
    await guard.replies.reply(message, "\n\n".join(parts))


def set_up_buttons(username: str | None) -> InlineKeyboardMarkup:
    """Return buttons that add the bot to a group and to a channel with the rights it needs."""
    return InlineKeyboardMarkup(
        (
            (InlineKeyboardButton("Add me to a group", url=_TO_GROUP.format(username)),),
            (InlineKeyboardButton("Add me to a channel", url=_TO_CHANNEL.format(username)),),
        )
    )


def _commands() -> str:
    lines = (f"/{line.command}: {line.description}" for line in MENUS["all_chat_administrators"])
    return "\n".join(("<b>Commands for admins of a group</b>", *lines))
