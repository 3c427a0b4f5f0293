"""Somebody counts as in a channel now: wherever they lack no other, nothing is left to ask for.

::

    held ──► released (see gmbot.guard.holding)     warned, or only named ──► begun anew
"""

from collections.abc import Mapping, Sequence

import trio

from gmbot.guard.guard import Guard
from gmbot.guard.holding import Settled, settle, verify
from gmbot.guard.membership import Membership, MembershipUnknown
from gmbot.guard.policies import Policy
from gmbot.storage.records import Restriction

AT_ONCE = 20  # groups that are handled in a flow, side by side; the rest are a job

# Long work about one person and one channel: in or out, as they are when it is done.
JOB = "leave"


def job_key(channel_id: int, user_id: int) -> str:
    """Return the key of the job about this person and this channel."""
    return f"{channel_id}:{user_id}"


async def reconsider(guard: Guard, channel_id: int, user_id: int) -> None:
    """Let a person go who counts as in this channel, wherever they lack no other.

    Raises MembershipUnknown where it could not be found out whether they do.
    """
    found = (guard.policies.get(group_id) for group_id in guard.policies.groups_of(channel_id))
    linked = {policy.group_id: policy for policy in found if policy is not None}
    held = [r for r in await guard.enforcement.held_of(user_id) if r.group_id in linked]
    if held[AT_ONCE:]:
        await guard.jobs.add(JOB, job_key(channel_id, user_id))
    await _settle(guard, held[:AT_ONCE])
    held_in = {restriction.group_id for restriction in held}
    free = {group_id: policy for group_id, policy in linked.items() if group_id not in held_in}
    await _begin_anew(guard, free, user_id)


async def _settle(guard: Guard, restrictions: Sequence[Restriction]) -> None:
    doubts: list[Restriction] = []

    async def look(restriction: Restriction) -> None:
        if await settle(guard, restriction, anew=True) is Settled.UNKNOWN:
            doubts.append(restriction)

    async with trio.open_nursery() as nursery:
        for restriction in restrictions:
            name = f"settle {restriction.user_id} in {restriction.group_id}"
            nursery.start_soon(look, restriction, name=name)
    for restriction in doubts:
        policy = guard.policies.get(restriction.group_id)
        channel_ids = policy.channel_ids if policy else ()
        raise MembershipUnknown(restriction.group_id, restriction.user_id, channel_ids)


async def _begin_anew(guard: Guard, linked: Mapping[int, Policy], user_id: int) -> None:
    """Forget the warnings of a person who is not held, and name them no more."""
    groups = {group_id for group_id in linked if guard.board.names(group_id, user_id)}
    if any(policy.params.warnings for policy in linked.values()):
        seen = await guard.sightings.groups_of(user_id)
        warning = [g for g in seen if g in linked and linked[g].params.warnings]
        groups.update(warning[:AT_ONCE])
    for group_id in groups:
        verification = await verify(guard, linked[group_id], user_id, anew=True)
        if verification.outcome is Membership.UNKNOWN:
            raise MembershipUnknown(group_id, user_id, verification.unknown)
        if verification.outcome is Membership.MEMBER:
            await guard.enforcement.forget_warnings(group_id, user_id)
            guard.board.remove(group_id, user_id)
