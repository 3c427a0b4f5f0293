"""What a flow has at hand."""

from collections.abc import Callable
from random import Random
from time import time

import trio

from gmbot.api.client import BotApi
from gmbot.api.types import User
from gmbot.cache.memory import MemoryCache, Ttl
from gmbot.coordination.jobs import Jobs
from gmbot.guard.deletions import Deletions
from gmbot.guard.enforcement import Enforcement
from gmbot.guard.membership import Memberships
from gmbot.guard.notices import Board
from gmbot.guard.policies import Policies
from gmbot.guard.replies import Replies
from gmbot.guard.requests import Requests
from gmbot.guard.retention import Retention
from gmbot.guard.roles import Roles
from gmbot.guard.sightings import Sightings
from gmbot.storage.protocol import Storage
from gmbot.telemetry.metrics import Metrics

# At most one look-up a person in 3 s, however often they press.
PRESS_TTL = Ttl(3.0, 0.0)
PRESSERS = 10_000


class Guard:
    """The rules and the state of guarding groups, for one bot.

    `nursery` is for the notices, which outlive the flows that begin them.
    """

    def __init__(
        self,
        me: User,
        api: BotApi,
        storage: Storage,
        nursery: trio.Nursery,
        *,
        instance: str,
        metrics: Metrics,
        random: Random,
        now: Callable[[], float] = time,
    ) -> None:
        self.me = me
        self.api = api
        self.metrics = metrics
        self.now = now
        self.jobs = Jobs(storage, instance=instance, now=now)
        self.policies = Policies(storage, on_change=self._refresh, on_watch=self._watch)
        self.memberships = Memberships(
            api, metrics=metrics, random=random, on_hidden=self.look_for_channel
        )
        self.roles = Roles(api, random=random)
        self.deletions = Deletions(api)
        self.enforcement = Enforcement(api, storage, self.deletions, self.jobs)
        self.board = Board(api, storage, self.policies, nursery, now=now)
        self.replies = Replies(api, storage)
        self.sightings = Sightings(storage, now=now)
        self.requests = Requests(storage)
        self.retention = Retention(storage, now=now)
        self._presses: MemoryCache[int, bool] = MemoryCache(capacity=PRESSERS, random=random)

    async def open(self) -> None:
        """Take up where an earlier run, or another instance, has left off. Raises StorageError."""
        await self.policies.load()
        await self.board.restore()
        await self.jobs.add("restart", "")

    def may_press(self, user_id: int) -> bool:
        """Whether a person's press is looked at now; if so, the next one waits its time."""
        if self._presses.get(user_id) is not None:
            return False
        self._presses.put(user_id, True, PRESS_TTL)
        return True

    def follow(self, chat_id: int, new_chat_id: int) -> None:
        """Have a group that got a new id followed, soon. Never blocks."""
        self.jobs.add_soon("migrate", chat_id, {"to": new_chat_id})

    def _refresh(self, group_id: int) -> None:
        """Let a group's notice follow what the group wants."""
        self.board.refresh(group_id)

    def _watch(self, channel_id: int) -> None:
        """Forget what was known of a channel: who left it meanwhile, nobody told."""
        self.memberships.forget_channel(channel_id)

    def look_for_channel(self, channel_id: int) -> None:
        """Have it looked up what a channel is called, and whether we see it. Never blocks."""
        self.jobs.add_soon("sight", channel_id)
