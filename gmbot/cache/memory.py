"""Answers remembered in memory for a while: bounded, and looked up once however many ask.

Theory. Entries lie in a ring. A hit only marks its entry as used. When room is needed, the hand
goes round: a marked entry loses its mark and is passed over, the first unmarked one goes. That
keeps what is used, as least recently used would, and a hit costs one look-up. Entries whose time
ends in the same second lie in one slot; each `put` first empties the slots that have passed, so
that the expired (older than a second) never take the room of others. All of it is amortised O(1).
"""

import heapq
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from random import Random
from typing import Generic, TypeVar

import msgspec
import trio

from gmbot.cache.single_flight import Flight, Flights

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# How often a look-up is broken off and begun anew because its key was dropped meanwhile.
_NEW_STARTS = 2


class Ttl(msgspec.Struct, frozen=True):
    """How long to remember: seconds, give or take a share of them.

    The share keeps what was learnt together from expiring together. Source of 15 %: the reference
    design.
    """

    seconds: float
    jitter: float = 0.15


class CacheStatistics(msgspec.Struct, frozen=True):
    """What a cache has done, and what it holds now; `size` counts expired entries still there."""

    hits: int
    misses: int
    evictions: int  # of what had not expired
    size: int
    flights: int  # look-ups under way


class _Entry(Generic[V]):
    __slots__ = ("ends", "used", "value")

    def __init__(self, value: V, ends: float) -> None:
        self.value = value
        self.ends = ends
        self.used = False


class MemoryCache(Generic[K, V]):
    """A cache for one process. None is no value: it means that nothing is known."""

    def __init__(
        self, *, capacity: int, random: Random, clock: Callable[[], float] = trio.current_time
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity {capacity} is less than 1")
        self._capacity = capacity
        self._random = random
        self._clock = clock
        self._entries: OrderedDict[K, _Entry[V]] = OrderedDict()
        self._slots: dict[int, set[K]] = {}  # by the second in which their time ends
        self._next_slots: list[int] = []  # a heap of the keys of _slots
        self._flights: Flights[K, V] = Flights()
        self._hits = 0
        self._misses = 0
        self._evictions = 0

    def get(self, key: K) -> V | None:
        """Return what is known, None if nothing is, or not any more."""
        entry = self._entries.get(key)
        if entry is not None and self._clock() < entry.ends:
            entry.used = True
            self._hits += 1
            return entry.value
        self._misses += 1
        return None

    def put(self, key: K, value: V, ttl: Ttl) -> None:
        """Remember; this is newer than the answer of any look-up under way."""
        self._store(key, value, ttl)
        self._flights.overtake(key)

    def drop(self, key: K) -> None:
        """Forget; this is newer than the answer of any look-up under way."""
        self._remove(key)
        self._flights.overtake(key)

    def drop_all(self, matches: Callable[[K], bool]) -> None:
        """Do the same for all keys that match; each that is held is looked at."""
        for key in [key for key in self._entries if matches(key)]:
            self._remove(key)
        self._flights.overtake_all(matches)

    async def get_or_load(self, key: K, load: Callable[[], Awaitable[tuple[V, Ttl | None]]]) -> V:
        """Return what is known, or what `load` says; with a Ttl of None it is not remembered.

        However many ask, there is one `load` at a time for a key, and its error goes to all of
        them. It runs in the task and under the deadline of one of those who wait; if that one is
        cancelled, another takes over. A `put` meanwhile breaks it off and is the answer; after a
        `drop` it begins anew, a few times at most.
        """
        value = self.get(key)
        while value is None:
            flight = await self._flights.run(key, lambda flight: self._look_up(key, load, flight))
            if not flight.given_up:
                return flight.value
            value = self._peek(key)  # somebody may have put it
        return value

    def statistics(self) -> CacheStatistics:
        """Count."""
        return CacheStatistics(
            self._hits, self._misses, self._evictions, len(self._entries), len(self._flights)
        )

    async def _look_up(
        self,
        key: K,
        load: Callable[[], Awaitable[tuple[V, Ttl | None]]],
        flight: Flight[V],
    ) -> V:
        for _ in range(1 + _NEW_STARTS):
            answer = await flight.attempt(load)
            if answer is not None:
                value, ttl = answer
                if ttl is not None:
                    self._store(key, value, ttl)
                return value
            newer = self._peek(key)
            if newer is not None:
                return newer
        # It changes faster than it can be looked up: true at this moment, not to be remembered.
        value, _ttl = await load()
        newer = self._peek(key)
        return value if newer is None else newer

    def _peek(self, key: K) -> V | None:
        entry = self._entries.get(key)
        return entry.value if entry is not None and self._clock() < entry.ends else None

    def _store(self, key: K, value: V, ttl: Ttl) -> None:
        now = self._clock()
        self._empty_passed_slots(int(now))
        self._remove(key)
        if len(self._entries) >= self._capacity:
            self._evict()
        share = self._random.uniform(-ttl.jitter, ttl.jitter)
        ends = now + ttl.seconds * (1 + share)
        self._entries[key] = _Entry(value, ends)
        slot = self._slots.get(int(ends))
        if slot is None:
            slot = self._slots[int(ends)] = set()
            heapq.heappush(self._next_slots, int(ends))
        slot.add(key)

    def _remove(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._slots[int(entry.ends)].remove(key)

    def _empty_passed_slots(self, second: int) -> None:
        while self._next_slots and self._next_slots[0] < second:
            for key in self._slots.pop(heapq.heappop(self._next_slots)):
                del self._entries[key]

    def _evict(self) -> None:
        while True:
            key, entry = next(iter(self._entries.items()))
            if not entry.used:
                break
            entry.used = False
            self._entries.move_to_end(key)
        self._remove(key)
        self._evictions += 1
