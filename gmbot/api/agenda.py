"""A heap in which each item stands once, and from which it can be taken by name.

Out of date entries stay in the heap until they come up or outnumber the others, then they go
together: every step costs O(log n), spread over all of them, and memory follows what stands.
"""

from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

Item = TypeVar("Item")
Key = tuple[float, int]  # a time, and a number that tells the items of one time apart

_SPARE = 64  # out of date entries not worth a clean-up


class Agenda(Generic[Item]):
    """Items by key, the smallest first. No two items have the same key."""

    def __init__(self) -> None:
        self._heap: list[tuple[Key, Item]] = []
        self._keys: dict[Item, Key] = {}

    def first(self) -> tuple[Key, Item] | None:
        """Return the smallest key and its item."""
        heap = self._heap
        while heap:
            key, item = heap[0]
            if self._keys.get(item) == key:
                return heap[0]
            heappop(heap)
        return None

    def put(self, item: Item, key: Key) -> None:
        """Set the item down, at its new place if it stood elsewhere."""
        if self._keys.get(item) == key:
            return
        self._keys[item] = key
        if len(self._heap) > 2 * len(self._keys) + _SPARE:
            self._heap = [entry for entry in self._heap if self._keys.get(entry[1]) == entry[0]]
            heapify(self._heap)  # an entry of the new key may be among them: once more is harmless
        heappush(self._heap, (key, item))

    def discard(self, item: Item) -> None:
        """Take the item off, if it stands."""
        self._keys.pop(item, None)

    def __len__(self) -> int:
        return len(self._keys)
