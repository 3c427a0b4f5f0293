"""A message in a guarded group.

::

    exempt? ──► stands
    in all channels (memory, else one look-up each)? ──► stands
    in doubt? ──► stands for now, looked at again later
    owner or admin? ──► stands
    banned meanwhile? ──► only deleted
    record ──► mute and delete, side by side ──► notice
"""

import structlog
from trio import current_time

from gmbot.api.types import Message
from gmbot.guard.guard import Guard
from gmbot.guard.membership import Membership, MembershipUnknown
from gmbot.guard.roles import exemption_of_member, exemption_of_message
from gmbot.telemetry import events
from gmbot.telemetry.metrics import Verification as Status

log = structlog.get_logger()


def is_decided(guard: Guard, message: Message) -> bool:
    """Whether memory alone lets a message stand: the way of nearly all of them."""
    policy, person = guard.policies.get(message.chat.id), message.from_user
    if policy is None or person is None or exemption_of_message(message, policy) is not None:
        return True
    if guard.memberships.is_known_member(policy.channel_ids, person.id):
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
    began = current_time()

    verification = await guard.memberships.verify(policy.channel_ids, person.id)
    guard.metrics.verification(Status(verification.outcome), current_time() - began)
    if verification.outcome is Membership.MEMBER:
        log.info(events.USER_VERIFIED, group_id=group_id, user_id=person.id, cache_hit=False)
        return True
    if verification.outcome is Membership.UNKNOWN:
        raise MembershipUnknown(group_id, person.id, verification.unknown)

    member = await guard.roles.standing(group_id, person.id)
    if exemption_of_member(member) is not None:
        return True
    if member.status == "kicked":  # a mute would end the ban
        await guard.enforcement.delete(group_id, message.message_id)
        return False

    restriction = await guard.enforcement.record(group_id, person, member)
    if await guard.enforcement.silence(restriction, message.message_id):
        guard.board.add(group_id, person.id, person.first_name)
    return False
