"""What getUpdates gives and when: the queue of a bot's updates, and the long poll upon it.

Rules and numbers are those of the public server: td/telegram-bot-api Client.cpp (do_get_updates,
process_get_updates_query) and td/db/TQueue.cpp. Times are seconds since 1970.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterable
from random import Random
from typing import Any, Final

import msgspec
import trio

from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.replies import encode

MAX_PENDING: Final = 100_000
MAX_LIMIT: Final = 100
MAX_TIMEOUT: Final = 50  # seconds
MAX_ANSWER: Final = 1 << 22  # bytes; an answer ends before it, with 50 bytes counted per update
LIFE: Final = 86_400.0  # seconds
CALLBACK_LIFE: Final = 150.0  # seconds
FUTURE: Final = 10  # an offset further beyond the end of the queue is taken for nonsense
NOT_BY_DEFAULT: Final = frozenset({"chat_member", "message_reaction", "message_reaction_count"})

WEBHOOK_ACTIVE: Final = (
    "Conflict: can't use getUpdates method while webhook is active; "
    "use deleteWebhook to delete the webhook first"
)
OTHER_POLL: Final = (
    "Conflict: terminated by other getUpdates request; "
    "make sure that only one bot instance is running"
)
SET_WEBHOOK: Final = "Conflict: terminated by setWebhook request"


class Entry(msgspec.Struct, eq=False):
    """An update and its fate. `lane` is the webhook queue it belongs to.

    `delivered` counts how often it reached the bot; `end` is None, confirmed, expired or dropped.
    """

    update_id: int
    kind: str
    lane: Hashable
    body: bytes
    made: float
    expires: float
    delivered: int = 0
    end: str | None = None


class UpdateQueue:
    """The pending updates of one bot, oldest first, and a record of those that were.

    Ids grow by one from a random start. What is not allowed never gets in, nor anything new
    where too much is pending; what is too old falls out. `history` keeps the last `keep` entries,
    the pending ones among them.
    """

    def __init__(self, kinds: Iterable[str], *, random: Random, keep: int = MAX_PENDING) -> None:
        self.history: OrderedDict[int, Entry] = OrderedDict()
        self._kinds = frozenset(kinds)
        self._allowed = self._kinds - NOT_BY_DEFAULT
        self._random = random
        self._keep = keep
        self._pending: OrderedDict[int, Entry] = OrderedDict()
        # Of each life one queue, so that the oldest in it is the first to expire.
        self._ageing: dict[float, deque[Entry]] = {LIFE: deque(), CALLBACK_LIFE: deque()}
        self._next_id = self._new_start()

    @property
    def allowed(self) -> list[str] | None:
        """The allowed kinds, or None where they are the default."""
        return None if self._allowed == self._kinds - NOT_BY_DEFAULT else sorted(self._allowed)

    def allow(self, kinds: Iterable[str] | None) -> None:
        """Take a new list of allowed kinds: None keeps the present one, none means the default."""
        if kinds is not None:
            self._allowed = self._kinds.intersection(kinds) or self._kinds - NOT_BY_DEFAULT

    def put(
        self, kind: str, payload: dict[str, Any], now: float, *, anyway: bool = False
    ) -> Entry | None:
        """Make an update of what happened; None where its kind is not allowed, or no room left."""
        if kind not in self._allowed and not anyway:
            return None
        self.expire(now)
        if len(self._pending) >= MAX_PENDING:
            return None
        update_id = self._next_id
        self._next_id += 1
        life = CALLBACK_LIFE if kind == "callback_query" else LIFE
        entry = Entry(
            update_id,
            kind,
            None if anyway else lane(kind, payload),
            b'{"update_id":%d,"%s":%s}' % (update_id, kind.encode(), encode(payload)),
            now,
            now + life,
        )
        self._ageing[life].append(entry)
        self._pending[update_id] = self.history[update_id] = entry
        while len(self.history) > max(self._keep, len(self._pending)):
            self.history.popitem(last=False)
        return entry

    def start(self, offset: int) -> int:
        """Turn the offset of a request into the id to begin at; forgets what lies below it."""
        if offset < 0:
            while len(self._pending) > -offset:
                self._end(next(iter(self._pending.values())), "confirmed")
        if offset <= 0 or offset > self._next_id + FUTURE:
            return self.head
        while self._pending and (first := next(iter(self._pending.values()))).update_id < offset:
            self._end(first, "confirmed")
        return offset

    def fetch(self, limit: int, now: float) -> list[Entry]:
        """Return the oldest updates that fit one answer."""
        self.expire(now)
        room = MAX_ANSWER
        found: list[Entry] = []
        for entry in self._pending.values():
            room -= 50 + len(entry.body)
            if len(found) == limit or room <= 0:
                break
            found.append(entry)
        return found

    def expire(self, now: float) -> None:
        """Let what is too old fall out."""
        for entries in self._ageing.values():
            while entries and (entries[0].end is not None or entries[0].expires < now):
                self.forget(entries.popleft(), "expired")

    def forget(self, entry: Entry, end: str) -> None:
        """Take out one update, wherever it is: a webhook's deliveries end in any order."""
        if entry.end is None:
            self._end(entry, end)

    def clear(self) -> None:
        """Drop all pending updates."""
        for entry in list(self._pending.values()):
            self._end(entry, "dropped")

    def renumber(self) -> None:
        """Let ids start anew at random, as they do after a week without updates."""
        if self._pending:
            raise RuntimeError("ids start anew only where nothing is pending")
        self._next_id = self._new_start()

    @property
    def head(self) -> int:
        """The id of the oldest pending update, or of the next one to come."""
        return next(iter(self._pending)) if self._pending else self._next_id

    @property
    def pending(self) -> list[Entry]:
        """All pending updates, oldest first."""
        return list(self._pending.values())

    @property
    def pending_count(self) -> int:
        """How many updates are pending."""
        return len(self._pending)

    @property
    def is_head_delivered(self) -> bool:
        """Whether the oldest pending update has been handed out already."""
        return bool(self._pending) and next(iter(self._pending.values())).delivered > 0

    def _end(self, entry: Entry, end: str) -> None:
        entry.end = end
        entry.body = b""
        del self._pending[entry.update_id]

    def _new_start(self) -> int:
        # Source: TQueueImpl::push; ids are positive and have 31 bits.
        return self._random.randint(2_000_001, (1 << 30) - 1)


