"""Which updates are done: pure bookkeeping for at-least-once delivery by getUpdates.

Asking with an offset makes the server forget everything below it, and it gives everything from
there on again. So the offset may only pass updates that are done, and what comes again is known by
its id. Ids grow by one, but start anew at random after a quiet week: nothing here compares an id
with an earlier one to tell whether it is new.
"""

from collections.abc import Iterable


class Watermark:
    """The offset to ask with next, and what was handed out and is not done yet."""

    def __init__(self) -> None:
        self._open: dict[int, None] = {}
        self._done: set[int] = set()
        self._after: int | None = None

    @property
    def offset(self) -> int | None:
        """The lowest id that is not done, or one past the last; None before the first answer."""
        return min(self._open) if self._open else self._after

    @property
    def open(self) -> int:
        """How many updates were handed out and are not done."""
        return len(self._open)

    def admit(self, update_ids: Iterable[int]) -> list[int]:
        """Take the ids of one answer, in its order, and return those not seen before."""
        ids = list(update_ids)
        if not ids:
            return []
        offset = self.offset
        if offset is not None:
            # Below the offset nothing comes again; in a new sequence ids mean other updates.
            restarted = max(ids) < offset
            self._done = set() if restarted else {i for i in self._done if i >= offset}
        fresh = [i for i in dict.fromkeys(ids) if i not in self._open and i not in self._done]
        self._open.update(dict.fromkeys(fresh))
        self._after = max(ids) + 1
        return fresh

    def done(self, update_id: int) -> None:
        """Note that an update needs nothing more of its source."""
        if update_id in self._open:
            del self._open[update_id]
            self._done.add(update_id)
