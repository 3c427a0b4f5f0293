"""/recheck, and whatever else looks at many people anew.

::

    /recheck ──► sender an admin who may restrict? ──► bot too? ──► reply, which shows the progress
    job      ──► who is held, and who was seen lately, page by page, verified in batches:
                 held, in all channels ──► released      held, missing ──► stays, the mute done
                 seen, missing ──► held like any other   in doubt ──► left as they are
    restart  ──► the held of every group, likewise

Jobs look at the present truth: what they keep is how far they have come.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum

import msgspec
import structlog

from gmbot.api.types import Message
from gmbot.flows import tally
from gmbot.flows.admins import require_admin, require_rights
from gmbot.flows.progress import Progress
from gmbot.flows.refusal import CommandRefused, refusals_told, refuse
from gmbot.flows.sweep import Sweep
from gmbot.flows.tally import Tally
from gmbot.guard.guard import Guard
from gmbot.guard.membership import MembershipUnknown
from gmbot.storage.records import Job
from gmbot.telemetry import events

# The kind of the job behind a command: of its own, so that what else asks for a look at a group
# does not take its place, and its progress with it.
COMMANDED = "recheck_commanded"

LATELY = 7 * 24 * 3600.0  # seconds for which somebody seen counts as being in the group
PAGE = 100  # people between two notes of how far a job has come

STARTED = "Checking everybody who is muted by me and everybody seen here in the last 7 days …"
NOTHING_REQUIRED = (
    "Nothing is required of people here right now, so there is nothing to check. /status tells why."
)
TAKEN_OVER = "A later /recheck goes on with this."

log = structlog.get_logger()


async def recheck(guard: Guard, message: Message, words: tuple[str, ...]) -> None:
    """Carry out /recheck: reply, and leave the work to a job."""
    del words
    group_id = message.chat.id
    try:
        await require_admin(guard, message)
        if guard.policies.get(group_id) is None:
            await guard.replies.reply(message, NOTHING_REQUIRED)
            return
        with refusals_told():
            await require_rights(guard, group_id)
    except CommandRefused as refused:
        await refuse(guard, message, refused)
        return
    said = await guard.replies.reply(message, STARTED)
    if said is None:
        # Delivered before, it may not have come further than its reply: looked at without progress.
        await guard.jobs.add("recheck", group_id, {"scope": Scope.ALL})
        return
    payload = {"scope": Scope.ALL, "progress": True, "message_id": said.message_id}
    await guard.jobs.add(COMMANDED, group_id, payload)


class Scope(StrEnum):
    """Whom a job looks at."""

    HELD = "held"
    ALL = "all"  # also who was seen lately


class Course(msgspec.Struct, omit_defaults=True):
    """What a recheck is asked for, and how far it has come: the payload of its job."""

    scope: Scope = Scope.HELD
    progress: bool = False
    message_id: int | None = None  # of the message that shows the progress
    only: list[int] | None = None  # who is left to be looked at, of a look before
    after: int | None = None  # the last one looked at: they come by id
    tally: Tally = msgspec.field(default_factory=Tally)
    doubtful: list[int] = msgspec.field(default_factory=list)


async def handle_recheck(guard: Guard, job: Job) -> None:
    """Look at the people of a group (the job's key) anew.

    Raises ApiErrors and StorageErrors, and where nobody is told what came out, MembershipUnknown
    for those in doubt: they are looked at again.
    """
    group_id, course = int(job.key), msgspec.convert(job.payload, Course)
    held = {record.user_id: record for record in await guard.enforcement.held_in(group_id)}
    people = set(held)
    if course.scope is Scope.ALL:
        people.update(await guard.sightings.seen_in(group_id, guard.now() - LATELY))
    if course.only is not None:
        people.intersection_update(course.only)
    left = sorted(user for user in people if course.after is None or user > course.after)
    total = course.tally.total + len(left)

    sweep = Sweep(guard, group_id, held, anew=True, tally=course.tally, doubtful=course.doubtful)
    progress = Progress(guard.api, group_id, course.message_id if course.progress else None)
    async with progress.shown(lambda: tally.progress(course.tally, total)):
        is_ours = True
        for page in _pages(left):
            await sweep.look_at(page)
            course.after = page[-1]
            is_ours = await guard.jobs.save(job, msgspec.to_builtins(course))
            if not is_ours:
                break
    if not is_ours:  # asked for anew, and looked at once more
        await progress.end(TAKEN_OVER)
        return
    log.info(events.GROUP_RECHECKED, group_id=group_id, **msgspec.to_builtins(course.tally))
    await progress.end(tally.result(course.tally))
    if course.doubtful and not course.progress:
        again = Course(course.scope, only=course.doubtful)
        await guard.jobs.save(job, msgspec.to_builtins(again))
        raise MembershipUnknown(group_id, course.doubtful[0], ())


async def handle_restart(guard: Guard, job: Job) -> None:
    """Look at everybody held, in all groups. Raises ApiErrors and StorageErrors.

    What is known of memberships is good enough, so that many restarts cost no more than one. A
    group with people in doubt gets a job of its own.
    """
    after = job.payload.get("after")
    groups = await guard.enforcement.groups()
    for group_id in (group for group in groups if after is None or group > after):
        held = {record.user_id: record for record in await guard.enforcement.held_in(group_id)}
        doubtful: list[int] = []
        sweep = Sweep(guard, group_id, held, anew=False, tally=Tally(), doubtful=doubtful)
        for page in _pages(sorted(held)):
            await sweep.look_at(page)
        if doubtful:
            await guard.jobs.add("recheck", group_id, {"scope": Scope.HELD})
        if not await guard.jobs.save(job, {"after": group_id}):
            return


def _pages(people: Sequence[int]) -> Iterator[Sequence[int]]:
    return (people[begin : begin + PAGE] for begin in range(0, len(people), PAGE))
