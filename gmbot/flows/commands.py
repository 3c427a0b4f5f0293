"""Reading commands: pure, junk in, nothing or a clear problem out."""

import re
from collections.abc import Iterable
from typing import NamedTuple

# Up to 32 letters, digits and underscores, in groups perhaps with @botname behind it.
# The source is core.telegram.org/bots/features, “Commands”.
_COMMAND = re.compile(r"/([A-Za-z0-9_]{1,32})(?:@(\w+))?(?:\s+(.*))?\s*\Z", re.DOTALL)

_FLAGS = re.IGNORECASE | re.ASCII  # else letters and digits of other scripts would pass

# Usernames: 4 (bought ones) to 32 of A-Z a-z 0-9 _, the first a letter.
_USERNAME = r"[A-Za-z][A-Za-z0-9_]{3,31}"
_HOST = r"(?:https?://)?(?:www\.)?(?:t\.me|telegram\.me|telegram\.dog)/"
_NAMED = re.compile(rf"(?:@|{_HOST}(?:s/)?)({_USERNAME})(?:/\d*)?(?:\?\S*)?\Z", _FLAGS)
_PRIVATE = re.compile(rf"{_HOST}c/(\d{{5,13}})(?:/\S*)?\Z", _FLAGS)
_INVITE = re.compile(rf"{_HOST}(?:\+|joinchat/)\S+\Z", _FLAGS)
# Ids of channels and supergroups: -100 and up to 13 digits (tdlib/td, DialogId.h).
_ID = re.compile(r"-100\d{5,13}\Z", _FLAGS)


class Command(NamedTuple):
    """A command to this bot, its name in lower case, and the words behind it."""

    name: str
    words: tuple[str, ...]


class ChannelNotNamed(Exception):
    """A word does not name a channel in a way that can be looked up."""

    def __init__(self, word: str, *, invite: bool) -> None:
        super().__init__(word)
        self.word = word
        self.invite = invite  # an invite link: it names a channel only to those who follow it


def parse_command(text: str | None, username: str | None) -> Command | None:
    """Return the command that a message gives this bot, or None."""
    match = _COMMAND.match(text or "")
    if match is None:
        return None
    name, addressee, rest = match.groups()
    if addressee is not None and addressee.lower() != (username or "").lower():
        return None
    return Command(name.lower(), tuple((rest or "").split()))


def parse_channels(words: Iterable[str]) -> tuple[int | str, ...]:
    """Return what `parse_channel` makes of each word, once; commas part words too.

    Raises ChannelNotNamed for the first word that names no channel.
    """
    named: dict[int | str, int | str] = {}
    for word in words:
        for part in filter(None, word.split(",")):
            channel = parse_channel(part)
            named.setdefault(channel.lower() if isinstance(channel, str) else channel, channel)
    return tuple(named.values())


def parse_channel(word: str) -> int | str:
    """Return a channel's id, or its public name with @, as getChat takes it.

    Takes @name, -100… and t.me links. Raises ChannelNotNamed.
    """
    if _INVITE.match(word):
        raise ChannelNotNamed(word, invite=True)
    if match := _NAMED.match(word):
        return f"@{match[1]}"
    if match := _PRIVATE.match(word):
        return int(f"-100{match[1]}")
    if _ID.match(word):
        return int(word)
    raise ChannelNotNamed(word, invite=False)
