"""What a language has to offer: templates, and how names are put in a row."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec


class Answer(StrEnum):
    """What a press of a button is answered with, where nothing has to be named."""

    RELEASED = "released"
    NOT_HELD = "not_held"
    FREE = "free"  # a human has released them, and they need no channel
    HELD_BY_OTHERS = "held_by_others"
    CANNOT_RELEASE = "cannot_release"
    CANNOT_CHECK = "cannot_check"
    TOO_SOON = "too_soon"
    STALE = "stale"
    ADMINS_ONLY = "admins_only"


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """The texts of one language.

    `notice`, `welcome`, `as_chats` and the two of `held` are HTML and take HTML; all others are
    plain text. Nobody's gender and number is known, so no sentence may depend on it.
    """

    name: str  # of the language, in itself

    # Enumeration: “A, B and C”, “A, B, C and 2 more”.
    last: str  # between the last two
    more_one: str  # one more
    more: str  # {count} more, for every count above one

    somebody: str  # whose name shows nothing
    channel: str  # whose title shows nothing
    group: str  # likewise

    # A group's notice
    notice: str  # {people} {channels} {button}
    welcome: str  # the same, for who has just joined
    as_chats: str  # {chats}: written in the name of chats
    join: str  # a button: {channel}
    join_unnamed: str
    verify: str  # a button

    # Answers to a press
    still_missing: str  # {channels}
    answers: Mapping[Answer, str]

    # In private
    held: str  # {button}; groups follow, a line each
    held_in: str  # {group} {channels}
    held_otherwise: str  # {group}: nothing is known to be missing, yet they are held
    not_held: str

    def enumerate(self, items: Sequence[str], more: int = 0) -> str:
        """Put items in a row, and say how many more there are."""
        if more:
            items = [*items, self.more_one if more == 1 else self.more.format(count=more)]
        if len(items) <= 1:
            return "".join(items)
        return f"{', '.join(items[:-1])}{self.last}{items[-1]}"
