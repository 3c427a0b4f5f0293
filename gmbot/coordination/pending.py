"""Updates that go on after they were acknowledged: stored, claimed, done or put off.

A claim says that an instance has an update in hand. It ends by itself when that instance dies, and
the update goes on in another one, or in the next run.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import time

import trio

from gmbot.storage.errors import StorageError
from gmbot.storage.protocol import Storage
from gmbot.storage.records import PendingUpdate

CLAIM = 10.0  # seconds until what a dead instance had in hand goes on elsewhere
HEARTBEAT = 3.0  # seconds between two extensions of our claims
LOOK_EVERY = 1.0  # seconds between two looks for what is due
AT_ONCE = 50  # updates claimed at a time
NOBODY = ""  # holds what is up for taking: no instance prolongs that claim


class PendingUpdates:
    """This instance's hand in the stored updates."""

    def __init__(self, storage: Storage, *, instance: str, now: Callable[[], float] = time) -> None:
        self._storage = storage
        self._instance = instance
        self._now = now

    async def keep(self, update_id: int, payload: bytes) -> None:
        """Store an update that this instance is at work on. Raises StorageError."""
        now = self._now()
        await self._storage.store_update(
            PendingUpdate(update_id, payload, attempts=0, available_at=now),
            claimed_by=self._instance,
            claimed_to=now + CLAIM,
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
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_claims, name="pending updates: keep claims")
            task_status.started()
            while True:
                # What cannot be claimed now stays due; the storage's observers say why.
                with suppress(StorageError):
                    for update in await self._claim():
                        await resume(update)
                await trio.sleep(LOOK_EVERY)

    async def _keep_claims(self) -> None:
        while True:
            await trio.sleep(HEARTBEAT)
            with suppress(StorageError):
                await self._storage.extend_claims(
                    instance=self._instance, until=self._now() + CLAIM
                )

    async def _claim(self) -> list[PendingUpdate]:
        now = self._now()
        return await self._storage.claim_updates(
            instance=self._instance, now=now, until=now + CLAIM, limit=AT_ONCE
        )
