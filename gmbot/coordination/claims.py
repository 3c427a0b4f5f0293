"""Work that is stored, handed out: claimed, kept in hand as long as we live, and given on.

A claim says that an instance has something in hand. It ends by itself when that instance dies, and
the work goes on in another one, or in the next run.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

import trio

from gmbot.storage.errors import StorageError
from gmbot.storage.protocol import Storage

T = TypeVar("T")

CLAIM = 10.0  # seconds until what a dead instance had in hand goes on elsewhere
HEARTBEAT = 3.0  # seconds between two extensions of our claims
LOOK_EVERY = 1.0  # seconds between two looks for what is due


class Claims:
    """What one instance claims. `now` tells seconds since 1970."""

    def __init__(self, storage: Storage, *, instance: str, now: Callable[[], float]) -> None:
        self._storage = storage
        self._now = now
        self.instance = instance

    def until(self) -> float:
        """Return when a claim that is made or prolonged now ends."""
        return self._now() + CLAIM

    async def hand_out(
        self,
        claim: Callable[[], Awaitable[Sequence[T]]],
        resume: Callable[[T], Awaitable[None]],
        *,
        name: str,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Give what `claim` claims to `resume`, and keep our claims alive, until cancelled.

        `name` is what the work is called in a nursery trace.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep, name=f"{name}: keep claims")
            task_status.started()
            while True:
                claimed: Sequence[T] = ()
                # What cannot be claimed now stays due; the storage's observers say why.
                with suppress(StorageError):
                    claimed = await claim()
                for work in claimed:
                    await resume(work)
                if not claimed:
                    await trio.sleep(LOOK_EVERY)

    async def _keep(self) -> None:
        while True:
            await trio.sleep(HEARTBEAT)
            with suppress(StorageError):
                await self._storage.extend_claims(instance=self.instance, until=self.until())
