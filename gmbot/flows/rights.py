"""What the bot itself may do in a group, and what follows when that changes.

::

    nothing guarded here? ──► a /protect that waits for the rights is completed, else nothing
    not in the group? ──► guarded no more, and nothing is sent
    a right is missing? ──► guarded no more, the notice goes, and one message says which right
    all there again? ──► guarded again, one message says so, and whoever is held is looked at

Its standing is asked for each time: what tells of a change may come late, twice and in any order.
"""

import structlog

from gmbot.api.errors import ChatMigrated, ChatNotFound, Forbidden, MemberNotFound
from gmbot.api.types import ChatMember, ChatMemberUpdated, User
from gmbot.flows.admins import missing_rights, named
from gmbot.flows.completion import complete
from gmbot.flows.migration import migrated
from gmbot.flows.protect import guarded_again
from gmbot.guard.guard import Guard
from gmbot.storage.records import Job, ProtectedGroup
from gmbot.telemetry import events

# Seconds for which a group where acting has stopped is looked at again by each start.
SUSPENDED = 30 * 24 * 3600.0

log = structlog.get_logger()

NO_ADMIN = (
    "I cannot protect this group now: I am no admin here. "
    "Please make me one, with {rights}; then I go on by myself."
)
LACKING = (
    "I cannot protect this group now. What I lack as an admin: {rights}. "
    "As soon as I have it, I go on by myself."
)
BACK = "I have the rights I need, and protect this group again."


async def in_group(guard: Guard, change: ChatMemberUpdated) -> None:
    """Act on a change of the bot's own standing in a group."""
    gained = not _is_able(change.old_chat_member)
    await _look(guard, change.chat.id, gained=gained)


async def handle_rights(guard: Guard, job: Job) -> None:
    """Look at the bot's rights in a group and act on them: job "rights", key: the group's id."""
    await _look(guard, int(job.key), gained=False)


async def look_again(guard: Guard) -> None:
    """Ask for a look at every group where acting has stopped lately: word of a return may be lost.

    Raises StorageError.
    """
    for group_id in await guard.policies.suspended(since=guard.now() - SUSPENDED):
        await guard.jobs.add("rights", group_id)


async def _look(guard: Guard, group_id: int, *, gained: bool) -> None:
    """Bring what is written about a group in line with what the bot may do in it.

    Looked at once more after a change: of two who are at it, the later writer finds the truth.
    """
    done: tuple[bool, bool] | None = None
    while True:
        known = await guard.policies.known(group_id)
        if known is None or not known.channels:
            await complete(guard, group_id)
            return
        try:
            me = await _standing(guard, group_id)
        except ChatMigrated as moved:
            await migrated(guard, group_id, moved.new_chat_id)
            return
        is_able = _is_able(me)
        found = me.is_in, is_able
        if found == done:
            return
        if not me.is_in:
            await _leave(guard, known)
        elif is_able:
            await _resume(guard, known, gained=gained)
        else:
            await _suspend(guard, known, me)
        if known.group.enabled is is_able:
            return
        done = found


async def _standing(guard: Guard, group_id: int) -> ChatMember:
    try:
        return await guard.api.get_chat_member(group_id, guard.me.id)
    except (Forbidden, ChatNotFound, MemberNotFound):
        return ChatMember("left", User(guard.me.id))


def _is_able(me: ChatMember) -> bool:
    return me.is_admin and not missing_rights(me)


# What was said is known by two keys, of which each act frees the other's: so each loss and each
# return is told once.


async def _leave(guard: Guard, known: ProtectedGroup) -> None:
    group_id = known.group.group_id
    await _switch(guard, known, on=False, missing=())
    await guard.replies.forget(_lost(group_id))
    await guard.replies.forget(guarded_again(group_id))


async def _suspend(guard: Guard, known: ProtectedGroup, me: ChatMember) -> None:
    group_id, missing = known.group.group_id, missing_rights(me)
    await _switch(guard, known, on=False, missing=missing)
    text = LACKING if me.is_admin else NO_ADMIN
    await guard.replies.say_once(_lost(group_id), group_id, text.format(rights=named(missing)))
    await guard.replies.forget(guarded_again(group_id))


async def _resume(guard: Guard, known: ProtectedGroup, *, gained: bool) -> None:
    group_id = known.group.group_id
    await guard.replies.forget(_lost(group_id))
    if known.group.enabled and not gained:
        return
    await _switch(guard, known, on=True, missing=())
    await guard.jobs.add("recheck", group_id, {"scope": "held"})
    for channel in known.channels:
        if channel.hidden:  # what came of it meanwhile was not heard for this group
            await guard.jobs.add("tell", channel.channel_id)
    await guard.replies.say_once(guarded_again(group_id), group_id, BACK)


async def _switch(
    guard: Guard, known: ProtectedGroup, *, on: bool, missing: tuple[str, ...]
) -> None:
    group_id = known.group.group_id
    if known.group.enabled is not on:
        await guard.policies.set_enabled(group_id, enabled=on)
        event = events.GROUP_RESUMED if on else events.GROUP_SUSPENDED
        log.info(event, group_id=group_id, missing=missing)
    if not on:
        guard.board.withdraw(group_id)


def _lost(group_id: int) -> str:
    return f"rights lost:{group_id}"
