"""One live warning a group: a digest, edited as people come and go, gone when nobody is left.

A notice is stored before it is sent, so that a restart finds it again. What it says is decided when
its turn in the limiter comes: whoever was released while it waited is not named. A group has one
message at a time: the old one is taken down before a new one is sent.
"""

from collections.abc import Callable, Iterable, Sequence
from time import time

import structlog
import trio
from msgspec import structs
from structlog.contextvars import clear_contextvars

from gmbot.api.client import BotApi
from gmbot.api.errors import ApiError, ChatMigrated, MessageNotFound, NotModified, Refusal
from gmbot.api.limiter import Priority
from gmbot.api.types import InlineKeyboardMarkup
from gmbot.guard import wording
from gmbot.guard.policies import Policies, Policy
from gmbot.storage.errors import StorageError
from gmbot.storage.protocol import Storage
from gmbot.storage.records import Named, Notice, NoticeState, RestrictionState
from gmbot.telemetry import events

EDIT_INTERVAL = 4.0  # seconds at least between two versions of one notice: 15 a minute of the 20
RETRY = 5.0  # seconds to rest after a failure

log = structlog.get_logger()


class Withdrawn(Exception):
    """There is nothing to say any more."""


class Board:
    """The notices of all groups; one task for each group that has one."""

    def __init__(
        self,
        api: BotApi,
        storage: Storage,
        policies: Policies,
        nursery: trio.Nursery,
        *,
        now: Callable[[], float] = time,
    ) -> None:
        self._api = api
        self._storage = storage
        self._policies = policies
        self._nursery = nursery
        self._now = now
        self._notices: dict[int, _Notice] = {}

    async def restore(self) -> None:
        """Go on with the notices of an earlier run, and tell whom it did not. Raises StorageError.

        For after the policies have been loaded.
        """
        for stored in await self._storage.notices():
            # One that was being sent may be there or not: it is sent again, and a press on the
            # stray one removes it. One that is live may lack who came last: it is edited.
            notice = _Notice(stored.group_id, self._policies.get(stored.group_id), stored)
            await self._forget_free(notice)
            self._start(notice)
        for held in await self._storage.untold_restrictions():
            # Whoever is only WANTED is not muted yet, and is told when they are.
            if held.state is RestrictionState.HELD:
                self.add(held.group_id, held.user_id, held.name)

    def add(
        self,
        group_id: int,
        user_id: int,
        name: str,
        *,
        is_new: bool = False,
        missing: Iterable[int] = (),
    ) -> None:
        """Name somebody in the group's notice, soon; whoever `is_new` has just joined.

        They lack the channels that are `missing`; all of the group's where that is not known.

        A `user_id` below 0 is a chat in whose name somebody wrote. A group that is not guarded gets
        no notice.
        """
        policy = self._policies.get(group_id)
        if policy is None:
            return
        notice = self._notices.get(group_id)
        if notice is None:
            notice = _Notice(group_id, policy)
            self._start(notice)
        elif notice.is_over(self._now()):
            notice.retire()  # its message is far up by now: who comes gets a new one
        named = notice.people.get(user_id)
        welcome = is_new if named is None else named.is_new
        notice.people[user_id] = Named(user_id, name, welcome, _part(policy, missing))
        notice.stand(policy, self._now())
        notice.changed.set()

    def remove(self, group_id: int, user_id: int) -> None:
        """Name somebody no more."""
        notice = self._notices.get(group_id)
        if notice is not None and notice.people.pop(user_id, None) is not None:
            notice.changed.set()

    def lacks(self, group_id: int, user_id: int, missing: Iterable[int]) -> None:
        """Note which channels somebody who is named lacks now."""
        notice, policy = self._notices.get(group_id), self._policies.get(group_id)
        named = None if notice is None else notice.people.get(user_id)
        if notice is not None and named is not None and policy is not None:
            notice.people[user_id] = structs.replace(named, missing=_part(policy, missing))
            notice.changed.set()

    def names(self, group_id: int, user_id: int) -> bool:
        """Whether the group's notice names somebody, or will."""
        notice = self._notices.get(group_id)
        return notice is not None and user_id in notice.people

    def withdraw(self, group_id: int) -> None:
        """Take a group's notice down, if that is still possible, and name nobody."""
        notice = self._notices.get(group_id)
        if notice is not None:
            notice.retire()

    def refresh(self, group_id: int) -> None:
        """Let a group's notice say what the group wants by now, and stand as long as that says.

        Where nobody has to be in a channel any more, it goes.
        """
        notice, policy = self._notices.get(group_id), self._policies.get(group_id)
        if notice is None:
            return
        if policy is None or not policy.channel_ids:
            notice.retire()
        else:
            notice.follow(policy)

    def migrate(self, old_id: int, new_id: int) -> None:
        """Name in a group's new id whom the old one named; the old message did not follow.

        For after the policies have followed.
        """
        notice = self._notices.pop(old_id, None)
        if notice is not None:
            notice.life.cancel()
            for named in notice.people.values():
                self.add(
                    new_id, named.user_id, named.name, is_new=named.is_new, missing=named.missing
                )

    async def is_stray(self, group_id: int, message_id: int) -> bool:
        """Whether a message of ours with buttons is surely not the group's live notice."""
        stored = await self._storage.notice(group_id)
        return stored is None or stored.message_id not in {None, message_id}

    @property
    def live(self) -> int:
        """How many groups have a notice."""
        return len(self._notices)

    async def _forget_free(self, notice: "_Notice") -> None:
        """Name nobody who was let go just before the earlier run ended.

        Whom a group warns first is named without being held.
        """
        group_id, policy = notice.group_id, self._policies.get(notice.group_id)
        held = {record.user_id for record in await self._storage.restrictions_in(group_id)}
        for user_id in [one for one in notice.people if one >= 0 and one not in held]:
            may_be_warned = policy is not None and policy.params.warnings > 0
            if not may_be_warned or await self._storage.is_pardoned(group_id, user_id):
                del notice.people[user_id]

    def _start(self, notice: "_Notice") -> None:
        self._notices[notice.group_id] = notice
        self._nursery.start_soon(self._keep, notice, name=f"notice {notice.group_id}")

    async def _keep(self, notice: "_Notice") -> None:
        """Keep one notice true until it is gone."""
        clear_contextvars()  # it outlives the flow that began it
        with notice.life:
            while not await self._step(notice):
                pass
        if self._notices.get(notice.group_id) is notice:
            del self._notices[notice.group_id]

    async def _step(self, notice: "_Notice") -> bool:
        """Do what is due now and wait for the next change; True when the notice is gone."""
        try:
            if notice.is_over(self._now()):
                notice.retire()
            if notice.is_retired or not notice.people:
                await self._take_down(notice)
                if not notice.people:
                    return True
            elif notice.is_stale:
                await self._show(notice)
                await notice.wait_empty(EDIT_INTERVAL)
        except Withdrawn:
            pass
        except (ApiError, StorageError) as error:
            if isinstance(error, Refusal) and not isinstance(error, ChatMigrated):
                # The bot may not write here any more: nobody sees a notice, and none is kept.
                _say_refused(notice, error)
                notice.people.clear()
                notice.message_id = None
            else:
                # Away for a while; or the group has a new id, and is followed soon.
                log.warning(events.NOTICE_FAILED, group_id=notice.group_id, reason=str(error))
                await trio.sleep(RETRY)
            notice.shown = ()
        if notice.people and not notice.is_stale:
            with trio.move_on_after(max(0.0, notice.expires_at - self._now())):
                await notice.wait_changed()
        return False

    async def _show(self, notice: "_Notice") -> None:
        told = notice.shown

        def content() -> tuple[str, InlineKeyboardMarkup]:
            return self._content(notice)

        group_id = notice.group_id
        if notice.message_id is None:
            await self._store(notice, notice.people.values(), NoticeState.SENDING)
            sent = await self._api.send_notice(group_id, content)
            notice.message_id = sent.message_id
            log.info(events.NOTICE_SENT, group_id=group_id, people=len(notice.shown))
        else:
            try:
                await self._api.edit_notice(group_id, notice.message_id, content)
                log.info(events.NOTICE_EDITED, group_id=group_id, people=len(notice.shown))
            except NotModified:
                pass
            except MessageNotFound:  # removed by an admin: whom it named was told
                for named in told:
                    notice.people.pop(named.user_id, None)
                notice.message_id, notice.shown = None, ()
                return
        # Who came meanwhile has not been told yet.
        await self._store(notice, notice.shown, NoticeState.LIVE)

    def _content(self, notice: "_Notice") -> tuple[str, InlineKeyboardMarkup]:
        """Return what is to be said now. Raises Withdrawn."""
        policy = self._policies.get(notice.group_id)
        if policy is None or not policy.channel_ids:
            notice.retire()
        if policy is None or notice.is_retired or not notice.people:
            raise Withdrawn
        notice.shown, notice.is_dated = tuple(notice.people.values()), False
        if notice.message_id is None:  # its turn may have come late
            notice.stand(policy, self._now())
        return wording.notice(notice.shown, policy.channels, params=policy.params)

    async def _take_down(self, notice: "_Notice") -> None:
        """Remove the message; those it named stay held. Who comes meanwhile gets a new one."""
        group_id, message_id = notice.group_id, notice.message_id
        if message_id is not None:
            try:
                await self._api.delete_message(group_id, message_id, priority=Priority.NOTICE)
                log.info(events.NOTICE_REMOVED, group_id=group_id)
            except MessageNotFound:
                pass
            except Refusal as error:
                _say_refused(notice, error)
            notice.message_id = None
        notice.shown = ()
        if notice.stored is not None:
            await self._storage.drop_notice(notice.stored)
            notice.stored = None
        notice.is_retired = False

    async def _store(self, notice: "_Notice", people: Iterable[Named], state: NoticeState) -> None:
        named = tuple(people)
        while True:
            version = 0 if notice.stored is None else notice.stored.version
            notice.stored = await self._storage.save_notice(
                Notice(notice.group_id, notice.message_id, named, state, version, notice.expires_at)
            )
            if notice.stored is not None:
                return
            # Another hand was faster: its row is the truth, ours comes on top of it.
            notice.stored = await self._storage.notice(notice.group_id)


