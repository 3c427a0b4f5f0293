"""What happened in the simulated Telegram, in order, as a test reads it and a person can follow."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

KEPT: Final = 100_000


@dataclass(frozen=True)
class Entry:
    """One deed: somebody (`who`) did something to a message or to somebody (`whom`), somewhere."""

    at: float  # seconds since 1970
    who: str
    who_id: int
    by_bot: bool
    deed: str  # a verb in the past: wrote, edited, deleted, joined, restricted, pressed …
    chat: str = ""
    chat_id: int = 0
    whom: str = ""
    whom_id: int = 0
    message_id: int = 0
    text: str = ""

    def __str__(self) -> str:
        clock = time.strftime("%H:%M:%S", time.gmtime(self.at))
        name = f"[{self.who}]" if self.by_bot else self.who
        parts = [f"{clock}  {self.chat or '-'} | {name} {self.deed}"]
        if self.whom:
            parts.append(self.whom)
        if self.message_id:
            parts.append(f"#{self.message_id}")
        line = " ".join(parts)
        if not self.text:
            return line
        return line + ": " + self.text.replace("\n", "\n" + " " * 10)


class Journal:
    """The last `keep` deeds; `total` counts all since the world began."""

    def __init__(self, keep: int = KEPT) -> None:
        self.entries: deque[Entry] = deque(maxlen=keep)
        self.total = 0

    def note(self, entry: Entry) -> None:
        """Write a deed down."""
        self.total += 1
        self.entries.append(entry)

    def since(self, number: int) -> list[Entry]:
        """Return what happened after the first `number` deeds, as far as it is kept."""
        forgotten = self.total - len(self.entries)
        return list(islice(self.entries, max(number - forgotten, 0), None))

    def of(
        self, deed: str, *, chat_id: int | None = None, whom_id: int | None = None
    ) -> list[Entry]:
        """Return the deeds of one kind, in one chat and to one person where these are named."""
        return [
            entry
            for entry in self.entries
            if entry.deed == deed
            and chat_id in {None, entry.chat_id}
            and whom_id in {None, entry.whom_id}
        ]

    def transcript(self, *, since: int = 0) -> str:
        """Tell line by line what happened after the first `since` deeds."""
        return "\n".join(str(entry) for entry in self.since(since))

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)
