"""Flood limits as Telegram applies them, and a count of how well a bot keeps to them.

Limits are sliding windows. A call that breaks one is refused, and its kind of call is frozen (in
its chat, or everywhere where the limit is an overall one) until the `retry_after` is over; a call
in spite of it is a violation, unless it may have been under way already. Refused calls take no room
in a window, but count as seen.

Sources of the numbers: Telegram's FAQ for bots, "My bot is hitting limits"; that edits count like
messages is known from practice.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

from gmbot.sandbox.calls import KEPT_VIOLATIONS

MESSAGES: Final = "messages"
CALLS: Final = "calls"

_MESSAGE_PREFIXES: Final = ("send", "forward", "copy", "editMessage")
_NO_MESSAGES: Final = frozenset({"sendChatAction", "sendChatJoinRequestWebApp"})
# Never limited: answers to presses, and what fetches updates.
_FREE: Final = frozenset(
    {"answerCallbackQuery", "getUpdates", "setWebhook", "deleteWebhook", "getWebhookInfo"}
)

# Seconds after a 429 in which a call is refused but no violation: it was under way when the answer
# to another one came.
GRACE: Final = 0.25

# Seconds that sums of unix times as floats may be off.
_ROUNDING: Final = 1e-4

ChatKey = int | str | None
_T = TypeVar("_T")


@dataclass(frozen=True)
class Limit:
    """At most `count` calls in any window of `seconds`."""

    count: int
    seconds: float


@dataclass(frozen=True)
class Violation:
    """A call that came although Telegram had said to wait until `until`."""

    bot_id: int
    method: str
    chat_id: ChatKey
    at: float
    until: float


@dataclass(frozen=True)
class _Freeze:
    """A time in which a kind of call is refused."""

    since: float
    until: float


class Window:
    """The calls of the last `seconds`, and the most there ever were at once."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._times: deque[float] = deque()
        self.most = 0

    def add(self, now: float) -> None:
        """Count a call."""
        self._expire(now)
        self._times.append(now)
        self.most = max(self.most, len(self._times))

    def wait(self, count: int, now: float) -> float:
        """Return the seconds until one more fits where `count` do."""
        self._expire(now)
        if len(self._times) < count:
            return 0.0
        return self._times[len(self._times) - count] + self._seconds - now

    def _expire(self, now: float) -> None:
        while self._times and self._times[0] <= now - self._seconds + _ROUNDING:
            self._times.popleft()


