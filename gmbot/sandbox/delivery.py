"""Delivery of updates to a webhook: which update goes when, over which connection.

Order is kept within a lane; lanes go side by side. At most twice `max_connections` updates are
looked at ahead, so lanes that fail for long hold up all others. Until something succeeds, and
after 10 s without a success, no second connection is opened. Source: WebhookActor.cpp.
"""

import heapq
import itertools
import math
import ssl
from collections import deque
from collections.abc import Callable, Hashable
from http import HTTPStatus
from random import Random
from typing import Final

import msgspec
import trio

from gmbot.sandbox.hook_connection import HookConnection, HookFailure
from gmbot.sandbox.queue import Entry, UpdateQueue
from gmbot.sandbox.webhook import GONE_AFTER, Webhook, retry_delay

ANSWER_WITHIN: Final = 60.0  # seconds
ACTIVE: Final = 10.0  # seconds since the last success


class Attempt(msgspec.Struct, frozen=True):
    """One POST of one update; `status` is None where no answer came. Times are in seconds."""

    update_id: int
    at: float
    took: float
    status: int | None
    error: str | None


class DeliveryOptions(msgspec.Struct, frozen=True):
    """How patient deliveries are: `retry_base` stretches or shrinks all delays of the schedule."""

    retry_base: float = 1.0
    answer_within: float = ANSWER_WITHIN
    gone_after: float = GONE_AFTER
    tls: ssl.SSLContext | None = None


class Delivery:
    """Sends the updates of one queue to one webhook.

    `on_attempt` hears of each attempt; `on_gone` is called when the receiver has answered 410 for
    so long that the webhook is removed.
    """

    def __init__(
        self,
        webhook: Webhook,
        queue: UpdateQueue,
        *,
        clock: Callable[[], float],
        random: Random,
        options: DeliveryOptions,
        on_attempt: Callable[[Attempt], None],
        on_gone: Callable[[], None],
    ) -> None:
        self.most_connections = 0  # open at the same time
        self._webhook = webhook
        self._queue = queue
        self._clock = clock
        self._random = random
        self._options = options
        self._on_attempt = on_attempt
        self._on_gone = on_gone
        self._unseen: deque[Entry] = deque(queue.pending)
        self._lanes: dict[Hashable, deque[_Job]] = {}
        self._loaded = 0
        self._ready: list[tuple[float, int, Hashable]] = []
        self._order = itertools.count()
        self._free: list[HookConnection] = []
        self._connections: set[HookConnection] = set()
        self._last_success = -math.inf
        self._first_gone: float | None = None
        self._wakeup = trio.Event()
        self._scope = trio.CancelScope()

    async def run(self) -> None:
        """Deliver until stopped."""
        with self._scope:
            try:
                async with trio.open_nursery() as nursery:
                    while True:
                        self._wakeup = trio.Event()
                        again = self._dispatch(nursery)
                        with trio.CancelScope(deadline=again):
                            await self._wakeup.wait()
            finally:
                for connection in self._connections:
                    connection.close()

    def stop(self) -> None:
        """Deliver no more; what is under way is given up."""
        self._scope.cancel()

    def put(self, entry: Entry) -> None:
        """Take a new update."""
        self._unseen.append(entry)
        self._wakeup.set()

    def _dispatch(self, nursery: trio.Nursery) -> float:
        """Send what can be sent now; returns when to look again."""
        now = trio.current_time()
        self._queue.expire(self._clock())
        self._load(now)
        while self._ready and self._ready[0][0] <= now:
            lane = self._ready[0][2]
            job = self._lanes[lane][0]
            if job.entry.end is not None:  # too old, or dropped
                heapq.heappop(self._ready)
                self._next(lane, now)
                continue
            connection = self._connection(now)
            if connection is None:
                return math.inf
            heapq.heappop(self._ready)
            nursery.start_soon(self._send, lane, job, job.entry.body, connection)
        return self._ready[0][0] if self._ready else math.inf

    def _load(self, now: float) -> None:
        while self._unseen and self._loaded < 2 * self._webhook.max_connections:
            entry = self._unseen.popleft()
            if entry.end is not None:
                continue
            lane = ("alone", entry.update_id) if entry.lane is None else entry.lane
            jobs = self._lanes.setdefault(lane, deque())
            jobs.append(_Job(entry))
            self._loaded += 1
            if len(jobs) == 1:
                self._schedule(lane, now)

    def _connection(self, now: float) -> HookConnection | None:
        while self._free:
            connection = self._free.pop()
            if not connection.is_stale:
                return connection
            self._close(connection)
        is_active = now - self._last_success <= ACTIVE
        if len(self._connections) >= (self._webhook.max_connections if is_active else 1):
            return None
        connection = HookConnection(self._webhook, self._options.tls)
        self._connections.add(connection)
        self.most_connections = max(self.most_connections, len(self._connections))
        return connection

    def _close(self, connection: HookConnection) -> None:
        connection.close()
        self._connections.discard(connection)

    async def _send(
        self, lane: Hashable, job: "_Job", body: bytes, connection: HookConnection
    ) -> None:
        entry = job.entry
        at, started = self._clock(), trio.current_time()
        status, retry_after, error = None, 0, None
        try:
            with trio.fail_after(self._options.answer_within):
                status, reason, retry_after = await connection.post(body)
        except HookFailure as failure:
            error = str(failure)
        except trio.TooSlowError:
            error = "Read timeout expired"
        else:
            if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
                error = f"Wrong response from the webhook: {status} {reason}"
        now = trio.current_time()
        if connection.is_open:
            self._free.append(connection)
        else:
            self._close(connection)
        self._on_attempt(Attempt(entry.update_id, at, now - started, status, error))
        if status is not None:
            self._note_gone(now, is_gone=status == HTTPStatus.GONE)
        if error is None:
            self._last_success = now
            entry.delivered += 1
            self._queue.forget(entry, "confirmed")
            self._next(lane, now)
        else:
            self._retry(lane, job, now, retry_after)
        self._wakeup.set()

    def _retry(self, lane: Hashable, job: "_Job", now: float, retry_after: int) -> None:
        job.delay, wait = retry_delay(job.fails, job.delay, retry_after, self._random)
        job.fails += 1
        wait *= self._options.retry_base
        if self._clock() + wait > job.entry.expires:
            self._queue.forget(job.entry, "expired")
            self._next(lane, now)
        else:
            self._schedule(lane, now + wait)

    def _next(self, lane: Hashable, now: float) -> None:
        jobs = self._lanes[lane]
        jobs.popleft()
        self._loaded -= 1
        if jobs:
            self._schedule(lane, now)
        else:
            del self._lanes[lane]
        self._load(now)

    def _schedule(self, lane: Hashable, at: float) -> None:
        heapq.heappush(self._ready, (at, next(self._order), lane))

    def _note_gone(self, now: float, *, is_gone: bool) -> None:
        if not is_gone:
            self._first_gone = None
        elif self._first_gone is None:
            self._first_gone = now
        elif now > self._first_gone + self._options.gone_after:
            self._on_gone()


class _Job:
    """An update on its way: failures so far and its base delay."""

    __slots__ = ("delay", "entry", "fails")

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.fails = 0
        self.delay = 1.0
