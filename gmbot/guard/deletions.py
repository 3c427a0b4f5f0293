"""Deletions go together: who waits for a turn in the same group shares one call.

Theory. Everybody waits for a turn of their own, so nobody is held up for the sake of company, and
the most urgent goes first. Whoever gets a turn carries along all who still wait in that group, up
to what one call may hold, and they give up their own. So there is no leader to be elected: a
passenger that is cancelled leaves an empty seat, and if the carrier is cancelled, its passengers
wait for turns of their own again. To delete twice is harmless, hence nobody has to know how far
a carrier came.

One message that may not be deleted keeps Telegram from deleting the others of its call: then each
goes alone, and is told what became of its own.
"""

from collections.abc import Iterable, Sequence
from itertools import islice
from types import TracebackType

import structlog
import trio

from gmbot.api.client import BotApi
from gmbot.api.errors import (
    ApiError,
    ChatMigrated,
    ChatNotFound,
    Forbidden,
    MessageNotFound,
    Refusal,
    Unauthorized,
)
from gmbot.api.limiter import Priority
from gmbot.telemetry import events

MOST = 100  # ids in one call (core.telegram.org/bots/api#deletemessages)

# What is refused for the sake of the bot or the chat: no message would fare better alone.
_FOR_ALL = (Unauthorized, Forbidden, ChatNotFound, ChatMigrated)

log = structlog.get_logger()


def fill(taken: Iterable[int], waiting: Iterable[int], most: int = MOST) -> tuple[int, ...]:
    """Return the ids of one call, each once: those `taken` already, then who has waited longest."""
    return tuple(islice(dict.fromkeys((*taken, *waiting)), most))


class Deletions:
    """Deletes messages of groups."""

    def __init__(self, api: BotApi) -> None:
        self._api = api
        self._waiting: dict[int, dict[_Caller, None]] = {}  # by group, who has waited longest first

    async def delete(
        self, group_id: int, message_id: int, *, priority: Priority = Priority.DELETION
    ) -> bool:
        """Return True when the message is gone, False where the bot may not delete it.

        Raises an ApiError where that is not known, and ChatMigrated.
        """
        try:
            batch = await self._delete(group_id, message_id, priority)
            if len(batch.ids) > 1 and batch.is_spoilt:
                await self._api.delete_message(group_id, message_id, priority=priority)
            else:
                batch.check()
        except MessageNotFound:
            return True
        except ChatMigrated:
            raise
        except Refusal as error:
            log.warning(
                events.RIGHTS_MISSING, action="delete", group_id=group_id, reason=error.description
            )
            return False
        return True

    @property
    def waiting(self) -> int:
        """How many wait for a turn."""
        return sum(map(len, self._waiting.values()))

    async def _delete(self, group_id: int, message_id: int, priority: Priority) -> "_Batch":
        """Return the call that had this message in it, when it was answered."""
        while True:
            caller = _Caller(message_id)
            self._waiting.setdefault(group_id, {})[caller] = None
            try:
                with caller.turn:
                    await self._carry(group_id, caller, priority)
            finally:
                self._leave(group_id, caller)
            batch = caller.batch
            await batch.ended.wait()
            if not batch.is_given_up:
                return batch

    async def _carry(self, group_id: int, caller: "_Caller", priority: Priority) -> None:
        """Wait for a turn, and take along whoever waits then."""
        batch = caller.batch

        def board() -> Sequence[int]:
            self._leave(group_id, caller)
            waiting = self._waiting.get(group_id, {})
            batch.ids = fill(batch.ids, (other.message_id for other in waiting))
            aboard = frozenset(batch.ids)
            for other in [other for other in waiting if other.message_id in aboard]:
                self._leave(group_id, other)
                other.ride(batch)
            return batch.ids

        try:
            await self._api.delete_messages(group_id, board, priority=priority)
            batch.is_given_up = False
        except ApiError as error:
            batch.error, batch.traceback = error, error.__traceback__
            batch.is_given_up = False
        finally:
            batch.ended.set()

    def _leave(self, group_id: int, caller: "_Caller") -> None:
        waiting = self._waiting.get(group_id, {})
        waiting.pop(caller, None)
        if not waiting:
            self._waiting.pop(group_id, None)


class _Batch:
    """The messages of one call, and what became of it."""

    def __init__(self, message_id: int) -> None:
        self.ids: tuple[int, ...] = (message_id,)
        self.ended = trio.Event()
        self.is_given_up = True  # its carrier was cancelled, unless it says otherwise
        self.error: ApiError | None = None
        self.traceback: TracebackType | None = None

    @property
    def is_spoilt(self) -> bool:
        """Whether it was refused, perhaps for the sake of only one of them."""
        return isinstance(self.error, Refusal) and not isinstance(self.error, _FOR_ALL)

    def check(self) -> None:
        """Raise the error of the call, if it had one: for each of those who were in it."""
        if self.error is not None:
            # Each raise begins with the first traceback, else it would grow by one each time.
            raise self.error.with_traceback(self.traceback)


class _Caller:
    """One who wants a message deleted: with a call of their own, until another takes them along."""

    def __init__(self, message_id: int) -> None:
        self.message_id = message_id
        self.batch = _Batch(message_id)
        self.turn = trio.CancelScope()

    def ride(self, batch: _Batch) -> None:
        """Give up the turn and go along with another one's."""
        self.batch = batch
        self.turn.cancel()
