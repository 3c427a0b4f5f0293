"""All flows of one bot at work: what updates start, what was stored, and long work."""

import trio

from gmbot.coordination.pending import PendingUpdates
from gmbot.flows import rights, sight
from gmbot.flows.dispatch import Dispatch
from gmbot.flows.jobs import JobRunner
from gmbot.flows.menus import set_menus
from gmbot.flows.routes import Routes
from gmbot.guard.guard import Guard


async def start(guard: Guard, pending: PendingUpdates, nursery: trio.Nursery) -> Dispatch:
    """Start what runs beside a source of updates; returns where that source puts them.

    Raises StorageError where it cannot be read what an earlier run has left.
    """
    await guard.open()
    await sight.look_again(guard)
    await rights.look_again(guard)
    dispatch = Dispatch(Routes(guard), pending, nursery, metrics=guard.metrics)
    runner = JobRunner(guard, nursery)
    await nursery.start(guard.sightings.run, name="sightings")
    await nursery.start(pending.run, dispatch.resume, name="pending updates")
    await nursery.start(guard.jobs.run, runner.resume, name="jobs")
    await nursery.start(guard.retention.run, name="retention")
    nursery.start_soon(sight.keep_looking, guard, name="hidden channels")
    nursery.start_soon(set_menus, guard.api, name="command menus")
    return dispatch
