"""The buttons below what the bot says: one to join each channel, one to be checked."""

from collections.abc import Iterable, Iterator

from gmbot.api.types import InlineKeyboardButton, InlineKeyboardMarkup
from gmbot.guard.wording.catalogue import Catalogue
from gmbot.guard.wording.names import LONGEST_BUTTON, cut, short
from gmbot.storage.records import Channel

# The data of the button by which people are checked.
VERIFY = "verify"

# What a group can require, and what a thumb can scroll past.
MOST_JOINS = 10

NONE = InlineKeyboardMarkup(())


def join_and_verify(channels: Iterable[Channel], words: Catalogue) -> InlineKeyboardMarkup:
    """Return one button for each channel that can be joined (at most ten), then one to verify."""
    joins = [(button,) for button in _joins(channels, words)]
    verify = (InlineKeyboardButton(words.verify, callback_data=VERIFY),)
    return InlineKeyboardMarkup((*joins[:MOST_JOINS], verify))


def link_to(channel: Channel) -> str | None:
    """Return where people join a channel."""
    if channel.username:
        return f"https://t.me/{channel.username}"
    return channel.invite_link


def _joins(channels: Iterable[Channel], words: Catalogue) -> Iterator[InlineKeyboardButton]:
    for channel in channels:
        url = link_to(channel)
        if url:
            title = short(channel.title)
            text = words.join.format(channel=title) if title else words.join_unnamed
            yield InlineKeyboardButton(cut(text, LONGEST_BUTTON), url=url)
