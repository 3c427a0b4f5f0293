"""Somebody goes out of a required channel, or comes in.

::

    out   pardons end ──► back in meanwhile? ──► else, in each linked group that they are in:
          held (see gmbot.guard.holding); the likely groups at once, the rest as a job
    in    wherever they lack no other channel: let go (see gmbot.flows.settling)

Whether somebody is in a group Telegram tells of one group at a time, so those come first where
they are held or were seen.
"""

import structlog
import trio

from gmbot.api.errors import ChatMigrated, MemberNotFound, Refusal, RetryAfter
from gmbot.api.limiter import Priority
from gmbot.api.types import ChatMember, ChatMemberUpdated, User
from gmbot.flows.freshness import is_fresh
from gmbot.flows.settling import AT_ONCE, JOB, job_key, reconsider
from gmbot.guard.guard import Guard
from gmbot.guard.holding import Settled, count_requests, hold, settle
from gmbot.guard.membership import Membership, MembershipUnknown, Verification
from gmbot.storage.records import Job
from gmbot.telemetry import events

SAVE_EVERY = 10  # groups of a job that are done once more where it is cut off

log = structlog.get_logger()


async def left_channel(guard: Guard, change: ChatMemberUpdated) -> None:
    """Hold whoever went out of a required channel, in each linked group that they are in.

    Of somebody who was not in, only a request to be let in ends. Raises MembershipUnknown.
    """
    channel_id, person = change.chat.id, change.new_chat_member.user
    await guard.requests.drop(channel_id, person.id)
    if person.is_bot or not change.old_chat_member.is_in:
        return
    linked = sorted(guard.policies.groups_of(channel_id))
    await guard.enforcement.end_pardons(person.id, linked, left_at=change.date)
    if not await _is_out(guard, channel_id, person.id, fresh=is_fresh(guard, change.date)):
        return
    groups = await _likely_first(guard, channel_id, person.id)
    async with trio.open_nursery() as nursery:
        for group_id in groups[:AT_ONCE]:
            name = f"hold {person.id} in {group_id}"
            nursery.start_soon(_hold_in, guard, channel_id, group_id, person, name=name)
    # Also a group that wants the channel only since then, or has got another id meanwhile.
    if guard.policies.groups_of(channel_id) - set(groups[:AT_ONCE]):
        await guard.jobs.add(JOB, job_key(channel_id, person.id), {"done": groups[:AT_ONCE]})


async def joined_channel(guard: Guard, change: ChatMemberUpdated) -> None:
    """Let whoever came into a required channel go, wherever they lack no other.

    Raises MembershipUnknown.
    """
    channel_id, person = change.chat.id, change.new_chat_member.user
    await guard.requests.drop(channel_id, person.id)
    if not person.is_bot:
        await reconsider(guard, channel_id, person.id)


async def handle_job(guard: Guard, job: Job) -> None:
    """Go through the groups that were too many for a flow, and do there what is right by now.

    Groups in `done` are left out, and those up to `after`. Raises MembershipUnknown.
    """
    channel_id, user_id = map(int, job.key.split(":"))
    done, after = job.payload.get("done", []), job.payload.get("after")
    groups = sorted(guard.policies.groups_of(channel_id) - set(done))
    todo = [group_id for group_id in groups if after is None or group_id > after]
    for number, group_id in enumerate(todo, start=1):
        await _look_into(guard, channel_id, group_id, user_id)
        is_pause = number % SAVE_EVERY == 0
        if is_pause and not await guard.jobs.save(job, {"done": done, "after": group_id}):
            return  # asked for anew: from the beginning


async def _look_into(guard: Guard, channel_id: int, group_id: int, user_id: int) -> None:
    """Settle a person who is held in a group, or hold one who is in it and lacks the channel."""
    restriction = await guard.enforcement.held(group_id, user_id)
    if restriction is not None:
        if await settle(guard, restriction, priority=Priority.BACKGROUND) is Settled.UNKNOWN:
            raise MembershipUnknown(group_id, user_id, {channel_id})
        return
    found = await guard.memberships.verify((channel_id,), user_id, priority=Priority.BACKGROUND)
    if not _is_missing(channel_id, user_id, found):
        return
    member = await _standing(guard, group_id, user_id)
    if member is not None:
        await _hold_in(guard, channel_id, group_id, member.user, member)


async def _is_out(guard: Guard, channel_id: int, user_id: int, *, fresh: bool) -> bool:
    """Whether a person of whom an update said so is out of the channel.

    Asked where the update is old, or where memory says otherwise: what it remembers may be from
    before, or of a return.
    """
    is_known = guard.memberships.is_known_member((channel_id,), user_id)
    if fresh and not is_known:
        return True
    found = await guard.memberships.verify((channel_id,), user_id, anew=True)
    return _is_missing(channel_id, user_id, found)


def _is_missing(channel_id: int, user_id: int, found: Verification) -> bool:
    if found.outcome is Membership.UNKNOWN:
        raise MembershipUnknown(channel_id, user_id, found.unknown)
    return found.outcome is Membership.MISSING


async def _likely_first(guard: Guard, channel_id: int, user_id: int) -> list[int]:
    """Return the channel's groups: first where the person is held, then where they were seen."""
    linked = guard.policies.groups_of(channel_id)
    if len(linked) <= 1:
        return list(linked)
    held = [restriction.group_id for restriction in await guard.enforcement.held_of(user_id)]
    seen = await guard.sightings.groups_of(user_id)
    likely = [group_id for group_id in (*held, *seen) if group_id in linked]
    return list(dict.fromkeys((*likely, *sorted(linked))))


async def _hold_in(
    guard: Guard, channel_id: int, group_id: int, person: User, member: ChatMember | None = None
) -> None:
    """Hold somebody in one group, unless they are back in the channel. Raises an ApiError."""
    policy = guard.policies.get(group_id)
    is_back = guard.memberships.is_known_member((channel_id,), person.id)
    if policy is None or is_back or channel_id not in policy.channel_ids:
        return
    lacking = Verification(frozenset({channel_id}), frozenset())
    if not (await count_requests(guard, policy, person.id, lacking)).missing:
        return
    try:
        await hold(guard, policy, person, member=member)
    except (RetryAfter, ChatMigrated):
        raise
    except Refusal as error:  # a group that we cannot look into is not to stop the others
        await _say_lost(guard, group_id, error)


async def _standing(guard: Guard, group_id: int, user_id: int) -> ChatMember | None:
    """Ask for the standing of somebody in a group, at leisure; None: not in it."""
    try:
        member = await guard.api.get_chat_member(group_id, user_id, priority=Priority.BACKGROUND)
    except (RetryAfter, ChatMigrated):
        raise
    except MemberNotFound:
        return None
    except Refusal as error:
        await _say_lost(guard, group_id, error)
        return None
    return member if member.is_in else None


async def _say_lost(guard: Guard, group_id: int, error: Refusal) -> None:
    log.warning(events.RIGHTS_MISSING, action="look", group_id=group_id, reason=error.description)
    await guard.jobs.add("rights", group_id)
