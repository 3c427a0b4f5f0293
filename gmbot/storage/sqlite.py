"""The storage on a SQLite file: for one process, which is enough for thousands of groups.

One thread writes, a few read (see sqlite_worker); WAL lets them do it at the same time.
"""

# ruff: noqa: D102  what the methods promise is written once, in protocol.py

import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

import trio

from gmbot.api.breaker import Breaker, BreakerOpen, BreakerPolicy
from gmbot.storage.errors import StorageUnavailable, StorageUnusable
from gmbot.storage.protocol import Storage
from gmbot.storage.records import QueryRecord
from gmbot.storage.sqlite_connection import SqliteFile
from gmbot.storage.sqlite_groups import GroupTables
from gmbot.storage.sqlite_people import PeopleTables
from gmbot.storage.sqlite_work import WorkTables
from gmbot.storage.sqlite_worker import MAX_GROUP, Job, Work, Workers, commit_together, look_up

T = TypeVar("T")

_READERS = 2  # threads: so that one long look-up does not hold up the short ones

# Seconds to wait for another process's lock: less than the 2 s that a flow has, so that it is told
# what is the matter, and the circuit breaker with it.
_BUSY_TIMEOUT = 1.0

# Seconds for the threads to end what they are at: a commit takes milliseconds, and a stop must not
# wait for a disk that hangs. SQLite survives a process that ends in the middle.
_CLOSING = 1.0

# Source: the reference design, circuit breaker of the database.
_POLICY = BreakerPolicy(failures=3, successes=2, rest=30.0, max_rest=30.0)


def ignore(_record: QueryRecord) -> None:
    """Observe nothing."""


def open_sqlite(
    path: str,
    *,
    observe: Callable[[QueryRecord], None] = ignore,
    breaker: Breaker | None = None,
    busy_timeout: float = _BUSY_TIMEOUT,
    wall: Callable[[], float] = time.time,
) -> AbstractAsyncContextManager[Storage]:
    """Open a storage on this file, made if it is not there, for the time of the context.

    `observe` is called in trio's thread after each query. `breaker` None: one by the reference
    design. `wall` tells the time for created_at and updated_at. Raises StorageUnusable or
    StorageUnavailable on entry.
    """
    return _open(
        SqliteFile(path, busy_timeout=busy_timeout),
        observe,
        Breaker("database", _POLICY) if breaker is None else breaker,
        wall,
    )


@asynccontextmanager
async def _open(
    file: SqliteFile,
    observe: Callable[[QueryRecord], None],
    breaker: Breaker,
    wall: Callable[[], float],
) -> AsyncIterator[Storage]:
    storage = SqliteStorage(file, observe, breaker, wall)
    try:
        await storage.begin()
        yield storage
    finally:
        await storage.aclose()


class SqliteStorage(GroupTables, PeopleTables, WorkTables, Storage):
    """See `gmbot.storage.protocol.Storage`, which says what each method promises.

    What is asked of the tables is in the parts; here is how a question gets to SQLite.
    """

    def __init__(
        self,
        file: SqliteFile,
        observe: Callable[[QueryRecord], None],
        breaker: Breaker,
        wall: Callable[[], float],
    ) -> None:
        self._file = file
        self._observe = observe
        self._breaker = breaker
        self._wall = wall
        self._closed = False
        self._last_fault: BaseException | None = None
        self._writer = Workers(
            "database writer", 1, file.open_writer, self._commit, file.translate, group=MAX_GROUP
        )
        self._readers = Workers(
            "database reader", _READERS, file.open_reader, look_up, file.translate
        )

    async def begin(self) -> None:
        """Make the first connections, so that what is wrong with the file shows at the start."""
        await self._writer.run(_nothing)
        await self._readers.run(_nothing)

    async def aclose(self) -> None:
        self._closed = True
        with trio.move_on_after(_CLOSING, shield=True):
            await self._readers.aclose()
            await self._writer.aclose()  # last: the last one to close leaves a file without a WAL

    async def ping(self) -> None:
        await self._ask("ping", self._writer, _nothing)

    def _commit(self, connection: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> None:
        self._file.require_in_place()
        commit_together(connection, jobs)

    async def _ask(self, query: str, workers: Workers, work: Work[T]) -> T:
        if self._closed:
            raise StorageUnavailable(f"{self._file} is closed")
        try:
            with self._breaker.admit() as ticket:
                started = trio.current_time()
                ok = False
                try:
                    result = await workers.run(work)
                    ok = True
                except (StorageUnavailable, StorageUnusable) as error:
                    # A transaction that failed is one failure, however many waited for it.
                    fault = error.__cause__ or error
                    if fault is not self._last_fault:
                        ticket.fail()
                    self._last_fault = fault
                    raise
                else:
                    ticket.succeed()
                    return result
                finally:
                    self._observe(QueryRecord(query, trio.current_time() - started, ok))
        except BreakerOpen as refused:
            raise StorageUnavailable(
                f"{self._file} has failed; it is asked again in {refused.retry_in:.0f} s"
            ) from None


def _nothing(_db: sqlite3.Connection) -> None:
    pass
