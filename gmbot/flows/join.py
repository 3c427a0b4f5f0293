"""Somebody comes into a guarded group, or asks to be let into a channel.

::

    bot, owner, admin? ──► left alone
    added by an admin, whose word counts here? ──► pardoned
    in all channels (memory, else one look-up each)? ──► let go, where they are held from before
    in doubt? ──► nothing for now, looked at again later
    else held and welcomed: see gmbot.guard.holding

A join comes as an update of the member, and in most groups as a service message too: one event in
two forms. The update tells the person's standing, so it is the truth; the message is for where no
update came. Whoever comes second finds what the first has done.
"""

import structlog

from gmbot.api.errors import ChatMigrated, Refusal, RetryAfter
from gmbot.api.limiter import Priority
from gmbot.api.types import ANONYMOUS_ADMIN, ChatJoinRequest, ChatMemberUpdated, Message, User
from gmbot.flows.decision import decided
from gmbot.flows.freshness import is_fresh
from gmbot.flows.settling import reconsider
from gmbot.guard.guard import Guard
from gmbot.guard.holding import count_requests, hold, settle, verify
from gmbot.guard.membership import Membership, MembershipUnknown, Verification
from gmbot.guard.policies import Policy
from gmbot.guard.roles import exemption_of_member
from gmbot.storage.records import RestrictionState
from gmbot.telemetry import events

log = structlog.get_logger()


async def joined(guard: Guard, change: ChatMemberUpdated) -> None:
    """Hold whoever came into a guarded group and lacks a channel. Raises MembershipUnknown."""
    policy, member = guard.policies.get(change.chat.id), change.new_chat_member
    if policy is None:
        return
    person = member.user
    if not is_fresh(guard, change.date):
        member = await guard.roles.standing(policy.group_id, person.id)
        if not member.is_in:
            return
    if exemption_of_member(member) is not None:
        await decided(guard, change)  # whoever made them an admin, may have ended a mute of ours
        return
    guard.sightings.note(policy.group_id, person.id)
    came_alone = change.from_user.id == person.id or change.via_join_request or change.invite_link
    if not came_alone and await _is_trusted(guard, policy, change.from_user):
        await _trust(guard, policy, person, change.date)
        return

    verification = await verify(guard, policy, person.id)
    if verification.outcome is Membership.UNKNOWN:
        raise MembershipUnknown(policy.group_id, person.id, verification.unknown)
    if verification.outcome is Membership.MISSING:
        await hold(guard, policy, person, member=member, is_new=True, missing=verification.missing)
    else:
        await _let_go(guard, policy, person.id, verification)


async def welcomed(guard: Guard, message: Message) -> None:
    """Do the same for people whom a service message tells of. Raises MembershipUnknown."""
    policy = guard.policies.get(message.chat.id)
    people = {user.id: user for user in message.new_chat_members if not user.is_bot}
    if policy is None or not people:
        return
    for user_id in people:
        guard.sightings.note(policy.group_id, user_id)
    adder = message.from_user
    if adder and adder.id not in people and await _is_trusted(guard, policy, adder):
        for person in people.values():
            if (await guard.roles.standing(policy.group_id, person.id)).is_in:
                await _trust(guard, policy, person, message.date)
        return

    doubts: list[MembershipUnknown] = []
    async with guard.memberships.verify_many(
        people, policy.channel_ids, priority=Priority.LOOKUP
    ) as verified:
        async for user_id, found in verified:
            verification = await count_requests(guard, policy, user_id, found)
            if verification.outcome is Membership.UNKNOWN:
                doubts.append(MembershipUnknown(policy.group_id, user_id, verification.unknown))
            elif verification.outcome is Membership.MISSING:
                await _welcome(guard, policy, people[user_id])
            else:
                await _let_go(guard, policy, user_id, verification)
    if doubts:
        raise doubts[0]


async def asked_to_join(guard: Guard, request: ChatJoinRequest) -> None:
    """Note that somebody waits before a required channel; it counts as in where a group says so.

    Raises MembershipUnknown where a person whom we hold may lack another channel or not.
    """
    channel_id, user_id = request.chat.id, request.from_user.id
    if not guard.policies.is_required(channel_id):
        return
    await guard.requests.note(channel_id, user_id)
    await reconsider(guard, channel_id, user_id)


async def _welcome(guard: Guard, policy: Policy, person: User) -> None:
    """Hold somebody, at no cost where the update of the member has done it."""
    restriction = await guard.enforcement.held(policy.group_id, person.id)
    is_held = restriction is not None and restriction.state is RestrictionState.HELD
    if not is_held or not guard.board.names(policy.group_id, person.id):
        await hold(guard, policy, person, is_new=True)


async def _let_go(guard: Guard, policy: Policy, user_id: int, verification: Verification) -> None:
    """Release somebody who comes back while held and lacks nothing: their entry was not heard."""
    restriction = await guard.enforcement.held(policy.group_id, user_id)
    if restriction is not None:
        await settle(guard, restriction, verification)


async def _is_trusted(guard: Guard, policy: Policy, adder: User) -> bool:
    """Whether the group lets its admins bring in whom they like, and this is one of them."""
    if not policy.params.trust_added:
        return False
    if adder.id == ANONYMOUS_ADMIN or guard.roles.is_known_admin(policy.group_id, adder.id):
        return True
    return (await guard.roles.standing(policy.group_id, adder.id)).is_admin


async def _trust(guard: Guard, policy: Policy, person: User, added_at: int) -> None:
    """Let somebody write whatever channels they lack; what we held them by is given back first."""
    group_id = policy.group_id
    async with guard.enforcement.alone(group_id, person.id):
        restriction = await guard.enforcement.held(group_id, person.id)
        if restriction is not None:
            try:
                await guard.enforcement.release(restriction, now=guard.now())
            except (RetryAfter, ChatMigrated):
                raise
            except Refusal as error:
                log.warning(
                    events.RIGHTS_MISSING,
                    action="release",
                    group_id=group_id,
                    reason=error.description,
                )
                return
        await guard.enforcement.pardon(group_id, person.id, given_at=added_at)
    guard.board.remove(group_id, person.id)
