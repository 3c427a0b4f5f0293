"""A message in a guarded group.

::

    exempt? ──► stands
    written as a channel? ──► deleted, its author is asked to write as themselves
    in all channels (memory, else one look-up each)? ──► stands
    in doubt? ──► stands for now, looked at again later
    else held: see gmbot.guard.holding
"""

import structlog
from trio import current_time

from gmbot.api.types import Chat, Message
from gmbot.guard.guard import Guard
from gmbot.guard.holding import hold, verify
from gmbot.guard.membership import Membership, MembershipUnknown
from gmbot.guard.policies import Policy
from gmbot.guard.roles import exemption_of_message
from gmbot.telemetry import events
from gmbot.telemetry.metrics import Verification as Status

log = structlog.get_logger()


def is_decided(guard: Guard, message: Message) -> bool:
    """Whether memory alone lets a message stand: the way of nearly all of them."""
    policy, person = guard.policies.get(message.chat.id), message.from_user
    if policy is None or person is None or exemption_of_message(message, policy) is not None:
        return True
    if message.sender_chat is not None:
        return False
    if guard.memberships.is_known_member(policy.channel_ids, person.id):
        guard.sightings.note(policy.group_id, person.id)
        guard.metrics.verification(Status.MEMBER, 0.0)
        return True
    return guard.roles.is_known_admin(message.chat.id, person.id)


async def guard_message(guard: Guard, message: Message) -> bool:
    """Let a message stand (True), or mute its author, delete it and give notice (False).

    Raises MembershipUnknown where a look-up failed: nobody is punished on doubt.
    """
    group_id, person = message.chat.id, message.from_user
    policy = guard.policies.get(group_id)
    if policy is None or person is None or exemption_of_message(message, policy) is not None:
        return True
    if message.sender_chat is not None:
        return await _guard_from_channel(guard, policy, message, message.sender_chat)
    began = current_time()

    verification = await verify(guard, policy, person.id)
    guard.metrics.verification(Status(verification.outcome), current_time() - began)
    guard.sightings.note(group_id, person.id)
    if verification.outcome is Membership.MEMBER:
        log.info(events.USER_VERIFIED, group_id=group_id, user_id=person.id, cache_hit=False)
        return True
    if verification.outcome is Membership.UNKNOWN:
        raise MembershipUnknown(group_id, person.id, verification.unknown)
    held = await hold(
        guard, policy, person, message_id=message.message_id, missing=verification.missing
    )
    return held.may_write


async def _guard_from_channel(
    guard: Guard, policy: Policy, message: Message, channel: Chat
) -> bool:
    """Delete what was written as a channel, but for the one whose discussion group this is.

    Nobody can be looked up behind it, so nobody is muted or banned.
    """
    if await guard.roles.is_linked(policy.group_id, channel.id):
        return True
    await guard.enforcement.delete(policy.group_id, message.message_id)
    guard.board.add(policy.group_id, channel.id, channel.title or "")
    return False