class FloodLimits:
    """The limits of all bots.

    `overall`, `group` and `private` are for messages; `calls`, where set, is for all other calls of
    a bot together, `methods` for single methods of them, each in each chat. None is no limit.
    """

    def __init__(
        self,
        *,
        overall: Limit | None = Limit(30, 1.0),
        group: Limit | None = Limit(20, 60.0),
        private: Limit | None = Limit(5, 5.0),
        calls: Limit | None = None,
        methods: Mapping[str, Limit] = MappingProxyType({}),
    ) -> None:
        self.overall = overall
        self.group = group
        self.private = private
        self.calls = calls
        self.methods = methods
        self.violations: list[Violation] = []
        self._room: dict[tuple[int, str, ChatKey], Window] = {}
        self._seen: dict[tuple[int, ChatKey], Window] = {}
        self._frozen: dict[tuple[int, str, ChatKey], _Freeze] = {}

    def check(
        self,
        bot_id: int,
        method: str,
        chat_id: ChatKey,
        now: float,
        *,
        arrived: float | None = None,
    ) -> int | None:
        """Count a call; return the `retry_after` in seconds where it is refused.

        One that `arrived` before `now`, and was held up in the server, could not know what another
        was told meanwhile.
        """
        kind = kind_of(method)
        if kind is None:
            return None
        chat = _chat_key(chat_id)
        until = self._look(bot_id, kind, method, chat, now, arrived)
        if now < until:
            return _whole(until - now)
        return self._spend(bot_id, self._limits(kind, method, chat), kind, now)

    def refuse(
        self,
        bot_id: int,
        method: str,
        chat_id: ChatKey,
        retry_after: int,
        now: float,
        *,
        arrived: float | None = None,
    ) -> None:
        """Count a call that somebody else refused with 429, which freezes as a refusal here."""
        kind = kind_of(method)
        if kind is None:
            return
        self._look(bot_id, kind, method, _chat_key(chat_id), now, arrived)
        self.freeze(bot_id, retry_after, now, kind=kind, chat_id=chat_id)

    def freeze(
        self,
        bot_id: int,
        seconds: float,
        now: float,
        *,
        kind: str = MESSAGES,
        chat_id: ChatKey = None,
    ) -> None:
        """Freeze a kind of call, in a chat or everywhere. A freeze never gets shorter."""
        key = (bot_id, kind, _chat_key(chat_id))
        before = self._frozen.get(key, _NEVER)
        since = before.since if now < before.until else now
        self._frozen[key] = _Freeze(since, max(before.until, now + seconds))

    def frozen_until(self, bot_id: int, kind: str, chat_id: ChatKey) -> float:
        """Return when a kind of call is free again in a chat."""
        return max(freeze.until for freeze in self._freezes(bot_id, kind, _chat_key(chat_id)))

    def most_in_window(self, bot_id: int, chat_id: ChatKey = None) -> int:
        """Return the most messages ever seen in one window, refused ones too.

        That is a window of a minute in a group, of the private limit in a private chat, and of a
        second overall, which is meant where no chat is named.
        """
        window = self._seen.get((bot_id, _chat_key(chat_id)))
        return window.most if window is not None else 0

    def most_in_any_chat(self, bot_id: int) -> int:
        """Return the most messages seen in one window of the worst chat."""
        return max(
            (
                window.most
                for (owner, chat), window in self._seen.items()
                if owner == bot_id and chat is not None
            ),
            default=0,
        )

    def _look(
        self,
        bot_id: int,
        kind: str,
        method: str,
        chat: ChatKey,
        now: float,
        arrived: float | None,
    ) -> float:
        """Count a call as seen, and as a violation where it is one; return until when to wait."""
        if kind == MESSAGES:
            self._see(bot_id, chat, now)
        freezes = [one for one in self._freezes(bot_id, kind, chat) if now < one.until]
        until = max((freeze.until for freeze in freezes), default=0.0)
        asked = now if arrived is None else arrived
        was_told = any(asked - freeze.since > GRACE for freeze in freezes)
        if was_told and len(self.violations) < KEPT_VIOLATIONS:
            self.violations.append(Violation(bot_id, method, chat, now, until))
        return until

    def _freezes(self, bot_id: int, kind: str, chat: ChatKey) -> list[_Freeze]:
        """Return the freezes that concern a call, the one of its chat and the one of all."""
        return [self._frozen.get((bot_id, kind, scope), _NEVER) for scope in (chat, None)]

    def _see(self, bot_id: int, chat: ChatKey, now: float) -> None:
        of_chat = _limit_of_chat(chat, _GROUP_SECONDS, _PRIVATE_SECONDS)
        windows = {chat: of_chat, None: _OVERALL_SECONDS}
        for key, seconds in windows.items():
            self._seen.setdefault((bot_id, key), Window(seconds)).add(now)

    def _limits(
        self, kind: str, method: str, chat: ChatKey
    ) -> list[tuple[ChatKey, str, Limit | None]]:
        """Return scope of the freeze, name of the window, and limit."""
        if kind == CALLS:
            return [(None, CALLS, self.calls), (chat, method, self.methods.get(method))]
        of_chat = None if chat is None else _limit_of_chat(chat, self.group, self.private)
        return [(None, MESSAGES, self.overall), (chat, MESSAGES, of_chat)]

    def _spend(
        self,
        bot_id: int,
        limits: list[tuple[ChatKey, str, Limit | None]],
        kind: str,
        now: float,
    ) -> int | None:
        rooms = [
            (scope, limit, self._room.setdefault((bot_id, name, scope), Window(limit.seconds)))
            for scope, name, limit in limits
            if limit is not None
        ]
        waits = [(room.wait(limit.count, now), scope) for scope, limit, room in rooms]
        wait, scope = max(waits, key=lambda pair: pair[0], default=(0.0, None))
        if wait <= 0:
            for _, _, room in rooms:
                room.add(now)
            return None
        retry_after = _whole(wait)
        self.freeze(bot_id, retry_after, now, kind=kind, chat_id=scope)
        return retry_after


_NEVER: Final = _Freeze(0.0, 0.0)

# What `most_in_window` looks at, whatever the limits are.
_OVERALL_SECONDS: Final = 1.0
_GROUP_SECONDS: Final = 60.0
_PRIVATE_SECONDS: Final = 5.0


def kind_of(method: str) -> str | None:
    """Name the kind of a call: messages, or other calls; None is never limited."""
    if method in _FREE:
        return None
    if method.startswith(_MESSAGE_PREFIXES) and method not in _NO_MESSAGES:
        return MESSAGES
    return CALLS


def _whole(wait: float) -> int:
    """Round a wait up to the whole seconds that an answer can tell."""
    return max(math.ceil(wait - _ROUNDING), 1)


def _limit_of_chat(chat: ChatKey, group: _T, private: _T) -> _T:
    """Choose by the kind of chat: people's ids are positive, usernames are of groups."""
    return private if isinstance(chat, int) and chat > 0 else group


def _chat_key(chat_id: ChatKey) -> ChatKey:
    """Let an id be the same as number and as text; usernames are resolved before."""
    if isinstance(chat_id, str):
        try:
            return int(chat_id)
        except ValueError:
            return chat_id.lower()
    return chat_id
