"""Mute and release: never without a durable record, and only what is ours.

A record is WANTED before the mute, HELD after it, RELEASING before it is given back, and gone
after that. Each step is a compare-and-set, so that of two tasks or instances one goes on.
"""

from collections.abc import Mapping

import structlog
import trio

from gmbot.api.client import BotApi
from gmbot.api.errors import MemberNotFound, MessageNotFound, Refusal, TargetIsAdmin
from gmbot.api.types import PERMISSIONS, ChatMember, User
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

    def __init__(self, api: BotApi, storage: Storage) -> None:
        self._api = api
        self._storage = storage

    async def record(self, group_id: int, person: User, member: ChatMember) -> Restriction:
        """Write down that the person is to be muted, with what `member` says they have now.

        A record that stands is HELD, and kept, where what the person has now is our mute: perhaps
        one that was cut off before it was noted. Otherwise it is of another time and made anew.
        """
        restricted = member.status == "restricted"
        wanted = Restriction(
            group_id,
            person.id,
            person.first_name,
            RestrictionState.WANTED,
            0,
            dict(member.rights) if restricted else None,
            (member.until_date or None) if restricted else None,
        )
        standing, is_new = await self._storage.want_restriction(wanted)
        if is_new:
            return standing
        if is_muted(member):
            return await self._hold(standing)
        await self._storage.drop_restriction(standing)
        standing, _is_new = await self._storage.want_restriction(wanted)
        return standing

    async def silence(self, restriction: Restriction, message_id: int) -> bool:
        """Mute whom this record names and delete their message, side by side.

        Returns whether the person is muted now: at once where they are HELD. Where that is
        impossible, the record goes. Raises ApiErrors and StorageErrors in a group.
        """
        muted = restriction.state is RestrictionState.HELD

        async def mute() -> None:
            nonlocal muted
            muted = await self._mute(restriction)

        async with trio.open_nursery() as both:
            name = f"user {restriction.user_id} in {restriction.group_id}"
            if not muted:
                both.start_soon(mute, name=f"mute {name}")
            both.start_soon(
                self.delete,
                restriction.group_id,
                message_id,
                name=f"delete {message_id} of {name}",
            )
        return muted

    async def _mute(self, restriction: Restriction) -> bool:
        group_id, user_id = restriction.group_id, restriction.user_id
        try:
            await self._api.restrict_chat_member(group_id, user_id, MUTED)
        except Refusal as error:
            await self._storage.drop_restriction(restriction)
            if not isinstance(error, TargetIsAdmin | MemberNotFound):
                _say_refused("mute", group_id, error)
            return False
        await self._hold(restriction)
        log.info(events.USER_MUTED, group_id=group_id, user_id=user_id)
        return True

    async def _hold(self, restriction: Restriction) -> Restriction:
        """Note that the mute stands."""
        if restriction.state is RestrictionState.HELD:
            return restriction
        held = await self._storage.advance_restriction(restriction, RestrictionState.HELD)
        return restriction if held is None else held

    async def delete(self, group_id: int, message_id: int) -> None:
        """Delete a message, if it is still there and may be. Raises an ApiError."""
        try:
            await self._api.delete_message(group_id, message_id)
        except MessageNotFound:
            return
        except Refusal as error:
            _say_refused("delete", group_id, error)
            return
        log.info(events.MESSAGE_DELETED, group_id=group_id, message_id=message_id)

    async def held(self, group_id: int, user_id: int) -> Restriction | None:
        """Return the record of a person whom we hold in a group."""
        return await self._storage.restriction(group_id, user_id)

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
        permissions, until_date = permissions_after(restriction, member.rights, now)
        if is_muted(member):
            await self._api.restrict_chat_member(
                group_id, user_id, permissions, until_date=until_date
            )
            released = any(permissions.values())
        else:
            # Free, or given back already by a release that was cut off; else a human's doing.
            released = (
                member.status not in {"restricted", "kicked"} or member.rights == restriction.before
            )
        await self._storage.drop_restriction(releasing)
        return released


def _say_refused(action: str, group_id: int, error: Refusal) -> None:
    log.warning(events.RIGHTS_MISSING, action=action, group_id=group_id, reason=error.description)
