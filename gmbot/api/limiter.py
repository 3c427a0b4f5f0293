"""The limiter: callers wait here for their turn, and one task wakes them.

Two kinds of call have limits. Messages have published ones (core.telegram.org/bots/faq: about 30 a
second overall, 20 a minute to a group; edits count likewise); all others have none, but moderating
in bulk does meet 429, so theirs adapts. A 429 freezes its kind in its chat, or its kind.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum

import msgspec
import trio

from gmbot.api.bucket import AdaptingBucket, Bucket, at_most
from gmbot.api.lane import ChatRates, Priority, Turn
from gmbot.api.turns import Turns, TurnsStatistics

__all__ = ["Kind", "Limiter", "LimiterStatistics", "Limits", "Priority", "kind_of"]

_MINUTE = 60.0


class Kind(StrEnum):
    """Calls that share a limit."""

    MESSAGES = "messages"
    CALLS = "calls"
    FREE = "free"  # never held


_FREE = frozenset({"answerCallbackQuery", "getUpdates"})
_MESSAGES = ("send", "editMessage", "forward", "copy")


def kind_of(method: str) -> Kind:
    """Tell the kind of a Bot API method."""
    if method in _FREE:
        return Kind.FREE
    return Kind.MESSAGES if method.startswith(_MESSAGES) else Kind.CALLS


class Limits(msgspec.Struct, frozen=True):
    """The most there may be in any window of that length; 0: no limit of our own."""

    messages: float = 25  # a second, overall
    group_messages: float = 20  # a minute, to one group
    calls: float = 100  # a second, all other calls; the ceiling, since it adapts


class LimiterStatistics(msgspec.Struct, frozen=True):
    """What waits and what went; `calls_limit` is what the adapting limit is now, 0 for none."""

    kinds: Mapping[Kind, TurnsStatistics]
    calls_limit: float


class Limiter:
    """Give each call its turn. `clock` tells trio's time: the waking is done by it."""

    def __init__(self, limits: Limits, *, clock: Callable[[], float] = trio.current_time) -> None:
        now = clock()
        overall = Bucket(at_most(limits.messages, 1, parts=5), now) if limits.messages else None
        group = ChatRates(limits.group_messages, _MINUTE) if limits.group_messages else None
        self._clock = clock
        self._calls = AdaptingBucket(limits.calls, now) if limits.calls else None
        self._turns = {
            Kind.MESSAGES: Turns(overall, group),
            Kind.CALLS: Turns(self._calls, None),
        }
        self._parked: dict[Turn, trio.Event] = {}
        self._alarm = trio.CancelScope()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Wake each waiter when their time has come, for ever."""
        task_status.started()
        while True:
            with trio.CancelScope() as self._alarm:
                self._hand_out()
                await trio.sleep_forever()

    async def wait_turn(
        self,
        method: str,
        chat_id: int | None = None,
        priority: Priority = Priority.BACKGROUND,
    ) -> None:
        """Return when the call may be sent; `chat_id` is None where it concerns no chat.

        A caller who is cancelled spends nothing, also in the moment their turn is given. Where a
        turn is there at once, other tasks are not let in before: that would cost more than the turn
        itself, and the request that follows has its own checkpoints.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        turns = self._turns.get(kind_of(method))
        if turns is None:
            return
        turn = turns.enter(chat_id, priority, self._clock())
        self._hand_out()
        if turn.given_at is not None:
            return
        event = self._parked[turn] = trio.Event()
        try:
            await event.wait()
            await trio.lowlevel.checkpoint_if_cancelled()
        except BaseException:
            self._parked.pop(turn, None)
            turns.leave(turn, self._clock())
            self._hand_out()
            raise

    def freeze(self, method: str, chat_id: int | None, retry_after: float) -> None:
        """Hold calls of this kind, in this chat if one is named, as a 429 told (seconds).

        What is told of a chat or kind that is frozen already was on its way: one event with it.
        """
        turns = self._turns.get(kind_of(method))
        if turns is None:
            return
        now = self._clock()
        fresh = turns.freeze(chat_id, now + retry_after, now)
        if self._calls and fresh and turns is self._turns[Kind.CALLS]:
            self._calls.slow_down(now)

    def statistics(self) -> LimiterStatistics:
        """Count what waits and what went."""
        now = self._clock()
        return LimiterStatistics(
            {kind: turns.statistics(now) for kind, turns in self._turns.items()},
            self._calls.limit(now) if self._calls else 0.0,
        )

    def _hand_out(self) -> None:
        """Give all turns there are, and set the alarm for the next."""
        now = self._clock()
        alarm = float("inf")
        for turns in self._turns.values():
            while isinstance(found := turns.next(now), Turn):
                if found in self._parked:
                    self._parked.pop(found).set()
            alarm = min(alarm, float("inf") if found is None else found)
        self._alarm.deadline = alarm
