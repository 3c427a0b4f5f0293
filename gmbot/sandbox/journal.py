"""What happened in the simulated Telegram, in order, as a test reads it and a person can follow."""

import time
from collections.abc import Iterator
from dataclasses import dataclass


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
    """All deeds since the world began."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def note(self, entry: Entry) -> None:
        """Write a deed down."""
        self.entries.append(entry)

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
        """Tell it line by line, from the entry number `since` on."""
        return "\n".join(str(entry) for entry in self.entries[since:])

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)
