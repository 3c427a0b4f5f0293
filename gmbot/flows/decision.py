"""Somebody changes a member's standing in a guarded group: the bot gives way.

What a human decides stands: whom they free is pardoned, whom they restrict or remove is theirs,
and never given back by us. What this bot did is no decision, nor what people do themselves.
"""

from collections.abc import Mapping
from enum import StrEnum

import structlog

from gmbot.api.types import ChatMember, ChatMemberUpdated
from gmbot.flows.freshness import is_fresh
from gmbot.guard.enforcement import is_muted
from gmbot.guard.guard import Guard
from gmbot.storage.records import Restriction
from gmbot.telemetry import events

log = structlog.get_logger()


class Actor(StrEnum):
    """Who changed a standing."""

    BOT = "bot"  # this one
    SELF = "self"
    OTHER = "other"  # a human, an anonymous admin, another bot


class Standing(StrEnum):
    """What somebody may do in a group; the restrictions of those who went out count too."""

    ABSENT = "absent"
    BANNED = "banned"
    MUTED = "muted"  # as we do it: nothing allowed, for ever
    SILENT = "silent"  # restricted otherwise, may not write
    LIMITED = "limited"  # restricted, may write something
    FREE = "free"
    ADMIN = "admin"


class Consequence(StrEnum):
    """What follows for a person; to be pardoned, one need not be held (any more)."""

    NOTHING = "nothing"
    UNNAMED = "unnamed"  # off the notice; the record stays, as Telegram's restriction does
    ENDED = "ended"  # the record ends, and nobody gives anything back
    PARDONED = "pardoned"  # the record ends, and the person is left free


_NOTHING, _ENDED, _PARDONED = Consequence.NOTHING, Consequence.ENDED, Consequence.PARDONED

# Theory. A record is about a restriction: it ends with whatever others do to the person, but for
# what leaves the person as we think they are. More than before is a gift, and pardons. A person
# without any restriction who goes or comes is no decision, nor is an unban, which gives no voice.
# Rows are the standing before; the columns, in the order of `Standing`, the one after:
#                  absent    banned    muted     silent    limited    free       admin
_BY_OTHERS: Mapping[Standing, tuple[Consequence, ...]] = {
    Standing.ABSENT: (_NOTHING, _ENDED, _ENDED, _ENDED, _ENDED, _NOTHING, _ENDED),
    Standing.BANNED: (_NOTHING, _NOTHING, _ENDED, _ENDED, _ENDED, _NOTHING, _ENDED),
    Standing.MUTED: (_PARDONED, _ENDED, _NOTHING, _ENDED, _PARDONED, _PARDONED, _ENDED),
    Standing.SILENT: (_PARDONED, _ENDED, _ENDED, _ENDED, _PARDONED, _PARDONED, _ENDED),
    Standing.LIMITED: (_PARDONED, _ENDED, _ENDED, _ENDED, _ENDED, _PARDONED, _ENDED),
    Standing.FREE: (_ENDED, _ENDED, _ENDED, _ENDED, _ENDED, _NOTHING, _ENDED),
    Standing.ADMIN: (_ENDED, _ENDED, _ENDED, _ENDED, _ENDED, _NOTHING, _NOTHING),
}
_COLUMNS = tuple(Standing)

_STATUS: Mapping[str, Standing] = {
    "creator": Standing.ADMIN,
    "administrator": Standing.ADMIN,
    "member": Standing.FREE,
    "kicked": Standing.BANNED,
}


def standing_of(member: ChatMember) -> Standing:
    """Return what a person may do. Pure."""
    if member.status != "restricted":
        return _STATUS.get(member.status, Standing.ABSENT)
    if is_muted(member):
        return Standing.MUTED
    may_send = any(given for name, given in member.rights.items() if name.startswith("can_send"))
    return Standing.LIMITED if may_send else Standing.SILENT


def what_follows(before: ChatMember, after: ChatMember, actor: Actor) -> Consequence:
    """Decide what a change of standing means for a person whom we hold. Pure."""
    if actor is Actor.BOT:
        return Consequence.NOTHING
    if before.is_in and not after.is_in:
        return Consequence.UNNAMED if actor is Actor.SELF else Consequence.ENDED
    if actor is Actor.SELF:
        return Consequence.NOTHING
    return _BY_OTHERS[standing_of(before)][_COLUMNS.index(standing_of(after))]


