"""The notice of a group: whom it is about, what they are to do, and the buttons for it."""

import re
from collections.abc import Mapping, Sequence
from html import escape

from gmbot.api.types import InlineKeyboardMarkup
from gmbot.guard.params import Params
from gmbot.guard.wording.buttons import NONE, join_and_verify
from gmbot.guard.wording.catalogue import Catalogue
from gmbot.guard.wording.languages import catalogue_of
from gmbot.guard.wording.names import LONGEST_MESSAGE, bold, length, person, title_of
from gmbot.storage.records import Channel, Named

NAMED = 5  # people a notice names before it counts the others

# What a group's own words may hold.
_PLACE = re.compile(r"\{(people|channels)\}")


def notice(
    people: Sequence[Named], channels: Sequence[Channel], *, params: Params
) -> tuple[str, InlineKeyboardMarkup]:
    """Return a notice as HTML, and its buttons.

    Names at least one person or chat, and at least one channel that is not hidden.
    """
    words = catalogue_of(params.language)
    persons = [named for named in people if named.user_id >= 0]
    chats = [named for named in people if named.user_id < 0]
    asked = _asked(persons, [channel for channel in channels if not channel.hidden])
    to_chats = [_to_chats(chats, words)] if chats else []
    if not persons:
        return to_chats[0], NONE
    text = "\n\n".join([_to_persons(persons, asked, words, params.text), *to_chats])
    if length(text) > LONGEST_MESSAGE:  # only where a group's own words repeat the names
        text = "\n\n".join([_to_persons(persons, asked, words, None), *to_chats])
    return text, join_and_verify(asked, words)


def _asked(persons: Sequence[Named], channels: Sequence[Channel]) -> Sequence[Channel]:
    """Return the channels that any of these people lacks: all, where it is not known of one."""
    if not all(person.missing for person in persons):
        return channels
    lacked = {channel_id for person in persons for channel_id in person.missing}
    return [channel for channel in channels if channel.channel_id in lacked] or channels


def _to_persons(
    persons: Sequence[Named], channels: Sequence[Channel], words: Catalogue, own: str | None
) -> str:
    names = [person(named, words) for named in persons[:NAMED]]
    places = {
        "people": words.enumerate(names, len(persons) - len(names)),
        "channels": words.enumerate([bold(title_of(c, words), words.channel) for c in channels]),
    }
    if own is not None:
        return _fill(own if "{people}" in own else f"{{people}}: {own}", places)
    template = words.welcome if all(named.is_new for named in persons) else words.notice
    return template.format(**places, button=words.verify)


def _to_chats(chats: Sequence[Named], words: Catalogue) -> str:
    """Ask those who write in the name of a chat to write as themselves: a chat joins nothing."""
    titles = [bold(named.name, words.somebody) for named in chats[:NAMED]]
    return words.as_chats.format(chats=words.enumerate(titles, len(chats) - len(titles)))


def _fill(own: str, places: Mapping[str, str]) -> str:
    """Put names into a group's own words; names that look like places are none."""
    return _PLACE.sub(lambda match: places[match[1]], escape(own))
