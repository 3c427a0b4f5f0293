import sqlite3
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from gmbot.storage.sqlite_worker import Job, Workers, commit_together, look_up


def in_memory() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE seen (number INTEGER NOT NULL)")
    return connection


def as_it_is(error: Exception) -> tuple[Exception, bool]:
    return error, isinstance(error, sqlite3.Error)


@asynccontextmanager
async def writer() -> AsyncIterator[Workers]:
    workers = Workers("writer", 1, in_memory, commit_together, as_it_is, group=100)
    try:
        yield workers
    finally:
        await workers.aclose()


class Gate:
    """Holds the worker's thread until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    async def wait_reached(self) -> None:
        assert await trio.to_thread.run_sync(self.reached.wait, 10)

    def __call__(self, _db: sqlite3.Connection) -> None:
        self.reached.set()
        assert self.opened.wait(10)


def insert(number: int | None) -> Any:
    return lambda db: db.execute("INSERT INTO seen VALUES (?)", (number,)).rowcount


def everything(db: sqlite3.Connection) -> list[int]:
    return [number for (number,) in db.execute("SELECT number FROM seen ORDER BY number")]


async def test_what_is_queued_meanwhile_is_committed_together() -> None:
    statements: list[str] = []
    gate = Gate()

    async with writer() as workers:
        await workers.run(lambda db: db.set_trace_callback(statements.append))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(workers.run, gate)
            await gate.wait_reached()
            for number in range(20):
                nursery.start_soon(workers.run, insert(number))
            await wait_all_tasks_blocked()
            gate.opened.set()

    transactions = "\n".join(statements).split("BEGIN IMMEDIATE")
    assert [one.count("INSERT") for one in transactions[-2:]] == [0, 20]


async def test_a_group_has_its_bound() -> None:
    gate = Gate()
    sizes: list[int] = []

    def serve(db: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> None:
        sizes.append(len(jobs))
        commit_together(db, jobs)

    workers = Workers("writer", 1, in_memory, serve, as_it_is, group=8)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(workers.run, gate)
        await gate.wait_reached()
        for number in range(20):
            nursery.start_soon(workers.run, insert(number))
        await wait_all_tasks_blocked()
        gate.opened.set()
    await workers.aclose()

    assert sizes == [1, 8, 8, 4]


async def test_a_job_whose_caller_left_before_its_turn_is_skipped() -> None:
    gate = Gate()

    async with writer() as workers, trio.open_nursery() as nursery:
        nursery.start_soon(workers.run, gate)
        await gate.wait_reached()
        with trio.CancelScope() as scope:
            scope.cancel()
            await workers.run(insert(1))
        gate.opened.set()

        assert await workers.run(everything) == []


def test_a_group_whose_callers_have_all_left_does_not_ask_for_the_lock() -> None:
    statements: list[str] = []
    connection = in_memory()
    connection.set_trace_callback(statements.append)
    jobs = [trio_job(insert(1)), trio_job(insert(2))]
    for job in jobs:
        job.abandoned = True

    commit_together(connection, jobs)

    assert statements == []
    connection.close()


def test_a_look_up_whose_caller_left_is_skipped() -> None:
    connection = in_memory()
    job: Job[int] = trio_job(insert(1))
    job.abandoned = True

    look_up(connection, [job])

    assert everything(connection) == []
    connection.close()


def trio_job(work: Any) -> Job[Any]:
    async def make() -> Job[Any]:
        return Job(work)

    return trio.run(make)


def test_a_job_that_fails_is_undone_and_takes_nobody_with_it() -> None:
    def twice(db: sqlite3.Connection) -> None:
        insert(7)(db)
        insert(None)(db)

    connection = in_memory()
    jobs = [trio_job(insert(1)), trio_job(twice), trio_job(insert(2))]

    commit_together(connection, jobs)

    assert [type(job.error) for job in jobs] == [type(None), sqlite3.IntegrityError, type(None)]
    assert everything(connection) == [1, 2]
    connection.close()


def test_where_the_transaction_is_undone_by_sqlite_every_job_fails() -> None:
    def undo(db: sqlite3.Connection) -> None:
        db.execute("ROLLBACK")  # as SQLite itself does on some failures of the disk
        raise sqlite3.OperationalError("disk I/O error")

    connection = in_memory()
    jobs = [trio_job(insert(1)), trio_job(undo), trio_job(insert(2))]

    commit_together(connection, jobs)

    assert [str(job.error) for job in jobs] == ["disk I/O error"] * 3
    assert everything(connection) == []
    connection.close()


def test_where_the_commit_fails_every_job_fails_and_nothing_stays() -> None:
    connection = in_memory()
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    connection.execute(
        "CREATE TABLE child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)"
    )
    orphan = trio_job(lambda db: db.execute("INSERT INTO child VALUES (1)").rowcount)
    jobs = [trio_job(insert(1)), orphan]

    commit_together(connection, jobs)

    assert [type(job.error) for job in jobs] == [sqlite3.IntegrityError] * 2
    assert everything(connection) == []
    assert not connection.in_transaction
    connection.close()


async def test_a_spoilt_connection_is_opened_anew() -> None:
    opened: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        opened.append(in_memory())
        return opened[-1]

    workers = Workers("reader", 1, connect, look_up, as_it_is)
    with pytest.raises(sqlite3.IntegrityError):
        await workers.run(insert(None))
    assert await workers.run(everything) == []
    with pytest.raises(ZeroDivisionError):
        await workers.run(lambda _db: 1 // 0)
    await workers.run(everything)
    await workers.aclose()

    assert len(opened) == 2


async def test_a_connection_that_cannot_be_opened_fails_the_call_and_is_tried_again() -> None:
    failures = [sqlite3.OperationalError("no"), None]

    def connect() -> sqlite3.Connection:
        failure = failures.pop(0)
        if failure is not None:
            raise failure
        return in_memory()

    workers = Workers("reader", 1, connect, look_up, as_it_is)
    with pytest.raises(sqlite3.OperationalError, match="no"):
        await workers.run(everything)
    assert await workers.run(everything) == []
    await workers.aclose()


async def test_sqlite_is_never_called_in_the_thread_of_the_loop() -> None:
    threads: set[str] = set()

    def connect() -> sqlite3.Connection:
        threads.add(threading.current_thread().name)
        return in_memory()

    workers = Workers("reader", 1, connect, look_up, as_it_is)
    await workers.run(lambda _db: threads.add(threading.current_thread().name))
    await workers.aclose()

    assert threads == {"reader 1"}


def test_a_loop_that_ends_without_closing_leaves_threads_that_still_end() -> None:
    gate = Gate()
    left: list[Workers] = []

    async def crash() -> None:
        workers = Workers("reader", 1, in_memory, look_up, as_it_is)
        left.append(workers)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(workers.run, gate)
            await gate.wait_reached()
            nursery.cancel_scope.cancel()

    trio.run(crash)
    (thread,) = left[0]._threads
    assert thread.daemon
    left[0]._queue.put(None)
    gate.opened.set()

    thread.join(10)
    assert not thread.is_alive()
