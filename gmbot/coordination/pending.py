"""Updates that go on after they were acknowledged: stored, claimed, done or put off."""

from collections.abc import Awaitable, Callable
from time import time

import trio

from gmbot.coordination.claims import Claims
from gmbot.storage.protocol import Storage
from gmbot.storage.records import PendingUpdate

AT_ONCE = 50  # updates claimed at a time
NOBODY = ""  # holds what is up for taking: no instance prolongs that claim


class PendingUpdates:
    """This instance's hand in the stored updates."""

    def __init__(self, storage: Storage, *, instance: str, now: Callable[[], float] = time) -> None:
        self._storage = storage
        self._claims = Claims(storage, instance=instance, now=now)
        self._now = now

    async def keep(self, update_id: int, payload: bytes) -> None:
        """Store an update that this instance is at work on. Raises StorageError."""
        await self._storage.store_update(
            PendingUpdate(update_id, payload, attempts=0, available_at=self._now()),
            claimed_by=self._claims.instance,
            claimed_to=self._claims.until(),
        )

    async def shelve(self, update_id: int, payload: bytes) -> None:
        """Store an update for whoever has room for it. Raises StorageError."""
        now = self._now()
        await self._storage.store_update(
            PendingUpdate(update_id, payload, attempts=0, available_at=now),
            claimed_by=NOBODY,
            claimed_to=now,
        )

    async def put_off(self, update_id: int, *, attempts: int, delay: float) -> None:
        """Give an update back, to be tried again in `delay` seconds. Raises StorageError."""
        await self._storage.postpone_update(
            update_id, attempts=attempts, available_at=self._now() + delay
        )

    async def finish(self, update_id: int) -> None:
        """Forget an update that is done. Raises StorageError."""
        await self._storage.finish_update(update_id)

    async def run(
        self,
        resume: Callable[[PendingUpdate], Awaitable[None]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Hand what is due to `resume`, and keep our claims alive, until cancelled."""
        await self._claims.hand_out(
            self._claim, resume, name="pending updates", task_status=task_status
        )

    async def _claim(self) -> list[PendingUpdate]:
        return await self._storage.claim_updates(
            instance=self._claims.instance,
            now=self._now(),
            until=self._claims.until(),
            limit=AT_ONCE,
        )
