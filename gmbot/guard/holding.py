"""Hold a person who lacks a channel, and let go of one who does not: the same for every occasion.

::

    hold    pardoned? ──► owner, admin, bot? ──► banned? gone? ──► warned first? ──►
            record ──► mute (and delete, side by side) ──► notice
    settle  in all channels, or none wanted any more? ──► released, named no more
            missing, the mute not done? ──► done now
            in doubt? ──► left as it is
"""

from enum import StrEnum

import structlog

from gmbot.api.errors import ChatMigrated, Refusal, RetryAfter
from gmbot.api.limiter import Priority
from gmbot.api.types import ChatMember, User
from gmbot.guard.guard import Guard
from gmbot.guard.membership import Membership, Verification
from gmbot.guard.policies import Policy
from gmbot.guard.roles import exemption_of_member
from gmbot.storage.records import Restriction, RestrictionState
from gmbot.telemetry import events

log = structlog.get_logger()


class Held(StrEnum):
    """What became of a person who lacks a channel."""

    EXEMPT = "exempt"
    ABSENT = "absent"  # not in the group
    BANNED = "banned"
    PARDONED = "pardoned"  # a human has freed them here
    WARNED = "warned"
    MUTED = "muted"
    REFUSED = "refused"  # the bot may not

    @property
    def may_write(self) -> bool:
        """Whether what the person wrote is left to stand."""
        return self in {Held.EXEMPT, Held.PARDONED}


class Settled(StrEnum):
    """What became of a record."""

    RELEASED = "released"
    KEPT = "kept"
    BY_HUMANS = "by_humans"  # a human has restricted the person, before us or since
    UNKNOWN = "unknown"
    REFUSED = "refused"  # the bot may not release


async def hold(
    guard: Guard,
    policy: Policy,
    person: User,
    *,
    member: ChatMember | None = None,
    message_id: int | None = None,
    is_new: bool = False,
    missing: frozenset[int] = frozenset(),
) -> Held:
    """Mute a person who is surely missing in a channel, delete their message, and give notice.

    `member` is their standing in the group where an update told it; else it is asked for. Whoever
    `is_new` is welcomed; the notice asks for the channels that are `missing`, as far as they are
    known. Raises ApiErrors and StorageErrors, perhaps in a group.
    """
    enforcement, group_id = guard.enforcement, policy.group_id
    async with enforcement.alone(group_id, person.id):
        if await enforcement.is_pardoned(group_id, person.id):
            return Held.PARDONED
        if member is None:
            member = await guard.roles.standing(group_id, person.id)
        spared = _spared(member, has_written=message_id is not None)
        if spared is not None:
            if spared is Held.BANNED and message_id is not None:
                await enforcement.delete(group_id, message_id)
            await enforcement.mend(group_id, person.id, is_exempt=spared is Held.EXEMPT)
            return spared
        if await _is_warned(guard, policy, person, message_id):
            guard.board.add(group_id, person.id, person.first_name, is_new=is_new, missing=missing)
            return Held.WARNED

        restriction = await enforcement.record(
            group_id, person, member, now=guard.now(), has_written=message_id is not None
        )
        if restriction is None:
            return Held.PARDONED
        if message_id is None:
            is_muted = await enforcement.mute(restriction, now=guard.now())
        else:
            is_muted = await enforcement.silence(restriction, message_id, now=guard.now())
        if not is_muted:
            return Held.REFUSED
        guard.board.add(group_id, person.id, person.first_name, is_new=is_new, missing=missing)
        return Held.MUTED


async def settle(
    guard: Guard,
    restriction: Restriction,
    verification: Verification | None = None,
    *,
    anew: bool = False,
    priority: Priority = Priority.LOOKUP,
    insist: bool = False,
) -> Settled:
    """Bring a record to what is true now. Raises ApiErrors and StorageErrors.

    `verification` is that of the group's channels, where it was made already; `anew` looks past a
    remembered no. In a group where acting has stopped everything stays, unless somebody `insist`s.
    """
    group_id, user_id = restriction.group_id, restriction.user_id
    policy = guard.policies.get(group_id)
    if policy is None:
        known = await guard.policies.known(group_id)
        if known is not None and not known.group.enabled and not insist:
            return Settled.KEPT
        policy = None if known is None else Policy.of(known)
    if policy is not None:
        if verification is None:
            verification = await verify(guard, policy, user_id, anew=anew, priority=priority)
        if verification.outcome is Membership.UNKNOWN:
            return Settled.UNKNOWN
        if verification.outcome is Membership.MISSING:
            if restriction.state is not RestrictionState.HELD:
                person = User(user_id, restriction.name)
                await hold(guard, policy, person, missing=verification.missing)
            guard.board.lacks(group_id, user_id, verification.missing)
            return Settled.KEPT
    return await _release(guard, group_id, user_id)


async def verify(
    guard: Guard,
    policy: Policy,
    user_id: int,
    *,
    anew: bool = False,
    priority: Priority = Priority.LOOKUP,
) -> Verification:
    """Check a person against all channels of a group. Raises StorageErrors."""
    found = await guard.memberships.verify(
        policy.channel_ids, user_id, anew=anew, priority=priority
    )
    return await count_requests(guard, policy, user_id, found)


async def count_requests(
    guard: Guard, policy: Policy, user_id: int, found: Verification
) -> Verification:
    """Let who waits to be let into a channel count as in, where the group has set it so."""
    if not found.missing or not policy.params.requests_count:
        return found
    waiting = {
        channel_id for channel_id in found.missing if await guard.requests.has(channel_id, user_id)
    }
    return Verification(found.missing - waiting, found.unknown)


def _spared(member: ChatMember, *, has_written: bool) -> Held | None:
    """Return why somebody is not muted, by their standing in the group."""
    if exemption_of_member(member) is not None:
        return Held.EXEMPT
    if member.status == "kicked":  # a mute would end the ban
        return Held.BANNED
    # Who is not in may write all the same, in a group that discusses a channel.
    return None if member.is_in or has_written else Held.ABSENT


async def _is_warned(guard: Guard, policy: Policy, person: User, message_id: int | None) -> bool:
    """Delete a message with a warning, or give notice without one, where the group warns first."""
    allowed = policy.params.warnings
    if not allowed or await guard.enforcement.held(policy.group_id, person.id) is not None:
        return False
    if message_id is None:
        return True
    count = await guard.enforcement.warn(policy.group_id, person.id, message_id, now=guard.now())
    if count > allowed:
        return False
    await guard.enforcement.delete(policy.group_id, message_id)
    log.info(events.USER_WARNED, group_id=policy.group_id, user_id=person.id, count=count)
    return True


async def _release(guard: Guard, group_id: int, user_id: int) -> Settled:
    async with guard.enforcement.alone(group_id, user_id):
        current = await guard.enforcement.held(group_id, user_id)
        if current is None:  # somebody was faster
            return Settled.RELEASED
        try:
            released = await guard.enforcement.release(current, now=guard.now())
        except (RetryAfter, ChatMigrated):
            raise
        except Refusal as error:
            log.warning(
                events.RIGHTS_MISSING, action="release", group_id=group_id, reason=error.description
            )
            return Settled.REFUSED
        await guard.enforcement.forget_warnings(group_id, user_id)
        guard.board.remove(group_id, user_id)
    if not released:
        return Settled.BY_HUMANS
    log.info(events.USER_RELEASED, group_id=group_id, user_id=user_id)
    return Settled.RELEASED
