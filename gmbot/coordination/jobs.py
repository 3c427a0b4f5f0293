"""Long work that goes on after the flow that asked for it: stored, claimed, done or put off.

Of one kind and key there is one job at a time. Asked for again while it is at work, it is done
once more: what was asked for last is surely done after it was asked for.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from time import time
from typing import Any

import trio

from gmbot.coordination.claims import LOOK_EVERY, Claims
from gmbot.storage.errors import StorageError
from gmbot.storage.protocol import Storage
from gmbot.storage.records import Job

# Jobs claimed at a time: none waits in our hands that another instance could do.
AT_ONCE = 1
# Jobs that wait to be written down; at this bound a further one is dropped, since what wants it
# will be met again.
SOON = 1000


class Jobs:
    """This instance's hand in the stored jobs."""

    def __init__(self, storage: Storage, *, instance: str, now: Callable[[], float] = time) -> None:
        self._storage = storage
        self._claims = Claims(storage, instance=instance, now=now)
        self._now = now
        self._wanted: dict[tuple[str, str], Mapping[str, Any]] = {}

    async def add(
        self, kind: str, key: str | int = "", payload: Mapping[str, Any] | None = None
    ) -> None:
        """Ask for a job, due at once; `payload` is a JSON object. Raises StorageError."""
        await self._storage.add_job(kind, str(key), payload or {}, now=self._now())

    def add_soon(
        self, kind: str, key: str | int = "", payload: Mapping[str, Any] | None = None
    ) -> None:
        """Ask for a job from where one cannot wait: written down within about a second.

        Lost where the process dies before that: for what would be asked for again.
        """
        if len(self._wanted) < SOON:
            self._wanted[kind, str(key)] = payload or {}

    async def save(self, job: Job, payload: Mapping[str, Any]) -> bool:
        """Write how far a job has come; False: it was asked for anew. Raises StorageError."""
        return await self._storage.save_job(job, payload)

    async def put_off(self, job: Job, *, attempts: int, delay: float) -> None:
        """Give a job back, to be tried again in `delay` seconds. Raises StorageError."""
        await self._storage.postpone_job(job, attempts=attempts, available_at=self._now() + delay)

    async def finish(self, job: Job) -> bool:
        """Forget a job that is done; False: it is due once more. Raises StorageError."""
        return await self._storage.finish_job(job)

    async def run(
        self,
        resume: Callable[[Job], Awaitable[None]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Hand what is due to `resume`, and keep our claims alive, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._write_wanted, name="jobs: write what is wanted")
            await self._claims.hand_out(self._claim, resume, name="jobs", task_status=task_status)

    async def _write_wanted(self) -> None:
        while True:
            with suppress(StorageError):
                while self._wanted:
                    (kind, key), payload = next(iter(self._wanted.items()))
                    await self.add(kind, key, payload)
                    if self._wanted[kind, key] is payload:  # not asked for anew meanwhile
                        del self._wanted[kind, key]
            await trio.sleep(LOOK_EVERY)

    async def _claim(self) -> list[Job]:
        return await self._storage.claim_jobs(
            instance=self._claims.instance,
            now=self._now(),
            until=self._claims.until(),
            limit=AT_ONCE,
        )
