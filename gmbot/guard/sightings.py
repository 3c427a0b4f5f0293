"""Who was seen where: so that what happens in a channel can be acted on in its groups.

Theory. A pair of a group and a person is written down, then left alone for an hour: pairs lie in
two generations, the younger becomes the older after an hour or when it is full, and who is in
either was seen already. So the way of every message needs neither a clock nor an entry of its own,
and both generations together are the bound. What is not written yet lies by person, and stays
there until the storage has it; at the bound, who is new is noted another time.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from time import time

import structlog
import trio

from gmbot.storage.errors import StorageError, StorageUnavailable, StorageUnusable
from gmbot.storage.protocol import Storage
from gmbot.storage.records import Sighting
from gmbot.telemetry import events

WRITE_EVERY = 10.0  # seconds
GENERATION = 3600.0  # seconds; a time that stands is up to two of these behind
LAST_WRITE = 0.5  # seconds for what is not written when the bot stops

# Pairs in a generation, some 160 bytes each.
CAPACITY = 50_000
# Pairs that wait to be written, some 300 bytes each: what minutes of an outage bring.
MOST_UNWRITTEN = 50_000
BATCH = 1_000  # pairs written at a time

log = structlog.get_logger()


class Sightings:
    """In which groups people write, join and are held."""

    def __init__(
        self, storage: Storage, *, now: Callable[[], float] = time, capacity: int = CAPACITY
    ) -> None:
        self._storage = storage
        self._now = now
        self._capacity = capacity
        self._young: set[tuple[int, int]] = set()
        self._old: set[tuple[int, int]] = set()
        self._unwritten: dict[int, dict[int, float]] = {}  # by person, by group: when
        self._waiting = 0  # pairs in _unwritten

    def note(self, group_id: int, user_id: int) -> None:
        """Remember that a person is in a group: on every message's way, no I/O, never raises."""
        pair = group_id, user_id
        if pair in self._young or pair in self._old:
            return
        groups = self._unwritten.setdefault(user_id, {})
        if group_id not in groups:
            if self._waiting >= MOST_UNWRITTEN:
                if not groups:
                    del self._unwritten[user_id]
                return
            self._waiting += 1
        groups[group_id] = self._now()
        if len(self._young) >= self._capacity:
            self._age()
        self._young.add(pair)

    async def groups_of(self, user_id: int) -> list[int]:
        """Return the groups in which a person was seen, the latest first. Raises StorageError."""
        new = self._unwritten.get(user_id, {})
        latest = sorted(new, key=lambda group_id: new[group_id], reverse=True)
        return list(dict.fromkeys((*latest, *await self._storage.groups_seen(user_id))))

    async def seen_in(self, group_id: int, since: float) -> list[int]:
        """Return who was seen in a group since then. Raises StorageError.

        The times that are compared are up to two hours behind.
        """
        new = [
            user_id
            for user_id, groups in self._unwritten.items()
            if groups.get(group_id, since - 1.0) >= since
        ]
        return list(dict.fromkeys((*new, *await self._storage.seen_in(group_id, since=since))))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write down what is new, every 10 s and once more at the end, until cancelled.

        What a database that is away does not take stays, and is tried again.
        """
        task_status.started()
        next_generation = trio.current_time() + GENERATION
        try:
            while True:
                await trio.sleep(WRITE_EVERY)
                await self._write()
                if trio.current_time() >= next_generation:
                    next_generation += GENERATION
                    self._age()
        finally:
            with trio.move_on_after(LAST_WRITE, shield=True):
                await self._write()

    def _age(self) -> None:
        self._old, self._young = self._young, set()

    async def _write(self) -> None:
        while self._waiting:
            batch = list(islice(self._all_unwritten(), BATCH))
            try:
                await self._storage.save_sightings(batch)
            except (StorageUnavailable, StorageUnusable):
                return
            except StorageError:  # these it will never take
                log.exception(events.SIGHTINGS_REFUSED, count=len(batch))
            self._forget_written(batch)

    def _all_unwritten(self) -> Iterator[Sighting]:
        for user_id, groups in self._unwritten.items():
            for group_id, seen_at in groups.items():
                yield Sighting(group_id, user_id, seen_at)

    def _forget_written(self, batch: list[Sighting]) -> None:
        for sighting in batch:
            groups = self._unwritten[sighting.user_id]
            if groups[sighting.group_id] == sighting.seen_at:
                del groups[sighting.group_id]
                self._waiting -= 1
            if not groups:
                del self._unwritten[sighting.user_id]
