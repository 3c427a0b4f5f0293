"""Who waits for a chat: turns in lanes, the most urgent first.

Of what a group gets, a part is reserved for answers to people: replies to commands and what is
more urgent. They draw on two buckets, the shared one first; everybody else draws on the shared one
only. Each bucket keeps to its own part of the limit in any window, so both together keep to the
whole of it, and notices cannot eat what is reserved.
"""

from collections import OrderedDict
from enum import IntEnum

from gmbot.api.agenda import Key
from gmbot.api.bucket import Bucket, at_most


class Priority(IntEnum):
    """How urgent a call is, the most urgent first."""

    URGENT = 0  # answers to presses, mutes
    DELETION = 1
    LOOKUP = 2
    REPLY = 3  # answers to commands
    NOTICE = 4
    BACKGROUND = 5


# Seconds that one step of priority is worth. The order is by arrival + priority · AGE and never
# changes, so it is first come, first served within a priority, and nobody starves: what is newer
# by five steps, 25 s, stands behind the least urgent.
AGE = 5.0

NEVER = float("-inf")


class Turn:
    """One caller's place. `given_at` is None as long as they wait."""

    __slots__ = ("arrived", "given_at", "key", "lane", "priority", "spent")

    def __init__(self, lane: "Lane", priority: Priority, now: float, number: int) -> None:
        self.lane = lane
        self.priority = priority
        self.arrived = now
        self.key: Key = (now + priority * AGE, number)
        self.given_at: float | None = None
        self.spent: tuple[Bucket, ...] = ()


class Lane:
    """The waiters of one chat that draw on the same `buckets`, tried in this order."""

    __slots__ = ("_waiting", "buckets", "chat")

    def __init__(self, chat: "Chat", buckets: tuple[Bucket, ...]) -> None:
        self.chat = chat
        self.buckets = buckets
        self._waiting: dict[Priority, OrderedDict[Turn, None]] = {}

    def head(self) -> Turn | None:
        """Return the most urgent. Within a priority the order of arrival is that of the keys."""
        if not self._waiting:
            return None
        return min(map(_first, self._waiting.values()), key=_key)

    def add(self, turn: Turn) -> None:
        """Let one more wait."""
        self._waiting.setdefault(turn.priority, OrderedDict())[turn] = None

    def remove(self, turn: Turn) -> None:
        """Forget one who waits."""
        waiting = self._waiting[turn.priority]
        del waiting[turn]
        if not waiting:
            del self._waiting[turn.priority]

    def ready_at(self) -> float:
        """Tell from when on the chat allows a turn."""
        ready = min([bucket.ready_at for bucket in self.buckets], default=NEVER)
        return max(self.chat.frozen_until, ready)

    def bucket(self, now: float) -> tuple[Bucket, ...]:
        """Return the bucket to spend from, or none where the chat has no limit of its own."""
        return next(((bucket,) for bucket in self.buckets if bucket.ready_at <= now), ())

    def __bool__(self) -> bool:
        return bool(self._waiting)


def _first(waiting: OrderedDict[Turn, None]) -> Turn:
    return next(iter(waiting))


def _key(turn: Turn) -> Key:
    return turn.key


class ChatRates:
    """The rates of one group: `limit` in a `window` of seconds, a part of it for answers.

    3 of 20 are reserved; a limit below 7 is too small to share and has no reserve.
    """

    __slots__ = ("reserve", "shared")

    def __init__(self, limit: float, window: float) -> None:
        reserved = int(limit * 3 // 20)
        self.shared = at_most(limit - reserved, window, parts=4)
        self.reserve = at_most(reserved, window, parts=4) if reserved else None


class Chat:
    """A chat's limits, its freeze and who waits for it; without `rates` it only can be frozen.

    A new chat has one token, and none in reserve.
    """

    __slots__ = ("_shared", "frozen_until", "id", "lanes")

    def __init__(self, chat_id: int | None, rates: ChatRates | None, now: float) -> None:
        self.id = chat_id
        self.frozen_until = NEVER
        self._shared = Bucket(rates.shared, now) if rates else None
        shared = (self._shared,) if self._shared else ()
        self.lanes: tuple[Lane, ...] = (Lane(self, shared),)
        if rates and rates.reserve:
            reserve = Bucket(rates.reserve, now, tokens=0)
            self.lanes = (*self.lanes, Lane(self, (*shared, reserve)))

    def lane(self, priority: Priority) -> Lane:
        """Return the lane for this priority."""
        return self.lanes[-1] if priority <= Priority.REPLY else self.lanes[0]

    def is_idle(self, now: float) -> bool:
        """Whether it can be forgotten: a new one in its place would allow no more than this."""
        ready = self._shared is None or self._shared.ready_at <= now
        return ready and self.frozen_until <= now and not any(self.lanes)

    @property
    def is_unlimited(self) -> bool:
        """Whether there is nothing to remember but waiters and a freeze."""
        return self._shared is None
