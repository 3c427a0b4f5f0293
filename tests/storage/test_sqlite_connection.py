import sqlite3
from pathlib import Path

import pytest

from gmbot.storage.errors import StorageError, StorageUnavailable, StorageUnusable
from gmbot.storage.sqlite_connection import SqliteFile

PATH = Path("/nowhere/gmbot.db")


@pytest.fixture
def file() -> SqliteFile:
    return SqliteFile(str(PATH), busy_timeout=0.1)


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("words")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "kind", "reopen"),
    [
        pytest.param(sqlite3.SQLITE_BUSY, StorageUnavailable, False, id="busy"),
        pytest.param(sqlite3.SQLITE_BUSY_SNAPSHOT, StorageUnavailable, False, id="a variant"),
        pytest.param(sqlite3.SQLITE_FULL, StorageUnavailable, False, id="full"),
        pytest.param(sqlite3.SQLITE_IOERR_FSYNC, StorageUnavailable, True, id="disk failed"),
        pytest.param(sqlite3.SQLITE_NOMEM, StorageUnavailable, False, id="no memory"),
        pytest.param(sqlite3.SQLITE_READONLY_DBMOVED, StorageUnusable, True, id="moved away"),
        pytest.param(sqlite3.SQLITE_CORRUPT, StorageUnusable, True, id="corrupt"),
        pytest.param(sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY, StorageError, False, id="constraint"),
    ],
)
def test_errors_are_named_by_what_to_do_next(
    file: SqliteFile, code: int, kind: type[StorageError], *, reopen: bool
) -> None:
    error = sqlite_error(code)

    named, spoils = file.translate(error)

    assert type(named) is kind
    assert str(named).startswith(f"database {PATH} ")
    assert named.__cause__ is error
    assert spoils is reopen


def test_a_file_that_cannot_be_opened_for_no_visible_reason_may_be_opened_later(
    tmp_path: Path,
) -> None:
    file = SqliteFile(str(tmp_path / "gmbot.db"), busy_timeout=0.1)

    named, spoils = file.translate(sqlite_error(sqlite3.SQLITE_CANTOPEN))

    assert type(named) is StorageUnavailable
    assert spoils


@pytest.mark.parametrize("error", [OverflowError("big"), ValueError("odd")])
def test_values_that_no_database_holds_fail_their_own_call(
    file: SqliteFile, error: Exception
) -> None:
    named, spoils = file.translate(error)

    assert type(named) is StorageError
    assert not spoils


def test_a_bug_stays_what_it_is(file: SqliteFile) -> None:
    error = TypeError("bug")

    assert file.translate(error) == (error, False)


def test_the_path_is_made_absolute_so_that_messages_name_the_place() -> None:
    assert SqliteFile("gmbot.db", busy_timeout=0.1).path == Path.cwd() / "gmbot.db"


def test_opening_tries_again_where_the_lock_did_not_wait(tmp_path: Path) -> None:
    path = tmp_path / "gmbot.db"
    holder = sqlite3.connect(path, isolation_level=None)
    attempts = []

    class Impatient(SqliteFile):
        """Its connections do not wait for locks, as SQLite does where two switch to WAL."""

        def _connect(self) -> sqlite3.Connection:
            attempts.append(1)
            if len(attempts) == 3:
                holder.execute("ROLLBACK")
            return sqlite3.connect(self.path, timeout=0, isolation_level=None)

    holder.execute("BEGIN EXCLUSIVE")
    connection = Impatient(str(path), busy_timeout=5).open_writer()

    assert len(attempts) == 3
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    holder.close()
