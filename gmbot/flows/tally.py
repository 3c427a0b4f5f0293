"""What came out of looking at many people: counted, and said in one line. Pure."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from gmbot.guard.holding import Held, Settled


class Outcome(StrEnum):
    """What became of one person."""

    RELEASED = "released"
    MUTED = "muted"
    UNCHANGED = "unchanged"
    UNKNOWN = "unknown"  # could not be looked up
    REFUSED = "refused"  # the bot may not


OUTCOMES: Mapping[Held | Settled, Outcome] = MappingProxyType(
    {
        Held.EXEMPT: Outcome.UNCHANGED,
        Held.ABSENT: Outcome.UNCHANGED,
        Held.BANNED: Outcome.UNCHANGED,
        Held.PARDONED: Outcome.UNCHANGED,
        Held.WARNED: Outcome.UNCHANGED,
        Held.MUTED: Outcome.MUTED,
        Held.REFUSED: Outcome.REFUSED,
        Settled.RELEASED: Outcome.RELEASED,
        Settled.KEPT: Outcome.UNCHANGED,
        Settled.BY_HUMANS: Outcome.UNCHANGED,
        Settled.UNKNOWN: Outcome.UNKNOWN,
        Settled.REFUSED: Outcome.REFUSED,
    }
)


class Tally(msgspec.Struct):
    """How many people came out how."""

    released: int = 0
    muted: int = 0
    unchanged: int = 0
    unknown: int = 0
    refused: int = 0

    def count(self, outcome: Outcome) -> None:
        """Count one person."""
        setattr(self, outcome, getattr(self, outcome) + 1)

    @property
    def total(self) -> int:
        """How many people were looked at."""
        return self.released + self.muted + self.unchanged + self.unknown + self.refused


def progress(tally: Tally, total: int) -> str:
    """Say how far it has come, of so many people."""
    return f"Checking: {tally.total} of {total} …"


def result(tally: Tally) -> str:
    """Say what came out."""
    if not tally.total:
        return "There is nobody to check: nobody is muted by me, and nobody was seen lately."
    people = "1 person" if tally.total == 1 else f"{tally.total} people"
    parts = [
        f"{tally.released} released",
        f"{tally.muted} muted",
        f"{tally.unchanged} as they were",
    ]
    if tally.unknown:
        parts.append(f"{tally.unknown} could not be checked")
    if tally.refused:
        parts.append(f"{tally.refused} I may not mute or release")
    return f"Checked {people}: {', '.join(parts)}."
