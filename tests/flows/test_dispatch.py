"""Dispatch: order, bounds, patience and failures, with flows that do as they are told."""

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from gmbot.api.client import METHODS
from gmbot.api.errors import (
    BadRequest,
    CircuitOpen,
    NetworkFailure,
    RetryAfter,
    ServerUnavailable,
)
from gmbot.api.source import Received, read_update
from gmbot.api.types import Update
from gmbot.coordination.pending import PendingUpdates
from gmbot.flows import dispatch
from gmbot.flows.dispatch import ROOM, SLOW_ROOM, Dispatch
from gmbot.flows.routes import Flow, Routes
from gmbot.flows.verdict import AWAY as AWAY_FOR
from gmbot.flows.verdict import DOUBT, POISON, Failure, Verdict, judge
from gmbot.guard.membership import MembershipUnknown
from gmbot.storage.errors import StorageError, StorageUnavailable, StorageUnusable
from gmbot.telemetry.metrics import Metrics
from tests.guard.town import InlineStorage, end_after, settle

START = 1_800_000_000.0
Story = Callable[[], Awaitable[object]]


class Scripted(Routes):
    """Flows by update id; the person is the update's own, or the one that is named."""

    def __init__(self) -> None:
        self.stories: dict[int, Story] = {}
        self.persons: dict[int, int] = {}
        self.log: list[str] = []
        self.decided: set[int] = set()

    def decide(self, update: Update) -> bool:
        return update.update_id in self.decided

    def flow_of(self, update: Update) -> Flow | None:
        number = update.update_id
        if number not in self.stories:
            return None

        async def run() -> None:
            self.log.append(f"{number} began")
            await self.stories[number]()
            self.log.append(f"{number} ended")

        return Flow("story", self.persons.get(number, number), run)


class Desk:
    """A dispatch with a database, and what was acknowledged."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.storage = InlineStorage(self.now, [])
        self.routes = Scripted()
        self.done: list[int] = []
        self.nursery = nursery
        self.metrics = Metrics(methods=METHODS, queries=())
        self.open("one")

    def now(self) -> float:
        return START + trio.current_time()

    def open(self, instance: str) -> None:
        self.pending = PendingUpdates(self.storage, instance=instance, now=self.now)
        self.work = trio.CancelScope()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with self.work:
            async with trio.open_nursery() as work:
                self.flows = work
                self.dispatch = Dispatch(self.routes, self.pending, work, metrics=self.metrics)
                await work.start(self.pending.run, self.dispatch.resume)
                task_status.started()

    async def give(self, number: int, story: Story, *, person: int | None = None) -> None:
        self.routes.stories[number] = story
        self.routes.persons[number] = number if person is None else person
        await self.dispatch.accept(received(number), lambda: self.done.append(number))

    def stored(self) -> dict[int, int]:
        """Attempts by update."""
        return {row[0]: row[2] for row in self.storage.rows("pending_updates")}

    def outcomes(self) -> dict[str, float]:
        families = {f.name: f for f in self.metrics.registry.collect()}
        samples = families["bot_updates"].samples
        return {s.labels["outcome"]: s.value for s in samples if s.value}


def received(number: int) -> Received:
    found = read_update(msgspec.Raw(b'{"update_id":%d}' % number))
    assert isinstance(found, Received)
    return found


async def at_once() -> None:
    pass


def takes(seconds: float) -> Story:
    async def story() -> None:
        await trio.sleep(seconds)

    return story


class Fails:
    """Raises these errors, one a time, then ends well."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.times: list[float] = []

    async def __call__(self) -> None:
        self.times.append(trio.current_time())
        if self.errors:
            raise self.errors.pop(0)


AWAY: list[Exception] = [
    NetworkFailure("getMe", "reset", sent=True),
    ServerUnavailable("getMe", 502),
    CircuitOpen("getMe", 1.0),
    RetryAfter("getMe", 429, "Too Many Requests", 3.0),
    StorageUnavailable("away"),
    StorageUnusable("corrupt"),
]


