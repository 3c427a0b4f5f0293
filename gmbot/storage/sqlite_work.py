"""Work that outlives its flow, and effects that happen once, in SQLite."""

# ruff: noqa: D102  what the methods promise is written once, in protocol.py

import sqlite3
from collections.abc import Mapping
from typing import Any

from gmbot.storage import rows
from gmbot.storage.records import Job, PendingUpdate
from gmbot.storage.sql import work as sql
from gmbot.storage.sqlite_asking import Asking


class WorkTables(Asking):
    """The part of `gmbot.storage.protocol.Storage` that is about work to be done."""

    # Effects.

    async def claim_effect(self, key: str) -> bool:
        columns = (rows.clean(key), self._wall())
        return await self._change("claim_effect", sql.CLAIM_EFFECT, columns) > 0

    async def release_effect(self, key: str) -> None:
        await self._change("release_effect", sql.RELEASE_EFFECT, (rows.clean(key),))

    async def forget_effects(self, prefix: str, *, before: float) -> None:
        columns = (before, len(prefix), prefix)
        await self._change("forget_effects", sql.FORGET_EFFECTS, columns)

    # Jobs.

    async def add_job(self, kind: str, key: str, payload: Mapping[str, Any], *, now: float) -> None:
        columns = rows.of_job(kind, key, payload, self._wall(), now)
        await self._change("add_job", sql.ADD_JOB, columns)

    async def claim_jobs(self, *, instance: str, now: float, until: float, limit: int) -> list[Job]:
        def work(db: sqlite3.Connection) -> list[Job]:
            due = [rows.read_job(row) for row in db.execute(sql.DUE_JOBS, (now, now, limit))]
            db.executemany(sql.CLAIM_JOB, [(instance, until, job.kind, job.key) for job in due])
            return due

        return await self._ask("claim_jobs", self._writer, work)

    async def save_job(self, job: Job, payload: Mapping[str, Any]) -> bool:
        columns = (rows.to_json(payload), *rows.key_of_job(job))
        return await self._change("save_job", sql.SAVE_JOB, columns) > 0

    async def postpone_job(self, job: Job, *, attempts: int, available_at: float) -> None:
        columns = (attempts, available_at, *rows.key_of_job(job))
        await self._end_job("postpone_job", sql.POSTPONE_JOB, columns, job)

    async def finish_job(self, job: Job) -> bool:
        return await self._end_job("finish_job", sql.FINISH_JOB, rows.key_of_job(job), job)

    async def _end_job(self, query: str, text: str, columns: rows.Row, job: Job) -> bool:
        """End the work on a job so, or, where it was asked for anew, give it back."""

        def work(db: sqlite3.Connection) -> bool:
            if db.execute(text, columns).rowcount > 0:
                return True
            db.execute(sql.GIVE_JOB_BACK, rows.key_of_job(job))
            return False

        return await self._ask(query, self._writer, work)

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
        def work(db: sqlite3.Connection) -> None:
            db.execute(sql.EXTEND_UPDATE_CLAIMS, (until, instance))
            db.execute(sql.EXTEND_JOB_CLAIMS, (until, instance))

        await self._ask("extend_claims", self._writer, work)

    async def postpone_update(self, update_id: int, *, attempts: int, available_at: float) -> None:
        await self._change(
            "postpone_update", sql.POSTPONE_UPDATE, (attempts, available_at, update_id)
        )

    async def finish_update(self, update_id: int) -> None:
        await self._change("finish_update", sql.FINISH_UPDATE, (update_id,))
