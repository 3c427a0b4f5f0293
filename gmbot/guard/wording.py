"""What the bot says, as HTML. Pure: names and titles come in as people wrote them, and are escaped.

A message holds up to 4,096 characters, a toast or an alert up to 200
(core.telegram.org/bots/api#sendmessage, #answercallbackquery).
"""

from collections.abc import Sequence
from html import escape

from gmbot.api.types import InlineKeyboardButton, InlineKeyboardMarkup
from gmbot.storage.records import Channel

# The data of the button "I have joined".
VERIFY = "verify"

NAMED = 5  # people a notice names before it counts the others
LONGEST_NAME = 64  # characters of a name that are shown
LONGEST_ANSWER = 200

Person = tuple[int, str]  # user id, first name


def notice(
    people: Sequence[Person], channels: Sequence[Channel]
) -> tuple[str, InlineKeyboardMarkup]:
    """Return a group's notice for these people (at least one), and its buttons."""
    names = [_mention(person) for person in people[:NAMED]]
    if len(people) > NAMED:
        names.append(f"{len(people) - NAMED} more")
    who = _enumerate(names)
    where = _enumerate([f"<b>{_title(channel)}</b>" for channel in channels])
    text = (
        f"{who}, to write here please join {where}. "
        "Then press <b>I have joined</b>, and you can write at once."
    )
    join = tuple(
        (InlineKeyboardButton(f"Join {_short(channel.title) or 'channel'}", url=url),)
        for channel in channels
        if (url := link_to(channel))
    )
    verify = (InlineKeyboardButton("I have joined", callback_data=VERIFY),)
    return text, InlineKeyboardMarkup((*join, verify))


def still_missing(channels: Sequence[Channel]) -> str:
    """Return the alert for somebody who pressed too early."""
    return _answer(f"You are not yet in {_enumerate([_plain(c) for c in channels])}. Join first.")


def protected(channels: Sequence[Channel]) -> str:
    """Return the reply to /protect that worked; `channels` are all that the group wants now."""
    where = _enumerate([f"<b>{_title(channel)}</b>" for channel in channels])
    return f"This group is protected: who writes here has to be in {where}."


RELEASED = "Thank you, you can write now."
NOT_HELD = "You are not muted by this bot. There is nothing to do for you."
HELD_BY_OTHERS = "You are in, but an admin of this group has restricted you. Please ask them."
CANNOT_RELEASE = "You are in, but I may not lift your mute here. Please ask an admin of this group."
CANNOT_CHECK = "This can't be checked right now. Please press again in a minute."
TOO_SOON = "One moment, please: press again in a few seconds."
STALE = "This button is no longer in use."


def link_to(channel: Channel) -> str | None:
    """Return where people join a channel."""
    if channel.username:
        return f"https://t.me/{channel.username}"
    return channel.invite_link


def _mention(person: Person) -> str:
    user_id, name = person
    return f'<a href="tg://user?id={user_id}">{escape(_short(name) or "Somebody")}</a>'


def _title(channel: Channel) -> str:
    return escape(_plain(channel))


def _plain(channel: Channel) -> str:
    return _short(channel.title) or (f"@{channel.username}" if channel.username else "the channel")


def _length(text: str) -> int:
    """Count UTF-16 code units, as Telegram does."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


# Marks that would turn the direction of the text around a name (Unicode TR 9).
_BIDI = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))


def _short(text: str) -> str:
    text = " ".join(text.translate(_BIDI).split())
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"


def _answer(text: str) -> str:
    if _length(text) <= LONGEST_ANSWER:
        return text
    cut = text[: LONGEST_ANSWER - 1]
    while _length(cut) >= LONGEST_ANSWER:
        cut = cut[:-1]
    return f"{cut}…"


def _enumerate(items: Sequence[str]) -> str:
    if len(items) <= 1:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