@pytest.fixture
async def desk(autojump_clock: MockClock, nursery: trio.Nursery) -> AsyncIterator[Desk]:
    desk = Desk(nursery)
    nursery.start_soon(end_after, 7200)
    await nursery.start(desk.run)
    yield desk
    desk.work.cancel()


# The rule


@pytest.mark.parametrize("error", AWAY, ids=lambda error: type(error).__name__)
@given(attempts=st.integers(0, 10))
def test_what_is_away_counts_nothing(error: Exception, attempts: int) -> None:
    assert judge([error, error], attempts) == Verdict(Failure.AWAY, attempts, AWAY_FOR)


@given(attempts=st.integers(0, 10), away=st.lists(st.sampled_from(AWAY)))
def test_doubt_comes_before_all_else_and_ends(attempts: int, away: list[Exception]) -> None:
    verdict = judge([*away, MembershipUnknown(-1, 2, [3])], attempts)

    assert verdict.failure is Failure.DOUBT
    assert verdict.attempts == attempts + 1
    assert (verdict.delay is None) == (attempts >= len(DOUBT))


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), StorageError("constraint"), BadRequest("getChat", 400, "Bad Request: x")],
)
@given(attempts=st.integers(0, 10), away=st.lists(st.sampled_from(AWAY)))
def test_a_flows_own_error_is_poison(
    error: Exception, attempts: int, away: list[Exception]
) -> None:
    verdict = judge([*away, error], attempts)

    assert verdict.failure is Failure.POISON
    assert (verdict.delay is None) == (attempts >= len(POISON))


# Order and bounds


async def test_one_persons_updates_go_in_order_and_persons_side_by_side(
    autojump_clock: MockClock, desk: Desk
) -> None:
    await desk.give(1, takes(1), person=7)
    await desk.give(2, at_once, person=7)
    await desk.give(3, at_once, person=8)
    await settle()
    assert sorted(desk.routes.log) == ["1 began", "3 began", "3 ended"]

    await trio.sleep(1.1)
    assert desk.routes.log[3:] == ["1 ended", "2 began", "2 ended"]
    assert desk.done == [3, 1, 2]
    assert desk.dispatch.at_work == 0


async def test_who_comes_after_a_failure_comes_all_the_same(
    autojump_clock: MockClock, desk: Desk
) -> None:
    await desk.give(1, Fails(KeyError()), person=7)
    await desk.give(2, at_once, person=7)
    await settle()

    assert "2 ended" in desk.routes.log
    assert sorted(desk.done) == [1, 2]


async def test_tasks_are_named_after_update_and_flow(autojump_clock: MockClock, desk: Desk) -> None:
    await desk.give(17, takes(1))
    await settle()

    assert "update 17 story" in {task.name for task in desk.flows.child_tasks}


async def test_what_finds_no_room_is_shelved_and_comes_in_its_turn(
    autojump_clock: MockClock, desk: Desk
) -> None:
    for number in range(ROOM):
        await desk.give(number, takes(1.5))
    for number in range(ROOM, ROOM + 60):
        await desk.give(number, at_once)
    assert desk.dispatch.at_work == ROOM
    assert desk.done == list(range(ROOM, ROOM + 60))
    assert len(desk.stored()) == 60

    await trio.sleep(8)
    assert f"{ROOM + 59} ended" in desk.routes.log
    assert desk.stored() == {}
    assert desk.dispatch.at_work == 0


async def test_what_is_shelved_comes_also_after_a_long_jam(
    autojump_clock: MockClock, desk: Desk
) -> None:
    """The heartbeat that keeps claims alive must not keep what nobody has in hand."""
    for number in range(ROOM):
        await desk.give(number, takes(30))
    for number in range(ROOM, ROOM + 120):  # more than are claimed at a time
        await desk.give(number, at_once)
    await trio.sleep(60)

    assert sum("ended" in line for line in desk.routes.log) == ROOM + 120
    assert desk.stored() == {}


