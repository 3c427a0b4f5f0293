"""The storage on a SQLite file: for one process, which is enough for thousands of groups.

One thread writes, a few read (see sqlite_worker); WAL lets them do it at the same time.
"""

# ruff: noqa: D102  what the methods promise is written once, in protocol.py

import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

import msgspec
import trio

from gmbot.api.breaker import Breaker, BreakerOpen, BreakerPolicy
from gmbot.storage import rows, sql
from gmbot.storage.errors import StorageUnavailable, StorageUnusable
from gmbot.storage.protocol import Storage
from gmbot.storage.records import (
    Channel,
    Group,
    Notice,
    Owner,
    PendingUpdate,
    ProtectedGroup,
    QueryRecord,
    Restriction,
    RestrictionState,
)
from gmbot.storage.sqlite_connection import SqliteFile
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


class SqliteStorage(Storage):
    """See `gmbot.storage.protocol.Storage`, which says what each method promises."""

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

    # Groups and the channels they require.

    async def protect(self, owner: Owner, group: Group, channels: Sequence[Channel]) -> None:
        now = self._wall()

        def work(db: sqlite3.Connection) -> None:
            db.execute(sql.SAVE_OWNER, rows.of_owner(owner, now))
            db.execute(sql.SAVE_GROUP, rows.of_group(group, now))
            for channel in channels:
                db.execute(sql.SAVE_CHANNEL, rows.of_channel(channel, now))
                db.execute(sql.LINK, (group.group_id, channel.channel_id, now))

        await self._ask("protect", self._writer, work)

    async def unprotect(self, group_id: int, channel_ids: Sequence[int]) -> None:
        pairs = [(group_id, channel_id) for channel_id in channel_ids]

        def work(db: sqlite3.Connection) -> None:
            db.executemany(sql.UNLINK, pairs)

        await self._ask("unprotect", self._writer, work)

    async def set_group_enabled(self, group_id: int, *, enabled: bool) -> None:
        await self._change("set_group_enabled", sql.ENABLE_GROUP, (enabled, self._wall(), group_id))

    async def protected_groups(self) -> list[ProtectedGroup]:
        def work(db: sqlite3.Connection) -> list[ProtectedGroup]:
            return rows.read_groups(db.execute(sql.PROTECTED_GROUPS))

        return await self._ask("protected_groups", self._readers, work)

    async def protected_group(self, group_id: int) -> ProtectedGroup | None:
        found = rows.read_groups(
            await self._rows("protected_group", sql.PROTECTED_GROUP, (group_id,))
        )
        return found[0] if found else None

    # Whom we hold.

    async def want_restriction(self, wanted: Restriction) -> tuple[Restriction, bool]:
        new = rows.of_new_restriction(wanted, self._wall())

        def work(db: sqlite3.Connection) -> tuple[rows.Row, bool]:
            is_new = db.execute(sql.ADD_RESTRICTION, new).rowcount == 1
            return db.execute(sql.RESTRICTION, new[:2]).fetchone(), is_new

        row, is_new = await self._ask("want_restriction", self._writer, work)
        return rows.read_restriction(row), is_new

    async def restriction(self, group_id: int, user_id: int) -> Restriction | None:
        found = await self._rows("restriction", sql.RESTRICTION, (group_id, user_id))
        return rows.read_restriction(found[0]) if found else None

    async def restrictions_in(self, group_id: int) -> list[Restriction]:
        return await self._restrictions("restrictions_in", sql.RESTRICTIONS_IN, (group_id,))

    async def restrictions_of(self, user_id: int) -> list[Restriction]:
        return await self._restrictions("restrictions_of", sql.RESTRICTIONS_OF, (user_id,))

    async def restrictions(self) -> list[Restriction]:
        return await self._restrictions("restrictions", sql.RESTRICTIONS, ())

    async def advance_restriction(
        self, current: Restriction, state: RestrictionState
    ) -> Restriction | None:
        key = (current.group_id, current.user_id, current.version)
        changed = await self._change(
            "advance_restriction", sql.ADVANCE_RESTRICTION, (state.value, self._wall(), *key)
        )
        if not changed:
            return None
        return msgspec.structs.replace(current, state=state, version=current.version + 1)

    async def drop_restriction(self, current: Restriction) -> bool:
        key = (current.group_id, current.user_id, current.version)
        return await self._change("drop_restriction", sql.DROP_RESTRICTION, key) > 0

    # The live notice of a group.

    async def notice(self, group_id: int) -> Notice | None:
        found = await self._rows("notice", sql.NOTICE, (group_id,))
        return rows.read_notice(found[0]) if found else None

    async def notices(self) -> list[Notice]:
        return [rows.read_notice(row) for row in await self._rows("notices", sql.NOTICES, ())]

    async def save_notice(self, notice: Notice) -> Notice | None:
        stored = rows.next_notice(notice, self._wall())
        columns = rows.of_notice(stored, self._wall())
        if notice.version == 0:
            changed = await self._change("save_notice", sql.ADD_NOTICE, columns)
        else:
            changed = await self._change(
                "save_notice", sql.CHANGE_NOTICE, (*columns, notice.version)
            )
        return stored if changed else None

    async def drop_notice(self, notice: Notice) -> bool:
        key = (notice.group_id, notice.version)
        return await self._change("drop_notice", sql.DROP_NOTICE, key) > 0

    # Updates that go on after they were acknowledged.

    async def store_update(
        self, update: PendingUpdate, *, claimed_by: str, claimed_to: float
    ) -> None:
        columns = rows.of_update(update, claimed_by, claimed_to, self._wall())
        await self._change("store_update", sql.STORE_UPDATE, columns)

    async def claim_updates(
        self, *, instance: str, now: float, until: float, limit: int
    ) -> list[PendingUpdate]:
        def work(db: sqlite3.Connection) -> list[PendingUpdate]:
            due = [rows.read_update(row) for row in db.execute(sql.DUE_UPDATES, (now, now, limit))]
            db.executemany(sql.CLAIM_UPDATE, [(instance, until, one.update_id) for one in due])
            return due

        return await self._ask("claim_updates", self._writer, work)

    async def extend_claims(self, *, instance: str, until: float) -> None:
        await self._change("extend_claims", sql.EXTEND_CLAIMS, (until, instance))

    async def postpone_update(self, update_id: int, *, attempts: int, available_at: float) -> None:
        await self._change(
            "postpone_update", sql.POSTPONE_UPDATE, (attempts, available_at, update_id)
        )

    async def finish_update(self, update_id: int) -> None:
        await self._change("finish_update", sql.FINISH_UPDATE, (update_id,))

    # How a question gets to SQLite.

    def _commit(self, connection: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> None:
        self._file.require_in_place()
        commit_together(connection, jobs)

    async def _restrictions(self, query: str, text: str, parameters: rows.Row) -> list[Restriction]:
        return [rows.read_restriction(row) for row in await self._rows(query, text, parameters)]

    async def _rows(self, query: str, text: str, parameters: rows.Row) -> list[rows.Row]:
        def work(db: sqlite3.Connection) -> list[rows.Row]:
            return db.execute(text, parameters).fetchall()

        return await self._ask(query, self._readers, work)

    async def _change(self, query: str, text: str, parameters: rows.Row) -> int:
        """Do one statement that writes; return how many rows it changed."""

        def work(db: sqlite3.Connection) -> int:
            return db.execute(text, parameters).rowcount

        return await self._ask(query, self._writer, work)

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