class _Notice:
    """One group's notice as it should be (`people`) and as it is (`shown`, `stored`).

    One that `is_retired` has a message that has to go before anything else is said; what one that
    `is_dated` says is no more what the group wants.
    """

    def __init__(
        self, group_id: int, policy: Policy | None = None, stored: Notice | None = None
    ) -> None:
        self.group_id = group_id
        self.seconds = 0 if policy is None else policy.params.notice_seconds
        self.stored = stored
        self.message_id = None if stored is None else stored.message_id
        self.expires_at = 0.0 if stored is None else stored.expires_at
        self.people = {} if stored is None else {one.user_id: one for one in stored.people}
        self.shown: Sequence[Named] = ()
        self.is_retired = False
        self.is_dated = False
        self.changed = trio.Event()
        self.life = trio.CancelScope()

    @property
    def is_stale(self) -> bool:
        return self.is_retired or self.is_dated or self.shown != tuple(self.people.values())

    def is_over(self, now: float) -> bool:
        """Whether its time has passed; one that was never sent has none."""
        return self.message_id is not None and now >= self.expires_at and not self.is_retired

    def stand(self, policy: Policy, now: float) -> None:
        """Let its time begin now."""
        self.seconds = policy.params.notice_seconds
        self.expires_at = now + self.seconds

    def follow(self, policy: Policy) -> None:
        """Let its time be as long as the group has it now, from when it began; say all anew."""
        self.expires_at += policy.params.notice_seconds - self.seconds
        self.seconds = policy.params.notice_seconds
        self.is_dated = True
        self.changed.set()

    def retire(self) -> None:
        """Name nobody any more, and let the message go."""
        self.people.clear()
        self.is_retired = True
        self.changed.set()

    async def wait_changed(self) -> None:
        await self.changed.wait()
        self.changed = trio.Event()

    async def wait_empty(self, at_most: float) -> None:
        with trio.move_on_after(at_most):
            while self.people and not self.is_retired:
                await self.wait_changed()


def _part(policy: Policy, missing: Iterable[int]) -> tuple[int, ...]:
    """Return which channels somebody lacks; none where they lack all that the group wants."""
    lacked = frozenset(missing) & policy.channel_ids
    return () if lacked == policy.channel_ids else tuple(sorted(lacked))


def _say_refused(notice: _Notice, error: Refusal) -> None:
    log.warning(events.NOTICE_REFUSED, group_id=notice.group_id, reason=error.description)
