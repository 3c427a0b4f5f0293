from contextlib import suppress

import pytest
import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from trio.testing import MockClock

from gmbot.api.breaker import Breaker, BreakerOpen, BreakerPolicy, State, Ticket
from gmbot.api.records import BreakerRecord, Record


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def told() -> list[Record]:
    return []


@pytest.fixture
def breaker(time: Time, told: list[Record]) -> Breaker:
    return Breaker("api", BreakerPolicy(), clock=time, observe=told.append)


def succeed(breaker: Breaker) -> None:
    with breaker.admit() as ticket:
        ticket.succeed()


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        with breaker.admit() as ticket:
            ticket.fail()


def refused_for(breaker: Breaker) -> float:
    with pytest.raises(BreakerOpen) as caught:
        breaker.admit()
    return caught.value.retry_in


def test_three_failures_in_a_row_open_it(breaker: Breaker, time: Time) -> None:
    fail(breaker, 3)
    time.now += 0.4

    assert breaker.state is State.OPEN
    assert refused_for(breaker) == pytest.approx(0.6)


def test_a_success_forgets_the_failures_before_it(breaker: Breaker) -> None:
    fail(breaker, 2)
    succeed(breaker)
    fail(breaker, 2)

    assert breaker.state is State.CLOSED


def test_after_its_rest_one_probe_at_a_time_is_admitted(breaker: Breaker, time: Time) -> None:
    fail(breaker, 3)
    time.now += 1.0

    with breaker.admit():
        assert breaker.state is State.HALF_OPEN
        assert refused_for(breaker) == 1.0


def test_two_successful_probes_close_it(breaker: Breaker, time: Time) -> None:
    fail(breaker, 3)
    time.now += 1.0

    succeed(breaker)
    halfway = breaker.state
    succeed(breaker)

    assert halfway is State.HALF_OPEN
    assert breaker.state is State.CLOSED


def test_a_failed_probe_opens_it_for_twice_the_rest_up_to_the_longest(
    breaker: Breaker, time: Time
) -> None:
    fail(breaker, 3)

    rests = []
    for _ in range(7):
        rests.append(refused_for(breaker))
        time.now += rests[-1]
        fail(breaker)

    assert rests == [1, 2, 4, 8, 16, 30, 30]


def test_a_probe_that_fails_after_a_good_one_opens_it_too(breaker: Breaker, time: Time) -> None:
    fail(breaker, 3)
    time.now += 1.0
    succeed(breaker)

    fail(breaker)

    assert refused_for(breaker) == 2.0


def test_once_closed_it_rests_briefly_again(breaker: Breaker, time: Time) -> None:
    fail(breaker, 3)
    time.now += 1.0
    fail(breaker)
    time.now += 2.0
    succeed(breaker)
    succeed(breaker)

    fail(breaker, 3)

    assert refused_for(breaker) == 1.0


def test_a_rest_that_does_not_grow_stays_as_it_is(time: Time) -> None:
    breaker = Breaker("database", BreakerPolicy(rest=30.0, max_rest=30.0), clock=time)
    fail(breaker, 3)
    time.now += 30.0

    fail(breaker)

    assert refused_for(breaker) == 30.0


def test_it_fails_for_days_without_harm(breaker: Breaker, time: Time) -> None:
    fail(breaker, 3)
    for _ in range(2000):
        time.now += refused_for(breaker)
        fail(breaker)

    assert refused_for(breaker) == 30.0


def test_a_late_success_from_before_it_opened_closes_nothing(breaker: Breaker, time: Time) -> None:
    with breaker.admit() as late:
        fail(breaker, 3)
        time.now += 1.0
        succeed(breaker)
        late.succeed()

    assert breaker.state is State.HALF_OPEN


def test_a_late_failure_from_before_it_opened_opens_nothing(breaker: Breaker, time: Time) -> None:
    with breaker.admit() as late:
        fail(breaker, 3)
        time.now += 1.0
        succeed(breaker)
        late.fail()

    assert breaker.state is State.HALF_OPEN


def test_one_who_comes_late_does_not_free_the_place_of_a_probe(
    breaker: Breaker, time: Time
) -> None:
    late = breaker.admit()
    fail(breaker, 3)
    time.now += 1.0

    with breaker.admit():
        with late:
            late.succeed()

        assert refused_for(breaker) == 1.0


def test_who_says_nothing_counts_for_nothing(breaker: Breaker) -> None:
    fail(breaker, 2)
    for _ in range(5):
        with suppress(RuntimeError), breaker.admit():
            raise RuntimeError
    still_closed = breaker.state
    fail(breaker)

    assert still_closed is State.CLOSED
    assert breaker.state is State.OPEN  # what was abandoned does not end a row of failures either


