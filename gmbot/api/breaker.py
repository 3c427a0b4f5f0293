"""Circuit breaker: while a server keeps failing, nothing is sent to it but a probe now and then.

Theory. Three states, three events, one counter::

    CLOSED     everything is admitted; `failures` in a row open it
    OPEN       nothing is admitted until it has rested
    HALF_OPEN  one probe at a time; `successes` in a row close it, a failure opens it again

The counter, the streak, counts the event that leads out of the state, and begins anew with every
move of the table. A pair that is not in the table cannot happen: a verdict counts only in the
stretch of time in which its ticket was given, from one change of state to the next, so a late
success from before it opened closes nothing. Who leaves without a verdict (cancelled, refused
before anything was sent) has learnt nothing about the server: that is no event at all.
Each opening that follows another without it having closed rests twice as long.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import TracebackType
from typing import NamedTuple, Self

import msgspec
import trio

from gmbot.api.records import BreakerRecord, Observer, ignore


class BreakerPolicy(msgspec.Struct, frozen=True):
    """When to open and close; rests in seconds, doubling from `rest` to `max_rest`."""

    failures: int = 3
    successes: int = 2
    rest: float = 1.0
    max_rest: float = 30.0


class BreakerOpen(Exception):
    """Not admitted; `retry_in` is how long to stay away, in seconds."""

    def __init__(self, name: str, retry_in: float) -> None:
        super().__init__(f"{name}: circuit open, next probe in {retry_in:.1f} s")
        self.retry_in = retry_in


class State(StrEnum):
    """Of a circuit; the values are those of `BreakerRecord.state`."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Event(StrEnum):
    """What moves a circuit."""

    SUCCESS = "success"
    FAILURE = "failure"
    RESTED = "rested"


class _Rule(NamedTuple):
    """After `needed` such events in a row, go on to `then`."""

    needed: Callable[[BreakerPolicy], int]
    then: State


def _one(_policy: BreakerPolicy) -> int:
    return 1


_RULES: Mapping[tuple[State, Event], _Rule] = {
    (State.CLOSED, Event.SUCCESS): _Rule(_one, State.CLOSED),
    (State.CLOSED, Event.FAILURE): _Rule(lambda policy: policy.failures, State.OPEN),
    (State.OPEN, Event.RESTED): _Rule(_one, State.HALF_OPEN),
    (State.HALF_OPEN, Event.SUCCESS): _Rule(lambda policy: policy.successes, State.CLOSED),
    (State.HALF_OPEN, Event.FAILURE): _Rule(_one, State.OPEN),
}


class Circuit:
    """The interpreter of the table; `now` in seconds."""

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self.state = State.CLOSED
        self.generation = 0  # of changes of state
        self.openings = 0
        self.probing = False
        self._streak = 0
        self._rest = policy.rest
        self._until = 0.0

    def rest(self, now: float) -> None:
        """Let time do its part: half open after the rest."""
        if self.state is State.OPEN and now >= self._until:
            self._apply(Event.RESTED, now)

    def retry_in(self, now: float) -> float | None:
        """Return None where one may be admitted, else how long to stay away.

        While a probe is out nobody knows how long; then it is the shortest rest.
        """
        if self.state is State.OPEN and now < self._until:
            return self._until - now
        return self._policy.rest if self.probing else None

    def admit(self) -> int:
        """Admit one whom `retry_in` has let pass; returns the generation their verdict is of."""
        self.probing = self.state is State.HALF_OPEN
        return self.generation

    def leave(self, generation: int, verdict: Event | None, now: float) -> None:
        """Take the verdict of one who was admitted; None: abandoned."""
        if generation != self.generation:
            return
        self.probing = False
        if verdict is not None:
            self._apply(verdict, now)

    def _apply(self, event: Event, now: float) -> None:
        rule = _RULES[self.state, event]
        self._streak += 1
        if self._streak < rule.needed(self._policy):
            return
        self._streak = 0
        if rule.then is self.state:
            return
        self.state = rule.then
        self.generation += 1
        if self.state is State.CLOSED:
            self._rest = self._policy.rest
        elif self.state is State.OPEN:
            self.openings += 1
            self._until = now + min(self._rest, self._policy.max_rest)
            self._rest = min(2 * self._rest, self._policy.max_rest)


class BreakerStatistics(msgspec.Struct, frozen=True):
    """What a breaker is at; `retry_in` in seconds, None where a call would be admitted."""

    state: State
    retry_in: float | None
    openings: int
    admitted: int
    refused: int


class Breaker:
    """A named circuit with a clock and an observer, who is told each change of state."""

    def __init__(
        self,
        name: str,
        policy: BreakerPolicy,
        *,
        clock: Callable[[], float] = trio.current_time,
        observe: Observer = ignore,
    ) -> None:
        self._name = name
        self._circuit = Circuit(policy)
        self._clock = clock
        self._observe = observe
        self._told = self._circuit.generation
        self._admitted = 0
        self._refused = 0

    def admit(self) -> "Ticket":
        """Let a call pass: `with breaker.admit() as ticket:`, then `ticket.succeed()` or `.fail()`.

        Raises BreakerOpen.
        """
        now = self._clock()
        self._circuit.rest(now)
        self._tell()
        retry_in = self._circuit.retry_in(now)
        if retry_in is not None:
            self._refused += 1
            raise BreakerOpen(self._name, retry_in)
        self._admitted += 1
        return Ticket(self, self._circuit.admit())

    @property
    def state(self) -> State:
        """The state; an open circuit that has rested stays open until somebody comes to probe."""
        return self._circuit.state

    def statistics(self) -> BreakerStatistics:
        """Count."""
        return BreakerStatistics(
            state=self._circuit.state,
            retry_in=self._circuit.retry_in(self._clock()),
            openings=self._circuit.openings,
            admitted=self._admitted,
            refused=self._refused,
        )

    def _leave(self, generation: int, verdict: Event | None) -> None:
        self._circuit.leave(generation, verdict, self._clock())
        self._tell()

    def _tell(self) -> None:
        """Tell of a change, when the circuit is done with it and no ticket is on its way out."""
        if self._told != self._circuit.generation:
            self._told = self._circuit.generation
            self._observe(BreakerRecord(self._name, self._circuit.state))


class Ticket:
    """The right to one call. The last word said counts, when it ends; unsaid, it is abandoned."""

    def __init__(self, breaker: Breaker, generation: int) -> None:
        self._breaker = breaker
        self._generation = generation
        self._verdict: Event | None = None

    def succeed(self) -> None:
        """Say that the server answered as it should, be it with a refusal."""
        self._verdict = Event.SUCCESS

    def fail(self) -> None:
        """Say that the server failed."""
        self._verdict = Event.FAILURE

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._breaker._leave(self._generation, self._verdict)  # noqa: SLF001 - one thing in two parts
