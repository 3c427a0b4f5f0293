"""One live warning a group: a digest, edited as people come and go, gone when nobody is left.

A notice is stored before it is sent, so that a restart finds it again. What it says is decided when
its turn in the limiter comes: whoever was released while it waited is not named.
"""

from collections.abc import Callable
from contextlib import suppress
from time import time

import structlog
import trio
from structlog.contextvars import clear_contextvars

from gmbot.api.client import BotApi
from gmbot.api.errors import ApiError, MessageNotFound, NotModified, Refusal
from gmbot.api.limiter import Priority
from gmbot.api.types import InlineKeyboardMarkup
from gmbot.guard import wording
from gmbot.guard.policies import Policies
from gmbot.storage.errors import StorageError
from gmbot.storage.protocol import Storage
from gmbot.storage.records import Notice, NoticeState
from gmbot.telemetry import events

LIFETIME = 300.0  # seconds from the last person named
EDIT_INTERVAL = 4.0  # seconds at least between two versions of one notice: 15 a minute of the 20
RETRY = 5.0  # seconds to rest after a failure

log = structlog.get_logger()


class Withdrawn(Exception):
    """Nobody is to be named any more."""


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
        """Go on with the notices of an earlier run. Raises StorageError."""
        for stored in await self._storage.notices():
            # One that was being sent may be there or not: it is sent again, and a press on the
            # stray one removes it. One that is live may lack who came last: it is edited.
            self._start(_Notice(stored.group_id, dict(stored.people), stored.expires_at, stored))

    def add(self, group_id: int, user_id: int, name: str) -> None:
        """Name a person in the group's notice, soon."""
        notice = self._notices.get(group_id)
        if notice is None:
            notice = _Notice(group_id, {}, 0.0, None)
            self._start(notice)
        notice.people.setdefault(user_id, name)
        notice.expires_at = self._now() + LIFETIME
        notice.changed.set()

    def remove(self, group_id: int, user_id: int) -> None:
        """Name a person no more."""
        notice = self._notices.get(group_id)
        if notice is not None and notice.people.pop(user_id, None) is not None:
            notice.changed.set()

    async def is_stray(self, group_id: int, message_id: int) -> bool:
        """Whether a message of ours with buttons is surely not the group's live notice."""
        stored = await self._storage.notice(group_id)
        return stored is None or stored.message_id not in {None, message_id}

    @property
    def live(self) -> int:
        """How many groups have a notice."""
        return len(self._notices)

    def _start(self, notice: "_Notice") -> None:
        self._notices[notice.group_id] = notice
        self._nursery.start_soon(self._keep, notice, name=f"notice {notice.group_id}")

    async def _keep(self, notice: "_Notice") -> None:
        """Keep one notice true until it is gone."""
        clear_contextvars()  # it outlives the flow that began it
        try:
            while not await self._step(notice):
                pass
        finally:
            self._notices.pop(notice.group_id, None)

    async def _step(self, notice: "_Notice") -> bool:
        """Do what is due now and wait for the next change; True when the notice is gone."""
        try:
            # What was never sent does not expire: those who are held would not know.
            is_over = notice.message_id is not None and self._now() >= notice.expires_at
            if not notice.people or is_over:
                await self._take_down(notice)
                if not notice.people:
                    return True
            elif notice.is_stale:
                await self._show(notice)
                await notice.wait_empty(EDIT_INTERVAL)
        except Withdrawn:
            notice.people.clear()
        except Refusal as error:
            # The bot may not write here any more: nobody sees a notice, and none is kept.
            log.warning(events.NOTICE_REFUSED, group_id=notice.group_id, reason=error.description)
            notice.people.clear()
            notice.message_id, notice.shown = None, ()
        except (ApiError, StorageError) as error:
            log.warning(events.NOTICE_FAILED, group_id=notice.group_id, reason=str(error))
            notice.shown = ()
            await trio.sleep(RETRY)
        if notice.people and not notice.is_stale:
            with trio.move_on_after(max(0.0, notice.expires_at - self._now())):
                await notice.wait_changed()
        return False

    async def _show(self, notice: "_Notice") -> None:
        told = notice.shown

        def content() -> tuple[str, InlineKeyboardMarkup]:
            policy = self._policies.get(notice.group_id)
            if not notice.people or policy is None:
                raise Withdrawn
            notice.shown = tuple(notice.people.items())
            if notice.message_id is None:
                notice.expires_at = self._now() + LIFETIME  # its turn may have come late
            return wording.notice(notice.shown, policy.channels)

        group_id = notice.group_id
        if notice.message_id is None:
            await self._store(notice)
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
                for user_id, _name in told:
                    notice.people.pop(user_id, None)
                notice.message_id, notice.shown = None, ()
                return
        await self._store(notice)

    async def _take_down(self, notice: "_Notice") -> None:
        """Remove the message; those it named stay held. Who comes meanwhile gets a new one."""
        notice.people.clear()
        notice.shown = ()
        if notice.message_id is not None:
            with suppress(MessageNotFound):
                await self._api.delete_message(
                    notice.group_id, notice.message_id, priority=Priority.NOTICE
                )
            notice.message_id = None
            log.info(events.NOTICE_REMOVED, group_id=notice.group_id)
        await self._forget(notice)

    async def _store(self, notice: "_Notice") -> None:
        version = 0 if notice.stored is None else notice.stored.version
        wanted = Notice(
            notice.group_id,
            notice.message_id,
            tuple(notice.people.items()),
            NoticeState.SENDING if notice.message_id is None else NoticeState.LIVE,
            version,
            notice.expires_at,
        )
        notice.stored = await self._storage.save_notice(wanted)
        if notice.stored is None:
            # Another instance was faster: its row is the truth, ours comes on top of it.
            notice.stored = await self._storage.notice(notice.group_id)

    async def _forget(self, notice: "_Notice") -> None:
        if notice.stored is not None:
            await self._storage.drop_notice(notice.stored)
            notice.stored = None


class _Notice:
    """One group's notice as it should be (`people`) and as it is (`shown`, `stored`)."""

    def __init__(
        self, group_id: int, people: dict[int, str], expires_at: float, stored: Notice | None
    ) -> None:
        self.group_id = group_id
        self.people = people
        self.expires_at = expires_at
        self.stored = stored
        self.message_id = None if stored is None else stored.message_id
        self.shown: tuple[tuple[int, str], ...] = ()
        self.changed = trio.Event()

    @property
    def is_stale(self) -> bool:
        return self.shown != tuple(self.people.items())

    async def wait_changed(self) -> None:
        await self.changed.wait()
        self.changed = trio.Event()

    async def wait_empty(self, at_most: float) -> None:
        with trio.move_on_after(at_most):
            while self.people:
                await self.wait_changed()