async def test_a_thousand_slow_flows_delay_nobody_else(
    autojump_clock: MockClock, desk: Desk
) -> None:
    for begin in (0, ROOM):
        for number in range(begin, begin + ROOM):
            await desk.give(number, takes(60))
        await trio.sleep(2.1)
    assert desk.dispatch.at_work == SLOW_ROOM
    assert len(desk.stored()) == 2 * ROOM
    began = trio.current_time()

    await desk.give(5000, at_once)
    await settle()

    assert trio.current_time() == began
    assert "5000 ended" in desk.routes.log
    await trio.sleep(130)
    assert desk.stored() == {}


async def test_where_nothing_can_be_shelved_the_source_waits_for_room(
    autojump_clock: MockClock, desk: Desk
) -> None:
    for number in range(ROOM):
        await desk.give(number, takes(1.5))
    desk.storage.away = True
    began = trio.current_time()
    await desk.give(ROOM, at_once)

    assert trio.current_time() - began >= 1.5
    await settle()
    assert ROOM in desk.done


async def test_what_starts_no_flow_is_acknowledged(autojump_clock: MockClock, desk: Desk) -> None:
    await desk.dispatch.accept(received(5), lambda: desk.done.append(5))

    assert desk.done == [5]


async def test_what_memory_decides_is_counted(autojump_clock: MockClock, desk: Desk) -> None:
    desk.routes.decided.add(5)

    assert desk.dispatch.decide(received(5).update)
    assert not desk.dispatch.decide(received(6).update)
    assert desk.outcomes() == {"handled": 1}


# Patience


async def test_a_slow_flow_is_stored_after_2_seconds_acknowledged_and_finished(
    autojump_clock: MockClock, desk: Desk
) -> None:
    await desk.give(1, takes(30))
    await trio.sleep(1.9)
    assert desk.done == []
    assert desk.stored() == {}

    await trio.sleep(0.2)
    assert desk.done == [1]
    assert desk.stored() == {1: 0}

    await trio.sleep(28)
    assert desk.routes.log == ["1 began", "1 ended"]
    assert desk.stored() == {}


async def test_whoever_waits_behind_a_slow_flow_is_stored_too(
    autojump_clock: MockClock, desk: Desk
) -> None:
    await desk.give(1, takes(30), person=7)
    await desk.give(2, at_once, person=7)
    await trio.sleep(2.1)

    assert sorted(desk.done) == [1, 2]
    assert set(desk.stored()) == {1, 2}
    await trio.sleep(30)
    assert desk.routes.log == ["1 began", "1 ended", "2 began", "2 ended"]
    assert desk.stored() == {}


async def test_a_claim_is_kept_for_as_long_as_the_flow_lasts(
    autojump_clock: MockClock, desk: Desk
) -> None:
    await desk.give(1, takes(60))
    other = PendingUpdates(desk.storage, instance="other", now=desk.now)
    seen: list[int] = []

    async def resume(update: Any) -> None:
        seen.append(update.update_id)

    desk.nursery.start_soon(other.run, resume)
    await trio.sleep(55)

    assert seen == []


async def test_while_the_database_is_away_nothing_is_acknowledged_that_is_not_done(
    autojump_clock: MockClock, desk: Desk
) -> None:
    desk.storage.away = True
    failing = Fails(NetworkFailure("getMe", "reset", sent=True))
    await desk.give(1, takes(10))
    await desk.give(2, failing)
    await desk.give(3, at_once)
    await trio.sleep(9)
    assert desk.done == [3]

    await trio.sleep(2)
    assert desk.done == [3]  # 1 has ended, but may be stored: that is to be taken back first
    desk.storage.away = False
    await trio.sleep(2)
    assert sorted(desk.done) == [1, 2, 3]
    await trio.sleep(10)
    assert len(failing.times) == 2
    assert desk.stored() == {}


async def test_what_the_database_refuses_for_good_stops_nobody(
    autojump_clock: MockClock, desk: Desk, logs: Any
) -> None:
    desk.storage.refuse["store_update"] = StorageError("no such number")
    await desk.give(2**70, takes(5))
    await trio.sleep(6)
    await desk.give(1, at_once)
    await settle()

    assert desk.done == [2**70, 1]
    assert {e["event"] for e in logs if e["log_level"] == "error"} == {"flow_failed"}


