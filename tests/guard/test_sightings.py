"""Who was seen where."""

from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Any, cast

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from gmbot.guard import sightings
from gmbot.guard.sightings import GENERATION, LAST_WRITE, WRITE_EVERY, Sightings
from gmbot.storage.errors import StorageError, StorageUnavailable
from gmbot.storage.protocol import Storage
from gmbot.storage.records import Sighting

GARDEN, KITCHEN, CELLAR = -1001, -1002, -1003
SUE, MAX = 1, 2
BEGAN = 1_000_000.0


class Book:
    """Keeps sightings in memory; `failure` is raised instead, `is_hung` answers never.

    `meanwhile` happens while something is written.
    """

    def __init__(self) -> None:
        self.seen: dict[tuple[int, int], float] = {}
        self.written: list[Sighting] = []
        self.failure: Exception | None = None
        self.is_hung = False
        self.meanwhile: Callable[[], Awaitable[None]] | None = None
        self.largest = 0

    async def _open(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.is_hung:
            await trio.sleep_forever()
        if self.failure is not None:
            raise self.failure

    async def save_sightings(self, sightings: Sequence[Sighting]) -> None:
        await self._open()
        if self.meanwhile is not None:
            await self.meanwhile()
        self.largest = max(self.largest, len(sightings))
        self.written += sightings
        self.seen |= {(s.group_id, s.user_id): s.seen_at for s in sightings}

    async def groups_seen(self, user_id: int) -> list[int]:
        await self._open()
        found = {group: at for (group, user), at in self.seen.items() if user == user_id}
        return sorted(found, key=lambda group: -found[group])

    async def seen_in(self, group_id: int, *, since: float) -> list[int]:
        await self._open()
        return [u for (group, u), at in self.seen.items() if group == group_id and at >= since]


class Watch:
    """Sightings at work over a book, in virtual time."""

    def __init__(self, **options: Any) -> None:
        self.book = Book()
        self.sightings = Sightings(cast("Storage", self.book), now=self.now, **options)

    @staticmethod
    def now() -> float:
        return BEGAN + trio.current_time()


@pytest.fixture
def watch(autojump_clock: MockClock) -> Watch:
    return Watch()


async def test_who_is_seen_is_known_at_once_and_written_within_ten_seconds(
    autojump_clock: MockClock, watch: Watch, nursery: trio.Nursery
) -> None:
    await nursery.start(watch.sightings.run)
    seen_at = watch.now()
    watch.sightings.note(GARDEN, SUE)

    assert await watch.sightings.groups_of(SUE) == [GARDEN]
    assert watch.book.written == []
    await trio.sleep(WRITE_EVERY + 0.1)

    assert watch.book.written == [Sighting(GARDEN, SUE, seen_at)]
    assert await watch.sightings.groups_of(SUE) == [GARDEN]
    assert await watch.sightings.groups_of(MAX) == []


async def test_a_pair_is_written_again_only_after_an_hour(
    autojump_clock: MockClock, watch: Watch, nursery: trio.Nursery
) -> None:
    await nursery.start(watch.sightings.run)

    while watch.now() < BEGAN + 6 * GENERATION:
        watch.sightings.note(GARDEN, SUE)
        await trio.sleep(60)

    times = [s.seen_at for s in watch.book.written]
    apart = [later - earlier for earlier, later in pairwise(times)]
    assert len(times) >= 3
    assert all(GENERATION <= gap <= 2 * GENERATION + 120 for gap in apart)


async def test_the_groups_of_memory_come_before_those_of_the_storage(
    autojump_clock: MockClock, watch: Watch, nursery: trio.Nursery
) -> None:
    watch.book.seen = {(GARDEN, SUE): 1.0, (CELLAR, SUE): 2.0}
    watch.sightings.note(GARDEN, SUE)
    await trio.sleep(1)
    watch.sightings.note(KITCHEN, SUE)

    assert await watch.sightings.groups_of(SUE) == [KITCHEN, GARDEN, CELLAR]


async def test_who_was_seen_in_a_group_lately_is_found_in_memory_and_storage(
    autojump_clock: MockClock,
    watch: Watch,
) -> None:
    watch.book.seen = {(GARDEN, 7): BEGAN, (GARDEN, 8): BEGAN - 100, (KITCHEN, 9): BEGAN}
    watch.sightings.note(GARDEN, SUE)
    watch.sightings.note(KITCHEN, MAX)

    assert await watch.sightings.seen_in(GARDEN, BEGAN - 10) == [SUE, 7]
    assert await watch.sightings.seen_in(GARDEN, BEGAN + 10) == []


async def test_what_a_database_that_is_away_does_not_take_is_written_later(
    autojump_clock: MockClock, watch: Watch, nursery: trio.Nursery
) -> None:
    await nursery.start(watch.sightings.run)
    watch.book.failure = StorageUnavailable("away")
    watch.sightings.note(GARDEN, SUE)
    await trio.sleep(5 * WRITE_EVERY)
    watch.sightings.note(GARDEN, MAX)
    watch.book.failure = None
    await trio.sleep(WRITE_EVERY)

    assert {s.user_id for s in watch.book.written} == {SUE, MAX}
    assert watch.book.written[0].seen_at == BEGAN


async def test_what_the_database_refuses_for_good_is_said_and_does_not_stop_the_rest(
    autojump_clock: MockClock, watch: Watch, nursery: trio.Nursery, logs: list[Any]
) -> None:
    await nursery.start(watch.sightings.run)
    watch.book.failure = StorageError("an id that no database holds")
    watch.sightings.note(GARDEN, 1 << 70)
    await trio.sleep(WRITE_EVERY + 1)
    watch.book.failure = None
    watch.sightings.note(GARDEN, SUE)
    await trio.sleep(WRITE_EVERY)

    assert [s.user_id for s in watch.book.written] == [SUE]
    assert [line["event"] for line in logs] == ["sightings_refused"]


async def test_a_pair_seen_again_while_it_is_being_written_is_not_lost(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    watch = Watch(capacity=2)

    async def see_again() -> None:
        watch.book.meanwhile = None
        await trio.sleep(2)
        for user_id in range(100, 104):  # two generations go by
            watch.sightings.note(GARDEN, user_id)
        watch.sightings.note(GARDEN, SUE)

    watch.book.meanwhile = see_again
    await nursery.start(watch.sightings.run)
    watch.sightings.note(GARDEN, SUE)
    await trio.sleep(2 * WRITE_EVERY + 3)

    times = [s.seen_at for s in watch.book.written if s.user_id == SUE]
    assert times == [BEGAN, BEGAN + WRITE_EVERY + 2]


async def test_what_waits_to_be_written_is_bounded_and_who_was_left_out_is_noted_later(
    autojump_clock: MockClock, watch: Watch, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sightings, "MOST_UNWRITTEN", 3)
    for user_id in range(10, 15):
        watch.sightings.note(GARDEN, user_id)
    watch.sightings.note(KITCHEN, 10)
    await nursery.start(watch.sightings.run)
    await trio.sleep(WRITE_EVERY + 1)

    assert [s.user_id for s in watch.book.written] == [10, 11, 12]
    watch.sightings.note(GARDEN, 13)
    watch.sightings.note(KITCHEN, 10)
    await trio.sleep(WRITE_EVERY)

    assert [(s.group_id, s.user_id) for s in watch.book.written[3:]] == [
        (GARDEN, 13),
        (KITCHEN, 10),
    ]


async def test_many_are_written_in_batches(
    autojump_clock: MockClock, watch: Watch, nursery: trio.Nursery
) -> None:
    for user_id in range(2_500):
        watch.sightings.note(GARDEN, user_id)
    await nursery.start(watch.sightings.run)
    await trio.sleep(WRITE_EVERY + 1)

    assert len(watch.book.written) == 2_500
    assert watch.book.largest == sightings.BATCH


async def test_what_is_new_is_written_when_the_bot_stops(
    autojump_clock: MockClock, watch: Watch
) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(watch.sightings.run)
        watch.sightings.note(GARDEN, SUE)
        nursery.cancel_scope.cancel()

    assert [s.user_id for s in watch.book.written] == [SUE]


async def test_a_stop_waits_half_a_second_for_a_database_that_hangs(
    autojump_clock: MockClock, watch: Watch
) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(watch.sightings.run)
        watch.sightings.note(GARDEN, SUE)
        watch.book.is_hung = True
        began = trio.current_time()
        nursery.cancel_scope.cancel()

    assert trio.current_time() - began == pytest.approx(LAST_WRITE)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 30)), max_size=200), st.integers(1, 8))
def test_memory_is_bounded_and_whoever_is_noted_waits_to_be_written(
    pairs: list[tuple[int, int]], capacity: int
) -> None:
    noted = Sightings(cast("Storage", Book()), now=lambda: 5.0, capacity=capacity)

    for group_id, user_id in pairs:
        noted.note(group_id, user_id)

    waiting = noted._all_unwritten()
    assert {(s.group_id, s.user_id) for s in waiting} == set(pairs)
    assert len(noted._young) <= capacity
    assert len(noted._old) <= capacity
