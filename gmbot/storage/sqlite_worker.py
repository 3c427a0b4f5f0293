"""A thread with a SQLite connection of its own, and the queue of what is asked of it.

trio's thread never calls SQLite: a look-up may wait for the disk, a write for another process. A
caller parks on an event under its own deadline; when it is cancelled, its job is either skipped or
done whole, and the connection knows nothing of it.

The writer commits in groups: what was queued while one transaction ran is committed together, each
job in a savepoint of its own. Ten people muted at once wait for one flush of the disk, not for ten,
and a job that fails takes nobody with it.
"""

import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import trio

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

# Jobs in one transaction: enough to share a flush, few enough to hold the lock for milliseconds.
MAX_GROUP = 128


class Job(Generic[T]):
    """One call that waits for its turn; the worker sets `result` or `error`."""

    __slots__ = ("abandoned", "done", "error", "result", "work")

    result: T

    def __init__(self, work: Work[T]) -> None:
        self.work = work
        self.done = trio.Event()
        self.abandoned = False
        self.error: Exception | None = None


def commit_together(connection: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> None:
    """Do all jobs in one transaction; one that fails is undone alone.

    Where the transaction itself fails, so do all jobs. Where nobody waits any more, there is none:
    a stop must not wait for another process's lock on behalf of callers who have left.
    """
    if all(job.abandoned for job in jobs):
        return
    try:
        connection.execute("BEGIN IMMEDIATE")
        for job in jobs:
            if not job.abandoned:
                _do_in_savepoint(connection, job)
        connection.execute("COMMIT")
    except Exception as error:  # noqa: BLE001  it is raised where the callers wait
        for job in jobs:
            job.error = error
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _do_in_savepoint(connection: sqlite3.Connection, job: Job[Any]) -> None:
    connection.execute("SAVEPOINT job")
    try:
        job.result = job.work(connection)
    except Exception as error:
        if not connection.in_transaction:  # SQLite has undone everything, as on a full disk
            raise
        job.error = error
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")


def look_up(connection: sqlite3.Connection, jobs: Sequence[Job[Any]]) -> None:
    """Do reading jobs, of one statement each, one after the other."""
    for job in jobs:
        if not job.abandoned:
            try:
                job.result = job.work(connection)
            except Exception as error:  # noqa: BLE001  it is raised where the caller waits
                job.error = error


class Workers:
    """Threads that serve one queue. `connect` opens a connection, in the thread that will use it.

    `translate` names errors and tells whether the connection is to be opened anew after one.
    """

    def __init__(
        self,
        name: str,
        threads: int,
        connect: Callable[[], sqlite3.Connection],
        serve: Callable[[sqlite3.Connection, Sequence[Job[Any]]], None],
        translate: Callable[[Exception], tuple[Exception, bool]],
        *,
        group: int = 1,
    ) -> None:
        self._connect = connect
        self._serve = serve
        self._translate = translate
        self._group = group
        self._queue: queue.SimpleQueue[Job[Any] | None] = queue.SimpleQueue()
        self._token = trio.lowlevel.current_trio_token()
        # Daemons: a process whose loop has crashed must end, and SQLite survives that.
        self._threads = [
            threading.Thread(target=self._run, name=f"{name} {number}", daemon=True)
            for number in range(1, threads + 1)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, work: Work[T]) -> T:
        """Have the work done in one of the threads and return what it returned."""
        job = Job(work)
        self._queue.put(job)
        try:
            await job.done.wait()
        finally:
            job.abandoned = True
        if job.error is not None:
            try:
                raise job.error
            finally:
                del job  # else the error's traceback and the job hold each other
        return job.result

    async def aclose(self) -> None:
        """Do what is queued, then end the threads. `run` may not be called any more.

        A thread whose disk does not answer is left behind when the caller's patience ends.
        """
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            await trio.to_thread.run_sync(thread.join, abandon_on_cancel=True)
        self._threads.clear()

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        ending = False
        while not ending:
            jobs, ending = self._take()
            if jobs:
                connection = self._do(connection, jobs)
                self._deliver(jobs)
        if connection is not None:
            connection.close()

    def _do(
        self, connection: sqlite3.Connection | None, jobs: Sequence[Job[Any]]
    ) -> sqlite3.Connection | None:
        """Do the jobs; return the connection, or None where it must be opened anew."""
        try:
            if connection is None:
                connection = self._connect()
            self._serve(connection, jobs)
        except Exception as error:  # noqa: BLE001  it is raised where the callers wait
            for job in jobs:
                job.error = error
        if self._settle(jobs) and connection is not None:
            connection.close()
            connection = None
        return connection

    def _take(self) -> tuple[list[Job[Any]], bool]:
        """Wait for a job; return it with those behind it, and whether the end was among them."""
        jobs: list[Job[Any]] = []
        job = self._queue.get()
        while job is not None:
            jobs.append(job)
            if len(jobs) == self._group:
                return jobs, False
            try:
                job = self._queue.get_nowait()
            except queue.Empty:
                return jobs, False
        return jobs, True

    def _settle(self, jobs: Sequence[Job[Any]]) -> bool:
        """Name the errors; return whether one of them spoils the connection."""
        spoilt = False
        for job in jobs:
            if job.error is not None:
                job.error, spoils = self._translate(job.error)
                spoilt |= spoils
        return spoilt

    def _deliver(self, jobs: Sequence[Job[Any]]) -> None:
        def wake() -> None:
            for job in jobs:
                job.done.set()

        with contextlib.suppress(trio.RunFinishedError):  # then nobody waits any more
            self._token.run_sync_soon(wake)
