"""How the parts of a SQLite storage ask: through one method, which `SqliteStorage` has."""

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TypeVar

from gmbot.storage.rows import Row
from gmbot.storage.sqlite_worker import Work, Workers

T = TypeVar("T")


class Asking(ABC):
    """What the parts share: who writes, who reads, and what time it is."""

    _writer: Workers
    _readers: Workers
    _wall: Callable[[], float]

    @abstractmethod
    async def _ask(self, query: str, workers: Workers, work: Work[T]) -> T:
        """Have the work done, whole or not at all; `query` is a method's name of `Storage`."""

    async def _rows(self, query: str, text: str, parameters: Row = ()) -> list[Row]:
        """Return the rows of one statement that reads."""

        def work(db: sqlite3.Connection) -> list[Row]:
            return db.execute(text, parameters).fetchall()

        return await self._ask(query, self._readers, work)

    async def _row(self, query: str, text: str, parameters: Row) -> Row | None:
        """Return the first row of one statement that reads."""

        def work(db: sqlite3.Connection) -> Row | None:
            row: Row | None = db.execute(text, parameters).fetchone()
            return row

        return await self._ask(query, self._readers, work)

    async def _change(self, query: str, text: str, parameters: Row) -> int:
        """Do one statement that writes; return how many rows it changed."""

        def work(db: sqlite3.Connection) -> int:
            return db.execute(text, parameters).rowcount

        return await self._ask(query, self._writer, work)

    async def _change_each(self, query: str, text: str, parameters: Iterable[Row]) -> None:
        """Do one statement that writes with each of these parameters."""
        each = list(parameters)

        def work(db: sqlite3.Connection) -> None:
            db.executemany(text, each)

        await self._ask(query, self._writer, work)