def lane(kind: str, payload: dict[str, Any]) -> Hashable:
    """Name the webhook queue of an update: order is kept within it; None: a queue of its own."""
    if kind == "callback_query":
        return ("callback_query", payload["from"]["id"])
    if kind == "chat_member":
        return ("chat_member", payload["new_chat_member"]["user"]["id"])
    if kind == "chat_join_request":
        return ("chat_join_request", payload["from"]["id"])
    if kind == "my_chat_member":
        return ("my_chat_member", payload["chat"]["id"])
    if "chat" in payload:
        return ("chat", payload["chat"]["id"])
    return None


class LongPoll:
    """getUpdates over one queue.

    `offset_repeats` counts requests whose offset had not moved past what was already handed out
    and not confirmed: the same updates come again, which a well-behaved bot never asks for.
    """

    def __init__(self, queue: UpdateQueue, clock: Callable[[], float]) -> None:
        self.queue = queue
        self.offset_repeats = 0
        self.is_webhook_active = False
        self._clock = clock
        self._previous_offset: int | None = None
        self._previous_start = 0.0
        self._waiting: _Waiting | None = None

    async def get_updates(self, params: dict[str, Any]) -> list[Entry]:
        """Answer getUpdates. Raises TelegramError (409)."""
        if self.is_webhook_active:
            raise TelegramError(409, WEBHOOK_ACTIVE)
        offset = params.get("offset", 0)
        limit = min(max(params.get("limit", MAX_LIMIT), 1), MAX_LIMIT)
        timeout = min(max(params.get("timeout", 0), 0), MAX_TIMEOUT)
        self.queue.allow(params.get("allowed_updates"))
        now = self._clock()
        previous = self._previous_offset
        if offset == previous:
            # Whoever asks the same again and again is made to wait, and gets one update a time.
            if now < self._previous_start + 3.0:
                timeout = max(timeout, 3)
            if now < self._previous_start + 0.5:
                limit = 1
        self._previous_offset, self._previous_start = offset, now
        begin = self.queue.start(offset)
        moved = previous is None or offset > previous or (offset == 0 and offset < previous)
        if not moved and offset >= 0 and self.queue.is_head_delivered:
            self.offset_repeats += 1
        found = self.queue.fetch(limit, now)
        if found or not timeout:
            return found
        await self._wait(timeout)
        self.queue.start(begin)
        return self.queue.fetch(limit, self._clock())

    def wake(self) -> None:
        """Say that an update arrived."""
        if self._waiting is not None:
            self._waiting.event.set()

    def abort(self, description: str) -> None:
        """Answer the waiting request, if any, with a conflict."""
        if self._waiting is not None:
            self._waiting.conflict = description
            self._waiting.event.set()

    async def _wait(self, timeout: float) -> None:  # noqa: ASYNC109  # a parameter of the Bot API
        self.abort(OTHER_POLL)
        waiting = self._waiting = _Waiting()
        try:
            with trio.move_on_after(timeout):
                await waiting.event.wait()
        finally:
            if self._waiting is waiting:
                self._waiting = None
        if waiting.conflict is not None:
            raise TelegramError(409, waiting.conflict)


class _Waiting:
    __slots__ = ("conflict", "event")

    def __init__(self) -> None:
        self.event = trio.Event()
        self.conflict: str | None = None
