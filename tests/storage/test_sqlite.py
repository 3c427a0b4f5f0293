"""What is SQLite's own: the file, its locks and its failures, as people meet them."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import cast

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from gmbot.api.breaker import Breaker, BreakerPolicy
from gmbot.storage import schema
from gmbot.storage.errors import StorageError, StorageUnavailable, StorageUnusable
from gmbot.storage.protocol import Storage
from gmbot.storage.records import (
    Channel,
    Group,
    Owner,
    PendingUpdate,
    QueryRecord,
    Restriction,
    RestrictionState,
)
from gmbot.storage.sqlite import SqliteStorage, open_sqlite

OWNER = Owner(7, "owner")
GROUP = Group(-100, 7, "Chat")
NEWS = Channel(-1001, "News", "news", None)


def wanted(user_id: int) -> Restriction:
    return Restriction(-100, user_id, "Ann", RestrictionState.WANTED, 0, None, None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gmbot.db"


async def cannot_open(path: Path, kind: type[StorageError]) -> str:
    """Try to open; return the error's text, which is one line and names the path."""
    with pytest.raises(kind) as caught, trio.fail_after(20):
        async with open_sqlite(str(path), busy_timeout=0.1):
            pass
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


@contextmanager
def another_process(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run code that says `ready` once it is."""
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


LOCKER = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN " + sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
db.execute("ROLLBACK")
db.close()
print("released", flush=True)
"""


def release(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "released\n"


def overwrite(path: Path, start: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(content)


async def fill_the_disk(storage: Storage, pages: int | None) -> None:
    """Let the file grow to this many pages and no more; None: as it likes."""

    def limit(db: sqlite3.Connection) -> None:
        db.execute(f"PRAGMA max_page_count = {pages or 1_000_000_000}")

    await cast("SqliteStorage", storage)._writer.run(limit)


# Opening.


async def test_a_new_file_is_made_and_left_as_a_single_file(path: Path) -> None:
    async with open_sqlite(str(path)) as storage:
        await storage.protect(OWNER, GROUP, [NEWS])

    assert [entry.name for entry in path.parent.iterdir()] == ["gmbot.db"]


async def test_opening_again_keeps_everything_and_the_time_of_creation(path: Path) -> None:
    async with open_sqlite(str(path), wall=lambda: 1000.0) as storage:
        await storage.protect(OWNER, GROUP, [NEWS])
    async with open_sqlite(str(path), wall=lambda: 2000.0) as storage:
        await storage.protect(OWNER, GROUP, [NEWS])

    db = sqlite3.connect(path)
    for table in ("owners", "protected_groups", "enforced_channels"):
        times = db.execute(f"SELECT created_at, updated_at FROM {table}").fetchall()  # noqa: S608  of the line above
        assert times == [(1000.0, 2000.0)]
    assert db.execute("SELECT created_at FROM group_channel_links").fetchall() == [(1000.0,)]
    db.close()


async def test_the_writer_works_as_durability_demands(path: Path) -> None:
    def settings(db: sqlite3.Connection) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [db.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    def query_only(db: sqlite3.Connection) -> int:
        return int(db.execute("PRAGMA query_only").fetchone()[0])

    async with open_sqlite(str(path)) as opened:
        storage = cast("SqliteStorage", opened)
        full = 2  # https://sqlite.org/pragma.html#pragma_synchronous
        in_transaction = await storage._writer.run(settings)
        reader = await storage._readers.run(query_only)

    assert in_transaction == ["wal", full, 1]
    assert reader == 1


async def test_a_directory_is_no_database(tmp_path: Path) -> None:
    assert "is a directory: name a file" in await cannot_open(tmp_path, StorageUnusable)


async def test_a_missing_directory_is_named(tmp_path: Path) -> None:
    text = await cannot_open(tmp_path / "nowhere" / "gmbot.db", StorageUnusable)

    assert f"there is no directory {tmp_path / 'nowhere'}: make it" in text


async def test_a_file_of_another_kind_is_refused_and_left_alone(path: Path) -> None:
    await trio.Path(path).write_bytes(b"GIF89a" * 1000)

    assert "is a file of another kind" in await cannot_open(path, StorageUnusable)
    assert await trio.Path(path).read_bytes() == b"GIF89a" * 1000


async def test_a_damaged_database_is_refused(path: Path) -> None:
    async with open_sqlite(str(path)) as storage:
        await storage.protect(OWNER, GROUP, [NEWS])
    overwrite(path, 100, bytes(3996))

    assert "is damaged: restore a backup" in await cannot_open(path, StorageUnusable)


async def test_a_database_with_other_tables_is_refused(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE protected_groups (name TEXT)")
    db.close()

    assert "has other tables than GMBot's" in await cannot_open(path, StorageUnusable)


async def test_a_database_of_a_newer_version_is_refused_and_left_alone(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE schema_version (version BIGINT PRIMARY KEY)")
    db.execute("INSERT INTO schema_version VALUES (?)", (schema.VERSION + 1,))
    db.commit()

    assert "was made by a newer GMBot" in await cannot_open(path, StorageUnusable)
    assert db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall() == [
        ("schema_version",)
    ]
    db.close()


@pytest.fixture
def unprivileged_directory() -> Iterator[Path]:
    """A directory of our own, as somebody to whom permissions apply."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o777)
        ours = os.geteuid()
        if ours == 0:
            os.seteuid(65534)
        try:
            yield directory
        finally:
            os.seteuid(ours)
            directory.chmod(0o700)


async def test_a_file_without_permission_to_write_is_refused(
    unprivileged_directory: Path,
) -> None:
    path = unprivileged_directory / "gmbot.db"
    async with open_sqlite(str(path)):
        pass
    path.chmod(0o444)

    assert "cannot be written" in await cannot_open(path, StorageUnusable)


async def test_a_directory_without_permission_to_write_is_refused(
    unprivileged_directory: Path,
) -> None:
    directory = unprivileged_directory / "locked"
    directory.mkdir()
    directory.chmod(0o555)

    text = await cannot_open(directory / "gmbot.db", StorageUnusable)

    assert "no permission to write it: change its owner or mode" in text


async def test_a_database_locked_for_long_by_another_process_is_unavailable_at_start(
    path: Path,
) -> None:
    with another_process(LOCKER, str(path), "EXCLUSIVE"):
        assert "is locked by another process" in await cannot_open(path, StorageUnavailable)


async def test_a_database_locked_for_a_while_at_start_is_waited_for(path: Path) -> None:
    async def open_and_close() -> None:
        async with open_sqlite(str(path), busy_timeout=2) as storage:
            await storage.ping()

    with another_process(LOCKER, str(path), "EXCLUSIVE") as process, trio.fail_after(15):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(open_and_close)
            await trio.sleep(0.05)
            release(process)


STARTER = """
import sys, trio
from gmbot.storage.sqlite import open_sqlite
async def main():
    print("ready", flush=True)
    sys.stdin.readline()
    async with open_sqlite(sys.argv[1], busy_timeout=10):
        print("opened", flush=True)
        sys.stdin.readline()
trio.run(main)
"""


async def test_processes_that_start_at_once_on_a_new_file_all_open_it(path: Path) -> None:
    with (
        another_process(STARTER, str(path)) as first,
        another_process(STARTER, str(path)) as second,
        another_process(STARTER, str(path)) as third,
    ):
        processes = (first, second, third)
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()

        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "opened\n"


# Failing while open.


async def test_the_loop_goes_on_while_a_write_waits_for_another_process(path: Path) -> None:
    async with open_sqlite(str(path), busy_timeout=20) as storage:
        with another_process(LOCKER, str(path), "IMMEDIATE") as process, trio.fail_after(15):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(storage.protect, OWNER, GROUP, [NEWS])
                for _ in range(100):
                    await trio.sleep(0.001)
                assert await storage.protected_groups() == []
                with trio.move_on_after(0.05) as patience:
                    await storage.ping()
                assert patience.cancelled_caught
                release(process)
            assert len(await storage.protected_groups()) == 1


async def test_a_lock_held_too_long_is_unavailable_and_later_all_is_well(path: Path) -> None:
    async with open_sqlite(str(path), busy_timeout=0.05) as storage:
        with another_process(LOCKER, str(path), "IMMEDIATE") as process:
            with pytest.raises(StorageUnavailable, match="is locked by another process"):
                await storage.ping()
            release(process)
        await storage.ping()


async def test_a_full_disk_is_unavailable_and_with_room_again_all_is_well(path: Path) -> None:
    big = PendingUpdate(1, bytes(1_000_000), 0, 0.0)
    async with open_sqlite(str(path)) as storage:
        await fill_the_disk(storage, 50)

        with pytest.raises(StorageUnavailable, match="has no room: free some"):
            await storage.store_update(big, claimed_by="a", claimed_to=0.0)
        await storage.want_restriction(wanted(5))

        await fill_the_disk(storage, None)
        await storage.store_update(big, claimed_by="a", claimed_to=0.0)
        assert len(await storage.restrictions()) == 1


async def test_a_file_taken_away_while_in_use_is_unusable_until_it_is_put_back(path: Path) -> None:
    async with open_sqlite(str(path)) as storage:
        kept = await trio.Path(path).rename(path.with_name("kept.db"))
        with pytest.raises(StorageUnusable, match="removed or replaced"):
            await storage.want_restriction(wanted(1))
        await trio.Path(path).touch()
        with pytest.raises(StorageUnusable, match="removed or replaced"):
            await storage.ping()
        await kept.rename(path)

        await storage.want_restriction(wanted(2))

    async with open_sqlite(str(path)) as storage:
        assert [one.user_id for one in await storage.restrictions()] == [2]


async def test_damage_found_later_is_unusable(path: Path) -> None:
    async with open_sqlite(str(path)) as storage, trio.open_nursery() as nursery:
        for user_id in range(2000):
            nursery.start_soon(storage.want_restriction, wanted(user_id))
    size = (await trio.Path(path).stat()).st_size
    overwrite(path, size * 3 // 4, b"\xff" * (size // 4))

    async with open_sqlite(str(path)) as storage:
        for _ in range(2):
            with pytest.raises(StorageUnusable, match="is damaged: restore a backup"):
                await storage.restrictions()


async def test_one_failing_write_of_a_group_fails_alone(path: Path) -> None:
    failed: list[StorageError] = []

    async def protect(storage: Storage, owner_id: int, number: int) -> None:
        try:
            await storage.protect(OWNER, Group(number, owner_id, ""), [NEWS])
        except StorageError as error:
            failed.append(error)

    async with open_sqlite(str(path), busy_timeout=20) as storage:
        with another_process(LOCKER, str(path), "IMMEDIATE") as process:
            async with trio.open_nursery() as nursery:
                for number in range(9):
                    nursery.start_soon(protect, storage, 8 if number == 4 else 7, number)
                await wait_all_tasks_blocked()
                release(process)
        assert len(await storage.protected_groups()) == 8

    assert len(failed) == 1
    assert "FOREIGN KEY" in str(failed[0])


async def test_an_error_that_is_none_of_the_databases_is_raised_as_it_is(path: Path) -> None:
    def bug(_db: sqlite3.Connection) -> None:
        raise ZeroDivisionError

    async with open_sqlite(str(path)) as opened:
        storage = cast("SqliteStorage", opened)
        for workers in (storage._writer, storage._readers):
            with pytest.raises(ZeroDivisionError):
                await workers.run(bug)
        await storage.ping()


async def test_a_row_that_cannot_be_read_fails_alone(path: Path) -> None:
    async with open_sqlite(str(path)) as storage:
        await storage.protect(OWNER, GROUP, [NEWS])
        await storage.protect(OWNER, Group(-200, 7, "Other"), [NEWS])
        db = sqlite3.connect(path)
        db.execute("UPDATE protected_groups SET params = '[' WHERE group_id = -100")
        db.commit()
        db.close()

        with pytest.raises(StorageError, match="cannot hold or read a value"):
            await storage.protected_groups()
        assert await storage.protected_group(-200) is not None


WRITER = """
import sys, trio
from gmbot.storage.records import Restriction, RestrictionState
from gmbot.storage.sqlite import open_sqlite
async def main():
    async with open_sqlite(sys.argv[1]) as storage, trio.open_nursery() as nursery:
        async def write(first):
            for number in range(first, 1_000_000, 8):
                await storage.want_restriction(
                    Restriction(1, number, "", RestrictionState.WANTED, 0, None, None))
                print(number, flush=True)
        print("ready", flush=True)
        for first in range(8):
            nursery.start_soon(write, first)
trio.run(main)
"""


async def test_a_killed_process_loses_nothing_that_it_was_told_is_written(path: Path) -> None:
    with another_process(WRITER, str(path)) as process:
        assert process.stdout is not None
        told = [int(process.stdout.readline()) for _ in range(500)]
        process.send_signal(signal.SIGKILL)
        told += [int(line) for line in process.stdout if line.endswith("\n")]

    async with open_sqlite(str(path)) as storage:
        kept = {restriction.user_id for restriction in await storage.restrictions()}
    assert kept >= set(told)


async def test_no_thread_is_left_behind(path: Path) -> None:
    before = set(threading.enumerate())
    async with open_sqlite(str(path)):
        during = {thread.name for thread in set(threading.enumerate()) - before}

    assert {"database writer 1", "database reader 1", "database reader 2"} <= during
    assert not [one for one in threading.enumerate() if one.name.startswith("database")]


async def test_closing_does_not_wait_for_a_disk_that_hangs(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gmbot.storage.sqlite._CLOSING", 0.05)
    hanging, answered = threading.Event(), threading.Event()

    def hang(_db: sqlite3.Connection) -> None:
        hanging.set()
        assert answered.wait(20)

    with trio.fail_after(10):
        async with open_sqlite(str(path)) as storage, trio.open_nursery() as nursery:
            writer = cast("SqliteStorage", storage)._writer
            nursery.start_soon(writer.run, hang)
            await trio.to_thread.run_sync(hanging.wait)
            nursery.cancel_scope.cancel()

    assert [thread.is_alive() for thread in writer._threads] == [True]
    answered.set()
    for thread in writer._threads:
        await trio.to_thread.run_sync(thread.join, 10)


async def test_opening_can_be_cancelled(path: Path) -> None:
    with another_process(LOCKER, str(path), "EXCLUSIVE"), trio.fail_after(15):
        with trio.move_on_after(0.05) as patience:
            async with open_sqlite(str(path), busy_timeout=0.05):
                raise AssertionError
        assert patience.cancelled_caught


# The circuit breaker and the observer.


@asynccontextmanager
async def breakable(path: Path, clock: list[float]) -> AsyncIterator[Storage]:
    breaker = Breaker(
        "database",
        BreakerPolicy(failures=3, successes=2, rest=30.0, max_rest=30.0),
        clock=lambda: clock[0],
    )
    async with open_sqlite(str(path), breaker=breaker, busy_timeout=0.01) as storage:
        yield storage


async def test_after_three_failures_nothing_is_asked_for_thirty_seconds(path: Path) -> None:
    clock = [0.0]
    async with breakable(path, clock) as storage:
        with another_process(LOCKER, str(path), "IMMEDIATE") as process:
            for _ in range(3):
                with pytest.raises(StorageUnavailable, match="locked"):
                    await storage.ping()
            release(process)

        with pytest.raises(StorageUnavailable, match="has failed; it is asked again in 30 s"):
            await storage.protected_groups()
        clock[0] = 29.9
        with pytest.raises(StorageUnavailable, match="asked again"):
            await storage.protected_groups()
        clock[0] = 30.0
        assert await storage.protected_groups() == []


async def test_a_transaction_that_fails_is_one_failure_however_many_waited_for_it(
    path: Path,
) -> None:
    errors: list[str] = []

    async def ping(storage: Storage) -> None:
        try:
            await storage.ping()
        except StorageUnavailable as error:
            errors.append(str(error))

    async with breakable(path, [0.0]) as storage:
        with another_process(LOCKER, str(path), "IMMEDIATE") as process:
            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    nursery.start_soon(ping, storage)
            release(process)

        assert len(errors) == 20
        await storage.ping()


async def test_refused_calls_and_cancelled_ones_do_not_open_the_circuit(path: Path) -> None:
    async with breakable(path, [0.0]) as storage:
        for _ in range(5):
            with pytest.raises(StorageError):
                await storage.restriction(2**63, 1)
            with trio.CancelScope() as scope:
                scope.cancel()
                await storage.ping()

        await storage.ping()


async def test_each_query_is_told_to_the_observer_by_name(path: Path) -> None:
    records: list[QueryRecord] = []
    async with open_sqlite(str(path), observe=records.append) as storage:
        await storage.ping()
        await storage.protected_groups()
        with pytest.raises(StorageError):
            await storage.restriction(2**63, 1)
        with trio.CancelScope() as scope:
            scope.cancel()
            await storage.notice(1)

    assert [(record.query, record.ok) for record in records] == [
        ("ping", True),
        ("protected_groups", True),
        ("restriction", False),
        ("notice", False),
    ]
    assert all(0 <= record.took < 5 for record in records)