def test_an_abandoned_probe_makes_room_for_the_next(breaker: Breaker, time: Time) -> None:
    fail(breaker, 3)
    time.now += 1.0
    with breaker.admit():
        pass

    succeed(breaker)
    succeed(breaker)

    assert breaker.state is State.CLOSED


async def test_a_cancelled_call_is_abandoned(autojump_clock: MockClock) -> None:
    breaker = Breaker("api", BreakerPolicy(failures=1))

    with trio.move_on_after(1), breaker.admit():
        await trio.sleep_forever()

    assert breaker.state is State.CLOSED


def test_the_last_word_counts(breaker: Breaker) -> None:
    for _ in range(3):
        with breaker.admit() as ticket:
            ticket.succeed()
            ticket.fail()

    assert breaker.state is State.OPEN


def test_the_observer_is_told_each_change_once(
    breaker: Breaker, time: Time, told: list[Record]
) -> None:
    succeed(breaker)
    fail(breaker, 3)
    refused_for(breaker)
    time.now += 1.0
    fail(breaker)
    time.now += 2.0
    succeed(breaker)
    succeed(breaker)

    states = ["open", "half_open", "open", "half_open", "closed"]
    assert told == [BreakerRecord("api", state) for state in states]


def test_an_observer_that_raises_costs_no_probe(time: Time) -> None:
    def observe(record: Record) -> None:
        raise LookupError(record)

    breaker = Breaker("api", BreakerPolicy(failures=1), clock=time, observe=observe)
    with pytest.raises(LookupError):
        fail(breaker)
    time.now += 1.0
    with pytest.raises(LookupError):
        breaker.admit()

    succeed(breaker)

    assert breaker.state is State.HALF_OPEN


def test_statistics_tell_what_it_did(breaker: Breaker, time: Time) -> None:
    before = breaker.statistics()
    fail(breaker, 3)
    refused_for(breaker)
    time.now += 0.75
    open_ = breaker.statistics()

    assert (before.state, before.retry_in, before.openings) == (State.CLOSED, None, 0)
    assert (open_.state, open_.retry_in, open_.openings) == (State.OPEN, 0.25, 1)
    assert (open_.admitted, open_.refused) == (3, 1)


def test_the_error_says_when_to_come_again(breaker: Breaker) -> None:
    fail(breaker, 3)

    with pytest.raises(BreakerOpen, match=r"api: circuit open, next probe in 1\.0 s"):
        breaker.admit()


class AgainstAModel(RuleBasedStateMachine):
    """The same life, told without a table: dates and lists only."""

    def __init__(self) -> None:
        super().__init__()
        self.time = Time()
        self.breaker = Breaker("api", BreakerPolicy(rest=1, max_rest=4), clock=self.time)
        self.out: list[tuple[Ticket, int]] = []
        self.era = 0  # grows with each change
        self.failed = self.succeeded = 0
        self.open_until: float | None = None
        self.half_open = False
        self.rests = [1, 2, 4]

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 2.0, 4.0]))
    def wait(self, seconds: float) -> None:
        self.time.now += seconds

    @rule()
    def come(self) -> None:
        now = self.time.now
        if self.open_until is not None and now >= self.open_until:
            self.open_until, self.half_open, self.era = None, True, self.era + 1
        probing = self.half_open and any(era == self.era for _, era in self.out)
        if self.open_until is not None:
            assert refused_for(self.breaker) == self.open_until - now
        elif probing:
            assert refused_for(self.breaker) == 1
        else:
            self.out.append((self.breaker.admit(), self.era))

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0, 99), verdict=st.sampled_from(["good", "bad", "bad", "none"]))
    def go(self, which: int, verdict: str) -> None:
        ticket, era = self.out.pop(which % len(self.out))
        with ticket:
            if verdict == "good":
                ticket.succeed()
            elif verdict == "bad":
                ticket.fail()
        if era != self.era or verdict == "none":
            return
        if verdict == "good":
            self.failed = 0
            self.succeeded += self.half_open
            if self.succeeded == 2:
                self.half_open, self.succeeded, self.rests = False, 0, [1, 2, 4]
                self.era += 1
        else:
            self.failed += 1
            if self.half_open or self.failed == 3:
                self.half_open, self.succeeded, self.failed = False, 0, 0
                self.open_until = self.time.now + self.rests[0]
                self.rests = self.rests[1:] or self.rests
                self.era += 1

    @invariant()
    def states_agree(self) -> None:
        state = self.breaker.state
        assert (state is State.OPEN) == (self.open_until is not None)
        assert (state is State.HALF_OPEN) == self.half_open


TestAgainstAModel = AgainstAModel.TestCase
TestAgainstAModel.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
