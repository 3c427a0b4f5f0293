"""Runs flows: each person's in order, persons side by side, bounded, one failure boundary.

An update is acknowledged when memory decided it, when its flow has ended, or when it is stored. A
flow that takes more than 2 s is stored and goes on beside the others, in a room of its own, or is
put off where that is full; one that fails is stored to be tried again. So nothing is lost, and
nobody waits for the slow.
"""

from collections.abc import Callable
from functools import partial
from math import inf

import structlog
import trio
from structlog.contextvars import bind_contextvars

from gmbot.api.records import MalformedUpdate
from gmbot.api.source import Received, read_update
from gmbot.api.types import Update
from gmbot.coordination.pending import PendingUpdates
from gmbot.flows.boundary import insist
from gmbot.flows.routes import Flow, Routes
from gmbot.flows.verdict import Failure, Verdict, judge, leaves, put_off
from gmbot.storage.errors import StorageError
from gmbot.storage.records import PendingUpdate
from gmbot.telemetry import events
from gmbot.telemetry.metrics import ErrorType, Metrics, UpdateOutcome

PATIENCE = 2.0  # seconds until a flow's update is stored and acknowledged
ROOM = 500  # flows at work at once; at this bound updates are stored for later
SLOW_ROOM = 500  # flows that are stored and go on; at this bound they are put off

# Seconds between two tries to store an update while the database is away.
STORE_AGAIN = 1.0

# Seconds. What waits behind another update comes due this much later, and one that comes due is
# not put off again where two clocks differ by less than the slack.
SPACING = 0.001
HELD_UP = 10_000  # people remembered before those whose time has come are forgotten
SLACK = 0.1

log = structlog.get_logger()


