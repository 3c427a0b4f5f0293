"""A press of "I have joined".

::

    another button, or an old one? ──► told so, harmless
    not held? ──► told so
    pressed a moment ago? ──► asked to wait
    still missing a channel (asked anew)? ──► an alert that names it
    in doubt? ──► asked to press again
    released ──► thanked, and named no more

A notice that we had lost sight of goes, whoever pressed it; who is still held is named anew.
"""

from contextlib import suppress

import structlog

from gmbot.api.errors import QueryExpired, Refusal
from gmbot.api.types import CallbackQuery, Message, User
from gmbot.guard import wording
from gmbot.guard.guard import Guard
from gmbot.guard.membership import Membership
from gmbot.telemetry import events

log = structlog.get_logger()


async def press(guard: Guard, query: CallbackQuery) -> None:
    """Answer a press and do what it asks for, as far as it concerns the presser."""
    text, alert = await _judge(guard, query)
    with suppress(QueryExpired):
        await guard.api.answer_callback_query(query.id, text, show_alert=alert)
    if query.data == wording.VERIFY and query.message is not None:
        await _remove_stray(guard, query.message, query.from_user)


async def _judge(guard: Guard, query: CallbackQuery) -> tuple[str, bool]:
    """Return the answer, and whether it is an alert to be confirmed."""
    user_id, message = query.from_user.id, query.message
    policy = None if message is None else guard.policies.get(message.chat.id)
    if query.data != wording.VERIFY or message is None or policy is None:
        return wording.STALE, False
    group_id = message.chat.id

    restriction = await guard.enforcement.held(group_id, user_id)
    if restriction is None:
        return wording.NOT_HELD, False
    known = guard.memberships.is_known_member(policy.channel_ids, user_id)
    if not known and not guard.may_press(user_id):
        return wording.TOO_SOON, False

    verification = await guard.memberships.verify(policy.channel_ids, user_id, anew=True)
    if verification.outcome is Membership.UNKNOWN:
        return wording.CANNOT_CHECK, True
    if verification.outcome is Membership.MISSING:
        missing = [c for c in policy.channels if c.channel_id in verification.missing]
        return wording.still_missing(missing), True

    try:
        released = await guard.enforcement.release(restriction, now=guard.now())
    except Refusal as error:
        log.warning(
            events.RIGHTS_MISSING, action="release", group_id=group_id, reason=error.description
        )
        return wording.CANNOT_RELEASE, True
    guard.board.remove(group_id, user_id)
    if not released:
        return wording.HELD_BY_OTHERS, True
    log.info(events.USER_RELEASED, group_id=group_id, user_id=user_id)
    return wording.RELEASED, False


async def _remove_stray(guard: Guard, message: Message, person: User) -> None:
    group_id = message.chat.id
    if guard.policies.get(group_id) is None:
        return
    if not await guard.board.is_stray(group_id, message.message_id):
        return
    with suppress(Refusal):
        await guard.api.delete_message(group_id, message.message_id)
    if await guard.enforcement.held(group_id, person.id) is not None:
        guard.board.add(group_id, person.id, person.first_name)