async def test_the_same_update_again_is_acknowledged_with_the_one_in_hand(
    autojump_clock: MockClock, desk: Desk
) -> None:
    await desk.give(1, takes(1))
    await desk.give(1, takes(1))
    await settle()
    assert desk.done == []

    await trio.sleep(1.1)
    assert desk.done == [1, 1]
    assert desk.routes.log.count("1 began") == 1


async def test_the_same_update_again_is_acknowledged_at_once_where_it_is_stored(
    autojump_clock: MockClock, desk: Desk
) -> None:
    await desk.give(1, takes(10))
    await trio.sleep(2.1)
    await desk.give(1, takes(10))

    assert desk.done == [1, 1]
    assert desk.dispatch.at_work == 1


async def test_the_same_update_again_is_not_shelved_where_there_is_no_room(
    autojump_clock: MockClock, desk: Desk
) -> None:
    for number in range(ROOM):
        await desk.give(number, takes(1))
    await desk.give(0, takes(1))
    await settle()

    assert desk.stored() == {}
    assert desk.done == []


# Failures


async def test_a_failing_flow_is_stored_and_said_once_with_its_update(
    autojump_clock: MockClock, desk: Desk, logs: Any
) -> None:
    failing = Fails(*(KeyError(n) for n in range(3)))
    await desk.give(1, failing)
    await settle()
    assert desk.done == [1]
    assert desk.stored() == {1: 1}

    await trio.sleep(40)
    waits = [later - earlier for earlier, later in pairwise(failing.times)]
    for wait, delay in zip(waits, (1, 5, 30), strict=True):
        assert delay <= wait <= delay + 1.1
    assert desk.stored() == {}
    said = [e for e in logs if e["event"] == "flow_failed"]
    assert [(e["update_id"], e["flow"], e["failure"]) for e in said] == [(1, "story", "poison")]
    assert desk.outcomes() == {"handled": 1, "stored": 3}


async def test_poison_is_given_up_after_its_tries(
    autojump_clock: MockClock, desk: Desk, logs: Any
) -> None:
    failing = Fails(*(KeyError(n) for n in range(100)))
    await desk.give(1, failing)
    await trio.sleep(1000)

    assert len(failing.times) == 1 + len(POISON)
    assert desk.stored() == {}
    (given_up,) = [e for e in logs if e["event"] == "update_given_up"]
    assert (given_up["update_id"], given_up["attempts"]) == (1, 5)
    assert desk.outcomes()["given_up"] == 1


async def test_a_dependency_that_is_away_for_hours_gives_nothing_up(
    autojump_clock: MockClock, desk: Desk, logs: Any
) -> None:
    errors: list[Exception] = [AWAY[n % len(AWAY)] for n in range(500)]
    failing = Fails(*errors)
    await desk.give(1, failing)
    await trio.sleep(600)
    assert desk.stored() == {1: 0}

    await trio.sleep(2500)
    assert failing.errors == []
    assert desk.stored() == {}
    assert len([e for e in logs if e["event"] == "flow_failed"]) == 1


async def test_a_group_of_errors_is_judged_by_its_leaves(
    autojump_clock: MockClock, desk: Desk
) -> None:
    network = NetworkFailure("getMe", "reset", sent=True)
    await desk.give(1, Fails(ExceptionGroup("", [network, ExceptionGroup("", [network])])))
    await settle()

    assert desk.stored() == {1: 0}


async def test_a_shelved_flow_that_fails_by_itself_is_said_too(
    autojump_clock: MockClock, desk: Desk, logs: Any
) -> None:
    for number in range(ROOM):
        await desk.give(number, takes(1))
    await desk.give(ROOM, Fails(KeyError("x")))
    await trio.sleep(10)

    assert [e["update_id"] for e in logs if e["event"] == "flow_failed"] == [ROOM]


# The end, and after it


async def test_a_drain_stores_the_slow_at_once_and_waits_for_the_quick(
    autojump_clock: MockClock, desk: Desk
) -> None:
    await desk.give(1, takes(0.5))
    await desk.give(2, takes(60))
    await settle()
    with trio.move_on_after(1) as scope:
        await desk.dispatch.drain()

    assert scope.cancelled_caught
    assert sorted(desk.done) == [1, 2]
    assert set(desk.stored()) == {2}


