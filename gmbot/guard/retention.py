"""What was written down is forgotten when nothing asks for it any more.

What is said once for as long as something lasts (a right that is missing, a channel out of sight)
is not forgotten by its age, else it would be said again: whoever says it takes it back.
"""

from collections.abc import Callable
from time import time

import trio

from gmbot.guard.replies import ANSWERS
from gmbot.storage.errors import StorageError
from gmbot.storage.protocol import Storage

_DAY = 24 * 3600.0

# Seconds.
SIGHTINGS = 30 * _DAY
REQUESTS = 30 * _DAY
# Twice as long as Telegram keeps an update that was not fetched (core.telegram.org/bots/api,
# “Getting updates”): none that old asks for a reply.
REPLIES = 2 * _DAY

EVERY = 3600.0
RETRY = 60.0  # where the database is away


class Retention:
    """Forgets what is too old. `now` tells seconds since 1970."""

    def __init__(self, storage: Storage, *, now: Callable[[], float] = time) -> None:
        self._storage = storage
        self._now = now

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Forget once an hour, from the start on, until cancelled."""
        task_status.started()
        while True:
            try:
                await self._forget(self._now())
            except StorageError:  # its observers say why
                await trio.sleep(RETRY)
            else:
                await trio.sleep(EVERY)

    async def _forget(self, now: float) -> None:
        await self._storage.forget_sightings(before=now - SIGHTINGS)
        await self._storage.forget_join_requests(before=now - REQUESTS)
        await self._storage.forget_effects(ANSWERS, before=now - REPLIES)
