"""Updates that go on after they were acknowledged."""

from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock

from gmbot.coordination.claims import CLAIM
from gmbot.coordination.pending import AT_ONCE, PendingUpdates
from gmbot.storage.errors import StorageUnavailable
from gmbot.storage.records import PendingUpdate
from tests.guard.town import InlineStorage, end_after


class Shelf:
    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.storage = InlineStorage(self.now, [])
        self.given: list[tuple[str, int]] = []

    def now(self) -> float:
        return 1_800_000_000.0 + trio.current_time()

    def instance(self, name: str) -> PendingUpdates:
        return PendingUpdates(self.storage, instance=name, now=self.now)

    async def start(self, name: str) -> PendingUpdates:
        pending = self.instance(name)

        async def resume(update: PendingUpdate) -> None:
            self.given.append((name, update.update_id))

        await self.nursery.start(pending.run, resume, name=name)
        return pending


@pytest.fixture
async def shelf(autojump_clock: MockClock, nursery: trio.Nursery) -> AsyncIterator[Shelf]:
    nursery.start_soon(end_after, 7200)
    yield Shelf(nursery)
    nursery.cancel_scope.cancel()


async def test_what_is_kept_is_in_our_hands_for_as_long_as_we_live(
    autojump_clock: MockClock, shelf: Shelf
) -> None:
    one = await shelf.start("one")
    await shelf.start("two")
    await one.keep(1, b"{}")
    await trio.sleep(60)

    assert shelf.given == []


async def test_what_a_dead_instance_kept_goes_on_within_its_claim(
    autojump_clock: MockClock, shelf: Shelf
) -> None:
    await shelf.instance("dead").keep(1, b"{}")
    await shelf.start("two")
    await trio.sleep(CLAIM - 0.5)
    assert shelf.given == []

    await trio.sleep(2)
    assert shelf.given == [("two", 1)]


async def test_what_is_shelved_goes_to_whoever_has_room_and_only_once(
    autojump_clock: MockClock, shelf: Shelf
) -> None:
    one = await shelf.start("one")
    await shelf.start("two")
    for number in range(3 * AT_ONCE):
        await one.shelve(number, b"{}")
    await trio.sleep(60)

    assert sorted(number for _name, number in shelf.given) == list(range(3 * AT_ONCE))


async def test_what_is_put_off_comes_when_it_is_due_with_its_attempts(
    autojump_clock: MockClock, shelf: Shelf
) -> None:
    one = await shelf.start("one")
    await one.keep(1, b"{}")
    await one.put_off(1, attempts=2, delay=30)
    await trio.sleep(29.5)
    assert shelf.given == []

    await trio.sleep(2)
    assert shelf.given == [("one", 1)]
    assert shelf.storage.rows("pending_updates")[0][2] == 2


async def test_what_is_finished_is_forgotten(autojump_clock: MockClock, shelf: Shelf) -> None:
    one = await shelf.start("one")
    await one.keep(1, b"{}")
    await one.finish(1)
    await one.finish(1)
    await trio.sleep(30)

    assert shelf.given == []
    assert shelf.storage.rows("pending_updates") == []


async def test_a_database_that_is_away_is_looked_at_again(
    autojump_clock: MockClock, shelf: Shelf
) -> None:
    one = await shelf.start("one")
    await one.keep(1, b"{}")
    shelf.storage.away = True
    await trio.sleep(5)
    with pytest.raises(StorageUnavailable):
        await one.put_off(1, attempts=0, delay=0)

    shelf.storage.away = False
    await one.put_off(1, attempts=0, delay=0)
    await trio.sleep(2)
    assert shelf.given == [("one", 1)]
