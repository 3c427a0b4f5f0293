"""Whose turn is next: one kind of call, many chats, no clock and no waiting in it.

Theory. Everybody who waits stands in the lane of their chat. A lane with waiters stands in exactly
one of two heaps: *ready*, by the key of its most urgent waiter, where the chat allows a turn now;
*asleep*, by the time from which it will. Whatever changes a lane (somebody comes, goes or gets
their turn, a token is spent, a freeze begins) puts it where it belongs, so no heap is ever
searched: a turn costs O(log n), and a frozen chat costs nothing however many wait for it.
The kind itself opens at `opens_at`, by its own bucket and freeze; before that nobody is asked.
"""

from collections import OrderedDict
from collections.abc import Mapping
from itertools import count

import msgspec

from gmbot.api.agenda import Agenda
from gmbot.api.bucket import Bucket
from gmbot.api.lane import NEVER, Chat, ChatRates, Lane, Priority, Turn

# Chats remembered without need, so that a usual bot's groups keep their bursts.
KEPT = 1024


class TurnsStatistics(msgspec.Struct, frozen=True):
    """One kind of call. Times in seconds; `tokens` is None where there is no limit of our own."""

    waiting: Mapping[Priority, int]
    tokens: float | None
    frozen: bool  # the kind as a whole
    frozen_chats: int
    chats: int  # remembered
    given: int  # turns, since the start
    waited: float  # by all who got theirs, since the start


class Turns:
    """Hand out turns of one kind.

    `bucket` limits the kind, `rates` each group (a negative chat id); None: no such limit.
    `now` never goes back.
    """

    def __init__(self, bucket: Bucket | None, rates: ChatRates | None) -> None:
        self._bucket = bucket
        self._rates = rates
        self._frozen_until = NEVER
        self._chats: OrderedDict[int | None, Chat] = OrderedDict()
        self._ready: Agenda[Lane] = Agenda()
        self._asleep: Agenda[Lane] = Agenda()
        self._numbers = count()
        self._waiting = dict.fromkeys(Priority, 0)
        self._given = 0
        self._waited = 0.0

    def next(self, now: float) -> Turn | float | None:
        """Give the most urgent turn that may go, and spend its tokens.

        Returns the turn; or the time to look again; or None where nobody waits.
        """
        while (sleeper := self._asleep.first()) and sleeper[0][0] <= now:
            self._place(sleeper[1], now)
        first = self._ready.first()
        if first is None:
            return max(sleeper[0][0], self._opens_at()) if sleeper else None
        if self._opens_at() > now:
            return self._opens_at()
        return self._give(first[1], now)

    def enter(self, chat_id: int | None, priority: Priority, now: float) -> Turn:
        """Queue up for a turn; `next` gives it."""
        lane = self._chat(chat_id, now).lane(priority)
        turn = Turn(lane, priority, now, next(self._numbers))
        lane.add(turn)
        self._waiting[priority] += 1
        self._place(lane, now)
        return turn

    def leave(self, turn: Turn, now: float) -> None:
        """Go without having used the turn: who waits no longer does, what was spent goes back."""
        if turn.given_at is None:
            self._waiting[turn.priority] -= 1
            turn.lane.remove(turn)
        else:
            self._given -= 1
            self._waited -= turn.given_at - turn.arrived
            for bucket in turn.spent:
                bucket.give_back(turn.given_at)
        self._settle(turn.lane.chat, now)

    def freeze(self, chat_id: int | None, until: float, now: float) -> bool:
        """Hold all turns of the chat, or of the kind (None), until then; never shortens a freeze.

        Returns whether it was free before.
        """
        if chat_id is None:
            fresh = self._frozen_until <= now
            self._frozen_until = max(self._frozen_until, until)
            return fresh
        chat = self._chat(chat_id, now)
        fresh = chat.frozen_until <= now
        chat.frozen_until = max(chat.frozen_until, until)
        self._settle(chat, now)
        return fresh

    def statistics(self, now: float) -> TurnsStatistics:
        """Count; takes a look at each remembered chat."""
        return TurnsStatistics(
            waiting=dict(self._waiting),
            tokens=self._bucket.tokens(now) if self._bucket else None,
            frozen=self._frozen_until > now,
            frozen_chats=sum(chat.frozen_until > now for chat in self._chats.values()),
            chats=len(self._chats),
            given=self._given,
            waited=self._waited,
        )

    def _opens_at(self) -> float:
        return max(self._frozen_until, self._bucket.ready_at if self._bucket else NEVER)

    def _give(self, lane: Lane, now: float) -> Turn:
        turn = lane.head()
        assert turn is not None, "a lane without waiters stands nowhere"  # noqa: S101 - for mypy
        lane.remove(turn)
        turn.given_at = now
        turn.spent = lane.bucket(now) + ((self._bucket,) if self._bucket else ())
        for bucket in turn.spent:
            bucket.spend(now)
        self._waiting[turn.priority] -= 1
        self._given += 1
        self._waited += now - turn.arrived
        self._settle(lane.chat, now)
        return turn

    def _place(self, lane: Lane, now: float) -> None:
        """Put a lane where it belongs after a change."""
        head = lane.head()
        if head is None:
            self._ready.discard(lane)
            self._asleep.discard(lane)
        elif (wake := lane.ready_at()) > now:
            self._ready.discard(lane)
            self._asleep.put(lane, (wake, head.key[1]))
        else:
            self._asleep.discard(lane)
            self._ready.put(lane, head.key)

    def _settle(self, chat: Chat, now: float) -> None:
        """Put a chat's lanes where they belong, or forget a chat of which nothing is to be kept."""
        for lane in chat.lanes:
            self._place(lane, now)
        if chat.is_unlimited and chat.is_idle(now) and self._chats.get(chat.id) is chat:
            del self._chats[chat.id]

    def _chat(self, chat_id: int | None, now: float) -> Chat:
        chat = self._chats.get(chat_id)
        if chat is None:
            self._make_room(now)
            group = chat_id is not None and chat_id < 0
            chat = self._chats[chat_id] = Chat(chat_id, self._rates if group else None, now)
        return chat

    def _make_room(self, now: float) -> None:
        """Forget up to two chats for the one that comes, so that their number goes down."""
        for _ in range(2):
            if len(self._chats) < KEPT:
                return
            chat_id, chat = self._chats.popitem(last=False)
            if not chat.is_idle(now):
                self._chats[chat_id] = chat