async def test_a_drain_ends_when_nothing_is_at_work(autojump_clock: MockClock, desk: Desk) -> None:
    await desk.give(1, takes(0.5))
    with trio.fail_after(1):
        await desk.dispatch.drain()

    assert desk.dispatch.at_work == 0


async def test_a_drain_begins_nothing_new(autojump_clock: MockClock, desk: Desk) -> None:
    await desk.give(1, Fails(AWAY[0]))
    await desk.give(2, takes(20))
    await settle()
    with trio.move_on_after(10):
        await desk.dispatch.drain()

    assert desk.routes.log.count("1 began") == 1
    assert set(desk.stored()) == {1, 2}


async def test_after_a_kill_what_was_stored_goes_on_when_the_claims_end(
    autojump_clock: MockClock, desk: Desk
) -> None:
    await desk.give(1, takes(20))
    await trio.sleep(5)
    desk.work.cancel()
    await settle()
    assert desk.dispatch.at_work == 0
    killed = trio.current_time()
    desk.routes.stories[1] = at_once
    desk.open("two")
    await desk.nursery.start(desk.run)
    await trio.sleep(killed + 6.9 - trio.current_time())
    assert desk.routes.log == ["1 began"]

    await trio.sleep(4.2)
    assert desk.routes.log == ["1 began", "1 began", "1 ended"]
    assert desk.stored() == {}


async def test_what_another_version_stored_and_this_one_cannot_read_is_dropped(
    autojump_clock: MockClock, desk: Desk, logs: Any
) -> None:
    await desk.pending.shelve(5, b'{"update_id":5,"message":{"message_id":"new"}}')
    await desk.pending.shelve(6, b'{"update_id":6,"new_kind":{}}')
    desk.storage.refuse["finish_update"] = StorageUnavailable("for a moment")
    await trio.sleep(5)

    assert desk.stored() == {}
    assert [e["update_id"] for e in logs if e["event"] == "update_malformed"] == [5]


async def test_a_slow_flow_that_goes_on_is_stored_already(
    autojump_clock: MockClock, desk: Desk, logs: Any
) -> None:
    desk.routes.stories[5] = takes(30)
    desk.routes.persons[5] = 5
    await desk.pending.shelve(5, b'{"update_id":5}')
    await trio.sleep(40)

    assert desk.routes.log == ["5 began", "5 ended"]
    assert desk.stored() == {}
    assert [e["event"] for e in logs] == []


async def test_a_claim_that_was_lost_and_given_again_starts_nothing_twice(
    autojump_clock: MockClock, desk: Desk
) -> None:
    await desk.give(1, takes(30))
    await trio.sleep(3)
    (stored,) = await desk.storage.claim_updates(
        instance="one", now=desk.now() + 100, until=desk.now() + 100, limit=1
    )
    await desk.dispatch.resume(stored)

    assert desk.dispatch.at_work == 1


async def test_who_waits_for_a_dependency_keeps_the_order_of_their_story(
    autojump_clock: MockClock, desk: Desk
) -> None:
    """The database came back between the two: the second one does not overtake the first."""
    await desk.give(1, Fails(StorageUnavailable("gone")), person=7)
    await settle()
    await desk.give(2, at_once, person=7)
    await desk.give(3, at_once, person=8)
    await settle()
    assert "2 ended" not in desk.routes.log
    assert "3 ended" in desk.routes.log

    await trio.sleep(AWAY_FOR + 2.1)
    assert desk.routes.log.index("1 ended") < desk.routes.log.index("2 ended")
    assert desk.stored() == {}


async def test_who_waited_long_ago_is_forgotten(
    autojump_clock: MockClock, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where another instance did what they waited for."""
    monkeypatch.setattr(dispatch, "HELD_UP", 2)
    for number in range(6):
        await desk.give(number, Fails(StorageUnavailable("gone")))
        await settle()
        await desk.storage.finish_update(number)
        await trio.sleep(AWAY_FOR + 0.1)

    assert len(desk.dispatch._held_up) <= 2
