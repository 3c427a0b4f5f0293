"""Mute and release: never without a durable record, and only what is ours.

A record is WANTED before the mute, HELD after it, RELEASING before it is given back, and gone
after that. Each step is a compare-and-set, so that of two instances one goes on; within one, those
who are at the same person wait for each other (`alone`).

What is found where a record stands already, when the person is to be muted:

=========  ==============  ===================================================================
record     muted by us?    what follows
=========  ==============  ===================================================================
any        yes             HELD: also where a mute, or a release, was cut off
WANTED     no              muted now, by this record where it still tells what they have
HELD       no (asked anew) a human ended it, whose word is on its way to us: left alone now; and
                           pardoned where the person has written, since all that came before
                           that was told before it
RELEASING  no              an earlier release that had happened: recorded anew
=========  ==============  ===================================================================
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import structlog
import trio

from gmbot.api.client import BotApi
from gmbot.api.errors import (
    ChatMigrated,
    ChatNotFound,
    Forbidden,
    MemberNotFound,
    NotEnoughRights,
    Refusal,
    TargetIsAdmin,
)
from gmbot.api.types import PERMISSIONS, ChatMember, User
from gmbot.coordination.jobs import Jobs
from gmbot.guard.deletions import Deletions
from gmbot.storage.protocol import Storage
from gmbot.storage.records import Restriction, RestrictionState
from gmbot.telemetry import events

log = structlog.get_logger()

MUTED: Mapping[str, bool] = dict.fromkeys(PERMISSIONS, False)
FREE: Mapping[str, bool] = dict.fromkeys(PERMISSIONS, True)

# restrictChatMember takes an end nearer than 30 s for "for ever" (core.telegram.org/bots/api).
SHORTEST = 30


def is_muted(member: ChatMember) -> bool:
    """Whether a member's standing is the mute that we set: nothing allowed, for ever."""
    return (
        member.status == "restricted"
        and not member.until_date
        and not any(member.rights.get(name, False) for name in PERMISSIONS)
    )


def permissions_after(
    restriction: Restriction, named: Mapping[str, bool], now: float
) -> tuple[Mapping[str, bool], int | None]:
    """Return what to give back, and until when: exactly what the person had before us.

    No restriction before, or one that is over within 30 s: everything that Telegram has `named`,
    known to us or not, which lifts it.
    """
    until = restriction.until_date
    if restriction.before is None or (until and until - now <= SHORTEST):
        return {**FREE, **dict.fromkeys(named, True)}, None
    return restriction.before, until


