"""What is forgotten, when, and what never."""

import pytest
import trio
from trio.testing import MockClock

from gmbot.guard.retention import EVERY, REPLIES, REQUESTS, RETRY, SIGHTINGS, Retention
from gmbot.storage.records import Sighting
from tests.guard.town import InlineStorage, Town, settle

BEGAN = 100 * 24 * 3600.0


def now() -> float:
    return BEGAN + trio.current_time()


@pytest.fixture
async def storage(autojump_clock: MockClock) -> InlineStorage:
    """A sighting, a request and two effects, all from the beginning."""
    storage = InlineStorage(now, [])
    await storage.save_sightings([Sighting(-100, 5, BEGAN)])
    await storage.save_join_request(-1001, 5)
    await storage.claim_effect("reply:-100:1")
    await storage.claim_effect("hidden:-1001:-100")
    return storage


def left(storage: InlineStorage) -> set[str]:
    tables = ("sightings", "join_requests", "effects")
    found = {table for table in tables[:2] if storage.rows(table)}
    return found | {row[0].partition(":")[0] for row in storage.rows("effects")}


ALL = {"sightings", "join_requests", "reply", "hidden"}


@pytest.mark.parametrize(
    ("what", "seconds"),
    [("reply", REPLIES), ("sightings", SIGHTINGS), ("join_requests", REQUESTS)],
)
async def test_it_is_forgotten_within_an_hour_of_its_time_and_not_before(
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    storage: InlineStorage,
    what: str,
    seconds: float,
) -> None:
    await nursery.start(Retention(storage, now=now).run)
    await trio.sleep(seconds - 1)
    assert what in left(storage)
    await trio.sleep(EVERY + 2)

    assert what not in left(storage)


async def test_what_is_said_as_long_as_something_lasts_is_never_forgotten_by_its_age(
    autojump_clock: MockClock, nursery: trio.Nursery, storage: InlineStorage
) -> None:
    await nursery.start(Retention(storage, now=now).run)
    await trio.sleep(60 * 24 * 3600)

    assert left(storage) == {"hidden"}


async def test_a_start_forgets_at_once(
    autojump_clock: MockClock, nursery: trio.Nursery, storage: InlineStorage
) -> None:
    await trio.sleep(SIGHTINGS + 1)
    assert left(storage) == ALL
    await nursery.start(Retention(storage, now=now).run)
    await settle()

    assert left(storage) == {"hidden"}


async def test_a_database_that_is_away_is_asked_again_soon(
    autojump_clock: MockClock, nursery: trio.Nursery, storage: InlineStorage
) -> None:
    await trio.sleep(SIGHTINGS + 1)
    storage.away = True
    await nursery.start(Retention(storage, now=now).run)
    await trio.sleep(2 * RETRY + 1)
    storage.away = False
    await trio.sleep(RETRY)

    assert left(storage) == {"hidden"}


async def test_a_loss_that_was_told_long_ago_is_not_told_again(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.demote(town.channel, town.telegram.bot)
    await trio.sleep(4)
    told = town.said()
    town.storage.db.execute("UPDATE effects SET claimed_at = 0")
    await trio.sleep(EVERY)
    await town.bot.guard.jobs.add("tell", town.channel.id)
    await trio.sleep(4)

    assert len(told) == 1
    assert town.said() == told


async def test_the_bot_forgets_while_it_runs(autojump_clock: MockClock, town: Town) -> None:
    await town.storage.claim_effect("reply:-100:1")
    town.storage.db.execute("UPDATE effects SET claimed_at = 0")
    await trio.sleep(EVERY + 1)

    assert town.storage.rows("effects") == []
