"""What was asked of the simulated server: a log with a bound, exact counters, and ways to wait."""

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any, Final

import msgspec
import trio

KEPT_VIOLATIONS: Final = 1000  # the first of a long run, which tell how it began


class Outcome(StrEnum):
    """How a call ended."""

    OK = "ok"
    REFUSED = "refused"  # in Telegram's words
    FLOOD = "flood"  # 429
    VIOLATION = "violation"  # it broke the schema
    FAULT = "fault"  # a fault answered, or spoilt the answer
    CRASH = "crash"  # the simulation itself failed


class Call(msgspec.Struct, frozen=True):
    """One request and how it ended. `at` is a unix time, `took` in seconds, `number` counts up."""

    number: int
    at: float
    took: float
    bot_id: int
    method: str
    params: dict[str, Any]
    outcome: Outcome
    status: int
    description: str | None = None
    result: Any = None

    @property
    def is_ok(self) -> bool:
        """Whether it was done and answered."""
        return self.outcome is Outcome.OK


class Violation(msgspec.Struct, frozen=True):
    """Something that must not be: `who` is bot (a request), or sandbox (an answer, an update)."""

    who: str
    what: str  # the method, or the kind of update
    problem: str


class CallLog:
    """The last `keep` calls that ended, oldest first.

    `counts` counts all of them by method, `open` those that are under way.
    """

    def __init__(self, keep: int) -> None:
        self.counts: Counter[str] = Counter()
        self.open: Counter[str] = Counter()
        self.total = 0
        self._calls: deque[Call] = deque(maxlen=keep)
        self._changed: trio.Event | None = None

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls)

    def add(self, call: Call) -> None:
        """Log a call that ended."""
        self.total += 1
        self.counts[call.method] += 1
        self._calls.append(call)
        self.changed()

    @contextmanager
    def under_way(self, method: str) -> Iterator[None]:
        """Count a call among the open ones for the time of the context."""
        self.open[method] += 1
        self.changed()
        try:
            yield
        finally:
            self.open[method] -= 1

    def changed(self) -> None:
        """Let those who wait look again."""
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    async def wait_call(self, predicate: Callable[[Call], bool], *, after: int = 0) -> Call:
        """Return the first call that fits, past or to come, among those numbered above `after`."""
        seen = after
        while True:
            for call in self._calls:
                if call.number > seen and predicate(call):
                    return call
            seen = max(seen, self.total)
            await self._wait()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds.

        It is looked at when a call has come, when one has ended, and after each delivery.
        """
        while not condition():
            await self._wait()

    async def _wait(self) -> None:
        if self._changed is None:
            self._changed = trio.Event()
        await self._changed.wait()
