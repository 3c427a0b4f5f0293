"""Opens a SQLite file, and says in plain words what is wrong with it.

Durability: `synchronous=FULL`, so that a commit is on the disk when its caller goes on. With
NORMAL, the last commits may be lost with the machine's power, and they are what must not be lost:
the record of somebody who is muted already, an update that Telegram will not send again. Group
commit (see sqlite_worker) pays for it.
"""

import os
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from gmbot.storage import schema
from gmbot.storage.errors import StorageError, StorageUnavailable, StorageUnusable

# Opening has more patience than a query, since no update waits for it: this many times its timeout.
_PATIENCE = 5
_RETRY = 0.05  # seconds between attempts to open a file that another process has locked


class SqliteFile:
    """A database file: how to open it and what its errors mean. `busy_timeout` is in seconds."""

    def __init__(self, path: str, *, busy_timeout: float) -> None:
        self.path = Path(path).absolute()
        self._busy_timeout = busy_timeout
        self._opened: tuple[int, int] | None = None

    def __str__(self) -> str:
        return f"database {self.path}"

    def open_writer(self) -> sqlite3.Connection:
        """Open for writing, and bring the schema up to date.

        Where processes start at once on a new file, SQLite may say at once that it is locked:
        where two switch to WAL, none waits for the other. So this tries again for a while.
        """
        give_up = time.monotonic() + _PATIENCE * self._busy_timeout
        while True:
            connection = self._connect()
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA foreign_keys = ON")
                self._apply_schema(connection)
            except sqlite3.OperationalError as error:
                connection.close()
                if _primary_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up:
                    raise
                time.sleep(_RETRY)
            except BaseException:
                connection.close()
                raise
            else:
                self._opened = _identity(self.path)
                return connection

    def require_in_place(self) -> None:
        """Raise StorageUnusable where the file that is open for writing was moved away or removed.

        With WAL, SQLite goes on writing to it, and at the end all of that is gone.
        """
        if self._opened is None or _identity(self.path) != self._opened:
            raise StorageUnusable(
                f"{self} was removed or replaced while in use: put it back, or restart GMBot"
            )

    def open_reader(self) -> sqlite3.Connection:
        """Open for reading; the writer has been here before."""
        connection = self._connect()
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=self._busy_timeout, isolation_level=None)

    def _apply_schema(self, connection: sqlite3.Connection) -> None:
        version_table, *rest = schema.statements()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(version_table)
        (found,) = connection.execute(schema.CURRENT_VERSION).fetchone()
        schema.refuse_newer(found, str(self))
        for statement in (*schema.upgrade(found), *rest):
            connection.execute(statement)
        connection.execute("COMMIT")

    def translate(self, error: Exception) -> tuple[Exception, bool]:
        """Name an error; also tell whether its connection should be opened anew.

        Errors that are none of SQLite's or of the values it was given are bugs: they stay as is.
        """
        if isinstance(error, sqlite3.Error):
            code = _primary_code(error)
            if code == sqlite3.SQLITE_CANTOPEN:
                named = self._why_not_opened()
            else:
                kind, words = _MEANING.get(code, (StorageError, "refused a call"))
                named = kind(f"{self} {words} ({error})")
            named.__cause__ = error.with_traceback(None)  # its frames would hold on to the jobs
            return named, code in _SPOILING
        if isinstance(error, OverflowError | ValueError | msgspec.MsgspecError):
            named = StorageError(f"{self} cannot hold or read a value ({error})")
            named.__cause__ = error.with_traceback(None)
            return named, False
        return error, False

    def _why_not_opened(self) -> StorageError:
        if self.path.is_dir():
            return StorageUnusable(f"{self} is a directory: name a file in DATABASE_URL")
        if not self.path.parent.is_dir():
            return StorageUnusable(f"{self}: there is no directory {self.path.parent}: make it")
        if not _may_be_written(self.path):
            return StorageUnusable(f"{self}: no permission to write it: change its owner or mode")
        return StorageUnavailable(f"{self} cannot be opened now")


# What SQLite's primary codes mean here. Source: sqlite.org/rescode.html. Left out: CANTOPEN, which
# has many causes, and what refuses one call only (CONSTRAINT and the like).
_MEANING: Mapping[int, tuple[type[StorageError], str]] = {
    sqlite3.SQLITE_BUSY: (StorageUnavailable, "is locked by another process"),
    sqlite3.SQLITE_LOCKED: (StorageUnavailable, "is locked by another process"),
    sqlite3.SQLITE_PROTOCOL: (StorageUnavailable, "is locked by another process"),
    sqlite3.SQLITE_FULL: (StorageUnavailable, "has no room: free some on its disk"),
    sqlite3.SQLITE_IOERR: (StorageUnavailable, "does not answer: its disk failed"),
    sqlite3.SQLITE_NOMEM: (StorageUnavailable, "has no memory"),
    sqlite3.SQLITE_INTERRUPT: (StorageUnavailable, "was interrupted"),
    sqlite3.SQLITE_PERM: (StorageUnusable, "cannot be written: change its owner or mode"),
    sqlite3.SQLITE_READONLY: (StorageUnusable, "cannot be written: change its owner or mode"),
    sqlite3.SQLITE_CORRUPT: (StorageUnusable, "is damaged: restore a backup"),
    sqlite3.SQLITE_NOTADB: (
        StorageUnusable,
        "is a file of another kind: name another one in DATABASE_URL",
    ),
    sqlite3.SQLITE_ERROR: (
        StorageUnusable,
        "has other tables than GMBot's: name another one in DATABASE_URL",
    ),
}

# After these, what the connection remembers of the file is not to be trusted.
_SPOILING = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
}


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _primary_code(error: sqlite3.Error) -> int:
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)  # missing: not from SQLite
    return code & 0xFF  # the rest tells variants


def _may_be_written(path: Path) -> bool:
    """Whether this process may write the file, and files beside it, as WAL does."""
    effective = os.access in os.supports_effective_ids  # as whom the process acts, where told
    return os.access(path.parent, os.W_OK | os.X_OK, effective_ids=effective) and (
        not path.exists() or os.access(path, os.R_OK | os.W_OK, effective_ids=effective)
    )
