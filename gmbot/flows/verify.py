"""A press of "I have joined".

::

    another button, or an old one? ──► told so, harmless
    in the private chat? ──► every group where the presser is held: see flows/start.py
    pardoned? ──► told that they are free, and named no more
    neither held nor warned? ──► told so, or that a human has restricted them
    pressed a moment ago? ──► asked to wait
    in doubt (asked anew)? ──► asked to press again
    still missing a channel? ──► an alert that names it
    released, or only warned ──► thanked, and named no more

A notice that we had lost sight of goes, whoever pressed it; who is still held is named anew.
Where a group is guarded no more, its notice may still stand: who is held is released all the same.
"""

from collections.abc import Mapping
from contextlib import suppress

from gmbot.api.errors import QueryExpired, Refusal
from gmbot.api.types import CallbackQuery, Message, User
from gmbot.flows import start
from gmbot.guard import holding, wording
from gmbot.guard.guard import Guard
from gmbot.guard.holding import Settled
from gmbot.guard.membership import Membership
from gmbot.guard.policies import Policy
from gmbot.guard.wording import Answer
from gmbot.storage.records import Restriction

Verdict = tuple[str, bool]  # what is answered, and whether it is an alert to be confirmed

_ALERTS = frozenset({Answer.HELD_BY_OTHERS, Answer.CANNOT_RELEASE, Answer.CANNOT_CHECK})

_SETTLED: Mapping[Settled, Answer] = {
    Settled.RELEASED: Answer.RELEASED,
    Settled.BY_HUMANS: Answer.HELD_BY_OTHERS,
    Settled.UNKNOWN: Answer.CANNOT_CHECK,
    Settled.REFUSED: Answer.CANNOT_RELEASE,
    # In all channels a moment ago, and not any more: the next press tells which.
    Settled.KEPT: Answer.CANNOT_CHECK,
}


async def press(guard: Guard, query: CallbackQuery) -> None:
    """Answer a press and do what it asks for, as far as it concerns the presser."""
    message = query.message
    if message is not None and message.chat.type == "private" and query.data == wording.VERIFY:
        await start.press_in_private(guard, query, message)
        return
    text, alert = await _judge(guard, query)
    with suppress(QueryExpired):
        await guard.api.answer_callback_query(query.id, text, show_alert=alert)
    if query.data == wording.VERIFY and message is not None:
        await _remove_stray(guard, message, query.from_user)


async def _judge(guard: Guard, query: CallbackQuery) -> Verdict:
    person, message = query.from_user, query.message
    if query.data != wording.VERIFY or message is None:
        return _say(Answer.STALE, person.language_code)
    group_id = message.chat.id
    active = guard.policies.get(group_id)
    restriction = await guard.enforcement.held(group_id, person.id)
    if restriction is not None:
        return await _judge_held(guard, person, restriction, active)
    if active is None:
        return _say(Answer.STALE, person.language_code)
    return await _judge_free(guard, person, active)


async def _judge_held(
    guard: Guard, person: User, restriction: Restriction, active: Policy | None
) -> Verdict:
    """Release somebody who lacks no channel. `active` is None where acting has stopped."""
    policy = active
    if policy is None:
        written = await guard.policies.known(restriction.group_id)
        policy = None if written is None else Policy.of(written)
    language = _language(person, policy)
    verification = None
    if policy is not None:
        # Who is known to have joined need not wait.
        known = active is not None and guard.memberships.is_known_member(
            policy.channel_ids, person.id
        )
        if not known and not guard.may_press(person.id):
            return _say(Answer.TOO_SOON, language)
        verification = await holding.verify(guard, policy, person.id, anew=True)
    settled = await holding.settle(guard, restriction, verification, insist=True)
    if policy is not None and verification is not None and verification.missing:
        missing = [c for c in policy.channels if c.channel_id in verification.missing]
        return wording.still_missing(missing, language), True
    return _say(_SETTLED[settled], language)


async def _judge_free(guard: Guard, person: User, policy: Policy) -> Verdict:
    """Tell somebody whom we do not hold how they stand; who was only warned is checked too."""
    group_id, language = policy.group_id, _language(person, policy)
    if await guard.enforcement.is_pardoned(group_id, person.id):
        guard.board.remove(group_id, person.id)
        return _say(Answer.FREE, language)
    is_named = guard.board.names(group_id, person.id)
    if not guard.may_press(person.id):
        return _say(Answer.TOO_SOON if is_named else Answer.NOT_HELD, language)
    if is_named:
        verification = await holding.verify(guard, policy, person.id, anew=True)
        if verification.outcome is Membership.UNKNOWN:
            return _say(Answer.CANNOT_CHECK, language)
        if verification.outcome is Membership.MISSING:
            missing = [c for c in policy.channels if c.channel_id in verification.missing]
            return wording.still_missing(missing, language), True
        guard.board.remove(group_id, person.id)
        await guard.enforcement.forget_warnings(group_id, person.id)
    if await _is_silenced(guard, group_id, person):
        return _say(Answer.HELD_BY_OTHERS, language)
    return _say(Answer.RELEASED if is_named else Answer.NOT_HELD, language)


async def _is_silenced(guard: Guard, group_id: int, person: User) -> bool:
    """Whether somebody whom we do not hold cannot write: then a human has restricted them."""
    try:
        member = await guard.roles.standing(group_id, person.id)
    except Refusal:  # nothing hangs on it
        return False
    return member.status == "kicked" or (
        member.status == "restricted" and not member.rights.get("can_send_messages", False)
    )


def _language(person: User, policy: Policy | None) -> str | None:
    """Return the presser's language, or the group's where we have no texts in that."""
    own = person.language_code
    if policy is None or (own and own.partition("-")[0].lower() in wording.CATALOGUES):
        return own
    return policy.params.language


def _say(answer: Answer, language: str | None) -> Verdict:
    return wording.answer(answer, language), answer in _ALERTS


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