class Enforcement:
    """Carries out what the guard decides about a person in a group."""

    def __init__(self, api: BotApi, storage: Storage, deletions: Deletions, jobs: Jobs) -> None:
        self._api = api
        self._storage = storage
        self._deletions = deletions
        self._jobs = jobs
        self._locks: dict[tuple[int, int], _Lock] = {}

    @asynccontextmanager
    async def alone(self, group_id: int, user_id: int) -> AsyncIterator[None]:
        """Keep everybody else in this process from the same person in the same group."""
        key = group_id, user_id
        lock = self._locks.setdefault(key, _Lock())
        lock.wanted += 1
        try:
            async with lock.lock:
                yield
        finally:
            lock.wanted -= 1
            if not lock.wanted:
                del self._locks[key]

    # Muting

    async def record(
        self,
        group_id: int,
        person: User,
        member: ChatMember,
        *,
        now: float,
        has_written: bool = False,
    ) -> Restriction | None:
        """Write down that the person is to be muted, with what `member` says they have now.

        `now` is in seconds since 1970. None: they are pardoned here. What follows where a record
        stands: see the module.
        """
        wanted = _wanted(group_id, person, member)
        while True:
            found = await self._storage.want_restriction(wanted)
            if found is None:
                return None
            standing, is_new = found
            if is_new:
                return standing
            if is_muted(member):
                return await self._hold(standing)
            match standing.state:
                case RestrictionState.WANTED if _before(standing) == _before(wanted):
                    return standing
                case RestrictionState.HELD:
                    # What we were told may be older than the mute.
                    if await self._is_still_muted(group_id, person.id):
                        return standing
                    if has_written:
                        await self.pardon(group_id, person.id, given_at=now)
                    return None
            await self._storage.drop_restriction(standing)

    async def mute(self, restriction: Restriction, *, now: float) -> bool:
        """Mute whom this record names; False where that is impossible: then the record goes.

        `now` is in seconds since 1970. Raises ApiErrors and StorageErrors.
        """
        group_id, user_id = restriction.group_id, restriction.user_id
        if restriction.state is RestrictionState.HELD:
            return True
        try:
            await self._api.restrict_chat_member(group_id, user_id, MUTED)
        except ChatMigrated:
            raise
        except Refusal as error:
            await self._storage.drop_restriction(restriction)
            if not isinstance(error, TargetIsAdmin | MemberNotFound):
                await self._refused("mute", group_id, error)
            return False
        log.info(events.USER_MUTED, group_id=group_id, user_id=user_id)
        held = await self._hold(restriction)
        if held is restriction and await self.held(group_id, user_id) is None:
            # A human decided while the mute was under way, and that stands.
            await self._give_back(restriction, MUTED, now=now)
            return False
        return True

    async def silence(self, restriction: Restriction, message_id: int, *, now: float) -> bool:
        """Mute whom this record names and delete their message, side by side.

        Returns whether the person is muted now. Raises ApiErrors and StorageErrors in a group.
        """
        muted = False

        async def mute() -> None:
            nonlocal muted
            muted = await self.mute(restriction, now=now)

        async with trio.open_nursery() as both:
            name = f"user {restriction.user_id} in {restriction.group_id}"
            both.start_soon(mute, name=f"mute {name}")
            both.start_soon(
                self.delete,
                restriction.group_id,
                message_id,
                name=f"delete {message_id} of {name}",
            )
        return muted

    async def delete(self, group_id: int, message_id: int) -> None:
        """Delete a message, if it is still there and may be. Raises an ApiError."""
        if await self._deletions.delete(group_id, message_id):
            log.info(events.MESSAGE_DELETED, group_id=group_id, message_id=message_id)
        else:
            await self._jobs.add("rights", group_id)

    async def warn(self, group_id: int, user_id: int, message_id: int, *, now: float) -> int:
        """Count a message that is deleted with a warning; return how many there were."""
        return await self._storage.warn(group_id, user_id, message_id, now=now)

    async def forget_warnings(self, group_id: int, user_id: int) -> None:
        """Begin to count a person's warnings anew."""
        await self._storage.forget_warnings(group_id, user_id)

    # Whom we hold, and whom a human has freed

    async def held(self, group_id: int, user_id: int) -> Restriction | None:
        """Return the record of a person whom we hold in a group."""
        return await self._storage.restriction(group_id, user_id)

    async def held_in(self, group_id: int) -> list[Restriction]:
        """Return the records of a group."""
        return await self._storage.restrictions_in(group_id)

    async def held_of(self, user_id: int) -> list[Restriction]:
        """Return the records of a person."""
        return await self._storage.restrictions_of(user_id)

    async def groups(self) -> list[int]:
        """Return the groups in which we hold somebody, by their ids."""
        return await self._storage.restricted_groups()

    async def pardon(self, group_id: int, user_id: int, *, given_at: float) -> None:
        """End our record of a person whom a human has freed, and leave them free.

        `given_at` is when the human did: in seconds since 1970, by Telegram's clock where it tells.
        """
        await self._storage.pardon(group_id, user_id, given_at=given_at)
        log.info(events.USER_PARDONED, group_id=group_id, user_id=user_id)

    async def is_pardoned(self, group_id: int, user_id: int) -> bool:
        """Whether a person is left free whatever channel they lack."""
        return await self._storage.is_pardoned(group_id, user_id)

    async def end_pardons(self, user_id: int, group_ids: list[int], *, left_at: int) -> None:
        """Let a person's pardons in these groups end: they have left a channel.

        Telegram counts in whole seconds: of the same one, the pardon is taken for the earlier. So
        nobody stays free who is out, and whom a human freed after all is freed again.
        """
        await self._storage.end_pardons(user_id, group_ids, before=left_at + 1)

    async def mend(self, group_id: int, user_id: int, *, is_exempt: bool) -> None:
        """Let the record of somebody who is not to be muted now say whether our mute stands.

        There may be one of a mute or a release that was cut off; or of an admin's former days.
        """
        restriction = await self.held(group_id, user_id)
        if restriction is None or (restriction.state is RestrictionState.HELD and not is_exempt):
            return
        if await self._is_still_muted(group_id, user_id):
            await self._hold(restriction)
        else:
            await self.forget(restriction)

    async def forget(self, restriction: Restriction) -> bool:
        """End our record without touching the person: a human has decided otherwise."""
        return await self._storage.drop_restriction(restriction)

    # Releasing

    async def release(self, restriction: Restriction, *, now: float) -> bool:
        """Give back what the person had; False where a human decided otherwise, before or since.

        `now` is in seconds since 1970. The record is gone afterwards in either case. Raises a
        Refusal where the bot may not give it back: then the record stays.
        """
        group_id, user_id = restriction.group_id, restriction.user_id
        releasing = await self._storage.advance_restriction(restriction, RestrictionState.RELEASING)
        if releasing is None:  # somebody else is at it, and what they do is as good
            return True
        try:
            member = await self._api.get_chat_member(group_id, user_id)
        except MemberNotFound:
            await self._storage.drop_restriction(releasing)
            return True
        if is_muted(member):
            try:
                released = await self._give_back(restriction, member.rights, now=now)
            except Refusal:
                await self._hold(releasing)  # so that a human's lift is known as one
                raise
        else:
            # Free, or given back already by a release that was cut off; else a human's doing.
            released = (
                member.status not in {"restricted", "kicked"} or member.rights == restriction.before
            )
        if not await self._storage.drop_restriction(releasing):
            await self._want_again(group_id, user_id)
        return released

    async def give_back(self, group_id: int, user_id: int, theirs: ChatMember) -> None:
        """Set a standing that a human gave somebody, or that they had, over a mute of ours."""
        permissions, until_date = FREE, 0
        if theirs.status == "restricted":
            permissions, until_date = theirs.rights, theirs.until_date
        try:
            await self._api.restrict_chat_member(
                group_id, user_id, permissions, until_date=until_date or None
            )
        except (TargetIsAdmin, MemberNotFound):  # they are free without us
            return

    async def _give_back(
        self, restriction: Restriction, named: Mapping[str, bool], *, now: float
    ) -> bool:
        """Set what the person had before us; whether that lets them do anything."""
        permissions, until_date = permissions_after(restriction, named, now)
        try:
            await self._api.restrict_chat_member(
                restriction.group_id, restriction.user_id, permissions, until_date=until_date
            )
        except (TargetIsAdmin, MemberNotFound):  # they are free without us
            return True
        return any(permissions.values())

    async def _want_again(self, group_id: int, user_id: int) -> None:
        """Let a record that another instance renewed meanwhile say that its mute is to be done."""
        standing = await self._storage.restriction(group_id, user_id)
        if standing is not None and standing.state is RestrictionState.HELD:
            await self._storage.advance_restriction(standing, RestrictionState.WANTED)

    async def _hold(self, restriction: Restriction) -> Restriction:
        """Note that the mute stands; the same record where another one stands, or none."""
        if restriction.state is RestrictionState.HELD:
            return restriction
        held = await self._storage.advance_restriction(restriction, RestrictionState.HELD)
        return restriction if held is None else held

    async def _is_still_muted(self, group_id: int, user_id: int) -> bool:
        try:
            return is_muted(await self._api.get_chat_member(group_id, user_id))
        except MemberNotFound:
            return False

    async def _refused(self, action: str, group_id: int, error: Refusal) -> None:
        """Say that the bot may not do this, and have its rights looked at."""
        log.warning(
            events.RIGHTS_MISSING, action=action, group_id=group_id, reason=error.description
        )
        if isinstance(error, NotEnoughRights | Forbidden | ChatNotFound):
            await self._jobs.add("rights", group_id)


class _Lock:
    """A lock and how many have it or wait for it."""

    __slots__ = ("lock", "wanted")

    def __init__(self) -> None:
        self.lock = trio.Lock()
        self.wanted = 0


def _wanted(group_id: int, person: User, member: ChatMember) -> Restriction:
    restricted = member.status == "restricted"
    return Restriction(
        group_id,
        person.id,
        person.first_name,
        RestrictionState.WANTED,
        0,
        dict(member.rights) if restricted else None,
        (member.until_date or None) if restricted else None,
    )


def _before(restriction: Restriction) -> tuple[dict[str, bool] | None, int | None]:
    return restriction.before, restriction.until_date
