"""Runs jobs: a few at once, each in a task of its own, with the failure boundary of flows.

A job that is cut off, because the process stops or dies, goes on in another instance or in the next
run when its claim has ended.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType

import structlog
import trio
from structlog.contextvars import bind_contextvars

from gmbot.flows import leave, migration, recheck, rights, sight
from gmbot.flows.boundary import insist
from gmbot.flows.verdict import Failure, Verdict, judge, leaves
from gmbot.guard.guard import Guard
from gmbot.storage.records import Job
from gmbot.telemetry import events
from gmbot.telemetry.metrics import ErrorType

Handler = Callable[[Guard, Job], Awaitable[None]]

HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {
        "leave": leave.handle_job,
        "migrate": migration.handle_migrate,
        "recheck": recheck.handle_recheck,
        recheck.COMMANDED: recheck.handle_recheck,
        "restart": recheck.handle_restart,
        "rights": rights.handle_rights,
        "sight": sight.handle_sight,
        "tell": sight.handle_tell,
    }
)

ROOM = 4  # jobs at work at once
# Those that look at many people and may take an hour; the others always find one place free.
LONG = frozenset({"recheck", recheck.COMMANDED, "restart"})
LONG_ROOM = ROOM - 1
# Of so many jobs it is remembered that they were said to wait for something that is away.
AWAY_SAID = 1000
# Seconds until a long one that found no place is looked at again, here or elsewhere.
BUSY = 5.0

log = structlog.get_logger()


class JobRunner:
    """Does the jobs that are handed out."""

    def __init__(
        self, guard: Guard, nursery: trio.Nursery, *, handlers: Mapping[str, Handler] = HANDLERS
    ) -> None:
        self._guard = guard
        self._nursery = nursery
        self._handlers = handlers
        self._room = trio.CapacityLimiter(ROOM)
        self._at_work: list[Job] = []
        self._away: set[tuple[str, str]] = set()  # see AWAY_SAID

    async def resume(self, job: Job) -> None:
        """Start a job, or put it off where it finds no place; return when there is room again.

        So none waits in our hands that another instance could do. One that is at work here, whose
        claim had ended while the database was away, goes on as it is.
        """
        if any((job.kind, job.key) == (other.kind, other.key) for other in self._at_work):
            return
        if job.kind in LONG and sum(other.kind in LONG for other in self._at_work) >= LONG_ROOM:
            await insist(partial(self._guard.jobs.put_off, job, attempts=job.attempts, delay=BUSY))
            return
        place = object()
        await self._room.acquire_on_behalf_of(place)
        self._at_work.append(job)
        self._nursery.start_soon(self._run, job, place, name=f"job {job.kind} {job.key}".rstrip())
        async with self._room:
            pass

    async def _run(self, job: Job, place: object) -> None:
        bind_contextvars(job=job.kind, key=job.key)
        try:
            await self._settle(job, await self._try(job))
        finally:
            self._at_work.remove(job)
            self._room.release_on_behalf_of(place)

    async def _try(self, job: Job) -> Verdict | None:
        """Do the job; the one place that catches what it raises. None: it went well."""
        try:
            await self._handlers[job.kind](self._guard, job)
        except Exception as error:  # noqa: BLE001 - the failure boundary of jobs
            verdict = judge(leaves(error), job.attempts)
            if verdict.failure is Failure.POISON:
                self._guard.metrics.error(ErrorType.FLOW)
            self._say(job, verdict, error)
            return verdict
        return None

    async def _settle(self, job: Job, verdict: Verdict | None) -> None:
        """Do with the job what its end asks for. One that was asked for anew is due once more."""
        jobs = self._guard.jobs
        if verdict is not None and verdict.delay is not None:
            await insist(partial(jobs.put_off, job, attempts=verdict.attempts, delay=verdict.delay))
            return
        self._away.discard((job.kind, job.key))
        if verdict is not None:
            log.error(events.JOB_GIVEN_UP, attempts=verdict.attempts, failure=verdict.failure)
        await insist(partial(jobs.finish, job))

    def _say(self, job: Job, verdict: Verdict, error: Exception) -> None:
        """Log the first failure of each sort."""
        match verdict.failure:
            case Failure.DOUBT if job.attempts == 0:
                log.info(events.MEMBERSHIP_UNKNOWN, reason=str(error))
            case Failure.AWAY if (job.kind, job.key) not in self._away:
                if len(self._away) >= AWAY_SAID:
                    self._away.clear()
                self._away.add((job.kind, job.key))
                reason = str(leaves(error)[0])
                log.warning(events.JOB_FAILED, failure=verdict.failure, reason=reason)
            case Failure.POISON if job.attempts == 0:
                log.error(events.JOB_FAILED, failure=verdict.failure, exc_info=error)