class Dispatch:
    """Takes updates from a source, and from what was stored, and runs their flows."""

    def __init__(
        self, routes: Routes, pending: PendingUpdates, nursery: trio.Nursery, *, metrics: Metrics
    ) -> None:
        self._routes = routes
        self._pending = pending
        self._nursery = nursery
        self._metrics = metrics
        self._room = trio.CapacityLimiter(ROOM)
        self._slow_room = trio.CapacityLimiter(SLOW_ROOM)
        self._last_of: dict[int, _Work] = {}  # by person
        self._works: dict[int, _Work] = {}  # by update
        self._held_up: dict[int, float] = {}  # by person, until when; in trio's clock
        self._is_draining = False

    def decide(self, update: Update) -> bool:
        """Whether memory alone says that there is nothing to do."""
        if self._routes.decide(update):
            self._metrics.update(UpdateOutcome.HANDLED)
            return True
        return False

    async def accept(self, received: Received, done: Callable[[], None]) -> None:
        """Run an update's flow in a task of its own, or store it where there is no room."""
        work = _Work(received, done)
        flow = self._routes.flow_of(received.update)
        if flow is None:
            work.acknowledge()
            return
        while not self._is_in_hand(work):
            if self._has_room(work):
                self._start(work, flow)
                return
            try:
                await self._pending.shelve(work.update_id, received.payload)
            except StorageError:
                await trio.sleep(STORE_AGAIN)
            else:
                self._metrics.update(UpdateOutcome.STORED)
                work.acknowledge()
                return

    async def resume(self, stored: PendingUpdate) -> None:
        """Run the flow of an update that was stored; wait while there is no room."""
        received = read_update(stored.payload)
        flow = None
        if isinstance(received, MalformedUpdate):  # only where another version stored it
            log.error(events.UPDATE_MALFORMED, update_id=stored.update_id)
        else:
            flow = self._routes.flow_of(received.update)
        if isinstance(received, MalformedUpdate) or flow is None:
            await insist(partial(self._pending.finish, stored.update_id))
            return
        work = _Work(received, None, attempts=stored.attempts)
        await self._room.acquire_on_behalf_of(work)
        if self._is_draining or self._is_in_hand(work):
            self._room.release_on_behalf_of(work)  # its claim ends, and it goes on then
        else:
            self._start(work, flow)

    @property
    def at_work(self) -> int:
        """How many flows are at work."""
        return len(self._works)

    async def drain(self) -> None:
        """Wait until no flow is at work; each is stored at once. For after the source has stopped.

        The caller sets a deadline, and cancels the nursery then: what is stored goes on in the next
        run, what is not comes again from Telegram.
        """
        self._is_draining = True
        for work in self._works.values():
            work.patience.deadline = -inf
        while self._works:
            await next(iter(self._works.values())).ended.wait()

    def _is_in_hand(self, work: "_Work") -> bool:
        """Whether the same update is at work; then it is acknowledged together with that one."""
        in_hand = self._works.get(work.update_id)
        if in_hand is not None:
            in_hand.stand_in_for(work)
        return in_hand is not None

    def _has_room(self, work: "_Work") -> bool:
        try:
            self._room.acquire_on_behalf_of_nowait(work)
        except trio.WouldBlock:
            return False
        return True

    def _start(self, work: "_Work", flow: Flow) -> None:
        before = self._last_of.get(flow.person)
        self._last_of[flow.person] = work
        self._works[work.update_id] = work
        self._nursery.start_soon(
            self._run, work, flow, before, name=f"update {work.update_id} {flow.name}"
        )

    async def _run(self, work: "_Work", flow: Flow, before: "_Work | None") -> None:
        bind_contextvars(update_id=work.update_id, flow=flow.name)
        work.room = self._room
        verdict: Verdict | None = put_off(work.attempts)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(
                    self._store_when_slow,
                    work,
                    nursery.cancel_scope,
                    name=f"patience with update {work.update_id}",
                )
                if before is not None:
                    await before.ended.wait()
                verdict = self._behind(work, flow) or await self._try(work, flow)
                nursery.cancel_scope.cancel()
            if verdict is not None and verdict.failure is Failure.AWAY:
                self._hold_up(flow.person, verdict.delay or 0.0)
            await self._settle(work, verdict)
        finally:
            work.ended.set()
            if self._last_of.get(flow.person) is work:
                del self._last_of[flow.person]
            del self._works[work.update_id]
            work.room.release_on_behalf_of(work)

    def _hold_up(self, person: int, delay: float) -> None:
        """Let whatever else this person does wait until then, too; forget whose time has come."""
        now = trio.current_time()
        if len(self._held_up) >= HELD_UP:
            self._held_up = {one: until for one, until in self._held_up.items() if until > now}
        self._held_up[person] = now + delay

    def _behind(self, work: "_Work", flow: Flow) -> Verdict | None:
        """Put an update off behind an earlier one of the same person that waits to be tried again.

        So their stories stay in order when what they depend on comes back.
        """
        until, now = self._held_up.get(flow.person, -inf), trio.current_time()
        if until - now > SLACK:
            return Verdict(Failure.AWAY, work.attempts, until - now + SPACING)
        self._held_up.pop(flow.person, None)
        return None

    async def _try(self, work: "_Work", flow: Flow) -> Verdict | None:
        """Run the flow; the one place that catches what it raises. None: it went well."""
        try:
            await flow.run()
        except Exception as error:  # noqa: BLE001 - the one failure boundary
            verdict = judge(leaves(error), work.attempts)
            if verdict.failure is Failure.POISON:
                self._metrics.error(ErrorType.FLOW)
            # An attempt that counts is the first one once; of the others only the source's is.
            if work.attempts == 0 and not (work.is_resumed and verdict.attempts == 0):
                _say(verdict, error)
            return verdict
        return None

    async def _store_when_slow(self, work: "_Work", flow: trio.CancelScope) -> None:
        """After its patience, make a flow leave the room: to the slow ones, or to a later try."""
        with work.patience:
            await trio.sleep(PATIENCE)
        if not work.is_stored:
            await self._store(work)
            log.info(events.FLOW_STORED)
            work.acknowledge()
        try:
            self._slow_room.acquire_on_behalf_of_nowait(work)
        except trio.WouldBlock:
            flow.cancel()
        else:
            self._room.release_on_behalf_of(work)
            work.room = self._slow_room

    async def _settle(self, work: "_Work", verdict: Verdict | None) -> None:
        """Do with the update what its flow's end asks for, then acknowledge it."""
        if verdict is None or verdict.delay is None:
            outcome = UpdateOutcome.HANDLED
            if verdict is not None:
                outcome = UpdateOutcome.GIVEN_UP
                log.error(
                    events.UPDATE_GIVEN_UP, attempts=verdict.attempts, failure=verdict.failure
                )
            if work.is_stored:
                await insist(partial(self._pending.finish, work.update_id))
        else:
            outcome = UpdateOutcome.STORED
            await self._store(work)
            await insist(
                partial(
                    self._pending.put_off,
                    work.update_id,
                    attempts=verdict.attempts,
                    delay=verdict.delay,
                )
            )
        self._metrics.update(outcome)
        work.acknowledge()

    async def _store(self, work: "_Work") -> None:
        # Marked first: a write that is cancelled may have happened.
        work.is_stored = True
        await insist(partial(self._pending.keep, work.update_id, work.received.payload))


class _Work:
    """One update in hand."""

    def __init__(
        self, received: Received, done: Callable[[], None] | None, *, attempts: int = 0
    ) -> None:
        self.received = received
        self.update_id = received.update.update_id
        self.attempts = attempts
        self.is_resumed = done is None
        self.is_stored = self.is_resumed
        self.ended = trio.Event()
        self.patience = trio.CancelScope()
        self.room: trio.CapacityLimiter
        self._is_acknowledged = self.is_resumed
        self._done = [] if done is None else [done]

    def acknowledge(self) -> None:
        """Tell the source, once, that it may forget the update."""
        self._is_acknowledged = True
        for done in self._done:
            done()
        self._done.clear()

    def stand_in_for(self, other: "_Work") -> None:
        """Acknowledge the same update, given again, together with this one."""
        self._done.extend(other._done)  # noqa: SLF001 - one of us
        if self._is_acknowledged:
            self.acknowledge()


def _say(verdict: Verdict, error: Exception) -> None:
    if verdict.failure is Failure.DOUBT:
        log.info(events.MEMBERSHIP_UNKNOWN, reason=str(error))
    elif verdict.failure is Failure.AWAY:
        log.warning(events.FLOW_FAILED, failure=verdict.failure, reason=str(leaves(error)[0]))
    else:
        log.error(events.FLOW_FAILED, failure=verdict.failure, exc_info=error)