async def decided(guard: Guard, change: ChatMemberUpdated) -> None:
    """Let what somebody else than this bot did to a member stand.

    Looks at the present truth before a record ends: nobody is to stay muted by us without one.
    """
    group_id, user_id = change.chat.id, change.new_chat_member.user.id
    after, fresh = change.new_chat_member, is_fresh(guard, change.date)
    consequence = what_follows(change.old_chat_member, after, _actor(guard, change))
    if consequence is Consequence.NOTHING:
        return
    async with guard.enforcement.alone(group_id, user_id):
        restriction = await guard.enforcement.held(group_id, user_id)
        is_freed = consequence is Consequence.PARDONED and fresh
        if restriction is None and is_freed and guard.policies.get(group_id) is not None:
            # Theirs was the word, also where we were giving back in the same moment.
            await guard.enforcement.pardon(group_id, user_id, given_at=change.date)
        if restriction is None or consequence is Consequence.UNNAMED:
            gone = not after.is_in and (fresh or not await _is_in(guard, group_id, user_id))
            if gone or after.is_admin:
                guard.board.remove(group_id, user_id)
            return
        present = await guard.roles.standing(group_id, user_id)
        # A mute of ours that is later than the word of a human is told by an update of its own.
        is_word = consequence is Consequence.PARDONED and _is_later(change, restriction)
        if is_muted(present) and not is_word and not (fresh and is_muted(after)):
            if fresh and _came_between(change, restriction):
                await _renew(guard, restriction, after)
            return
        if consequence is Consequence.PARDONED:
            await guard.enforcement.pardon(group_id, user_id, given_at=change.date)
        else:
            await guard.enforcement.forget(restriction)
            log.info(events.RESTRICTION_ENDED, group_id=group_id, user_id=user_id)
    guard.board.remove(group_id, user_id)


async def muted_by_us(guard: Guard, change: ChatMemberUpdated) -> None:
    """Undo a mute of ours that has no record.

    It was sent by a run that died, and done after its end; or it was said again, since its answer
    was lost, after a human had freed the person. Where nobody is pardoned, only what is told at
    once: later, the same standing may be a human's doing.
    """
    group_id, user_id = change.chat.id, change.new_chat_member.user.id
    async with guard.enforcement.alone(group_id, user_id):
        if await guard.enforcement.held(group_id, user_id) is not None:
            return
        is_pardoned = await guard.enforcement.is_pardoned(group_id, user_id)
        if not is_pardoned and not is_fresh(guard, change.date):
            return
        if is_muted(await guard.roles.standing(group_id, user_id)):
            await guard.enforcement.give_back(group_id, user_id, change.old_chat_member)
            log.warning(events.MUTE_UNDONE, group_id=group_id, user_id=user_id)


def _is_later(change: ChatMemberUpdated, restriction: Restriction) -> bool:
    """Whether a change came after this record was made; Telegram counts in whole seconds."""
    return restriction.since < change.date + 1


def _actor(guard: Guard, change: ChatMemberUpdated) -> Actor:
    if change.from_user.id == guard.me.id:
        return Actor.BOT
    is_self = change.from_user.id == change.new_chat_member.user.id
    return Actor.SELF if is_self else Actor.OTHER


async def _is_in(guard: Guard, group_id: int, user_id: int) -> bool:
    return (await guard.roles.standing(group_id, user_id)).is_in


def _came_between(change: ChatMemberUpdated, restriction: Restriction) -> bool:
    """Whether a human restricted the person between our look at them and our mute."""
    after = change.new_chat_member
    is_theirs = after.status == "restricted" and not is_muted(after)
    return is_theirs and _kept(change.old_chat_member) == (
        restriction.before,
        restriction.until_date,
    )


def _kept(member: ChatMember) -> tuple[dict[str, bool] | None, int | None]:
    """Return what a record keeps of a standing."""
    if member.status != "restricted":
        return None, None
    return dict(member.rights), member.until_date or None


async def _renew(guard: Guard, restriction: Restriction, theirs: ChatMember) -> None:
    """Hold the person by a record that will give back what the human left them."""
    await guard.enforcement.forget(restriction)
    renewed = await guard.enforcement.record(
        restriction.group_id, theirs.user, theirs, now=guard.now()
    )
    if renewed is not None:
        await guard.enforcement.mute(renewed, now=guard.now())
