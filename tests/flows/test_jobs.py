"""Jobs at work: bounds, names, failures, and what is cut off."""

from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
from trio.testing import MockClock

from gmbot.api.client import METHODS
from gmbot.api.errors import BadRequest, CircuitOpen, NetworkFailure
from gmbot.coordination.claims import CLAIM, LOOK_EVERY
from gmbot.coordination.jobs import Jobs
from gmbot.flows.jobs import AWAY_SAID, BUSY, HANDLERS, LONG, LONG_ROOM, ROOM, JobRunner
from gmbot.flows.verdict import AWAY, DOUBT, POISON, leaves
from gmbot.guard.guard import Guard
from gmbot.guard.membership import MembershipUnknown
from gmbot.storage.errors import StorageError, StorageUnavailable
from gmbot.storage.records import Job
from gmbot.telemetry.metrics import Metrics
from tests.guard.town import InlineStorage, end_after, settle

Story = Callable[[Job], Awaitable[object]]


class Yard:
    """A database and one instance that does jobs as it is told; `log` is what began and ended."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.storage = InlineStorage(self.now, [])
        self.stories: dict[str, Story] = {}
        self.log: list[str] = []
        self.times: list[float] = []
        self.metrics = Metrics(methods=METHODS, queries=())
        self.jobs: Jobs
        self.work: trio.Nursery

    def now(self) -> float:
        return 1_800_000_000.0 + trio.current_time()

    async def handle(self, guard: Guard, job: Job) -> None:
        self.log.append(f"{job.key} began")
        self.times.append(trio.current_time())
        await self.stories[job.key](job)
        self.log.append(f"{job.key} ended")

    async def start(self, instance: str = "one") -> None:
        jobs = self.jobs = Jobs(self.storage, instance=instance, now=self.now)

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            async with trio.open_nursery() as self.work:
                # What the runner itself needs of a guard; the handlers here need none.
                guard = cast("Guard", SimpleNamespace(jobs=jobs, metrics=self.metrics))
                handlers = dict.fromkeys(["short", *LONG], self.handle)
                runner = JobRunner(guard, self.work, handlers=handlers)
                await self.work.start(jobs.run, runner.resume)
                task_status.started()

        await self.nursery.start(run)

    async def give(self, key: str, story: Story, *, kind: str = "short") -> None:
        self.stories[key] = story
        await self.jobs.add(kind, key)

    def began(self) -> int:
        return sum(line.endswith("began") for line in self.log)

    def ended(self) -> int:
        return sum(line.endswith("ended") for line in self.log)

    def flow_errors(self) -> float:
        families = {f.name: f for f in self.metrics.registry.collect()}
        return sum(
            s.value for s in families["bot_errors"].samples if s.labels.get("type") == "flow"
        )


@pytest.fixture
async def yard(autojump_clock: MockClock, nursery: trio.Nursery) -> AsyncIterator[Yard]:
    nursery.start_soon(end_after, 7200)
    yard = Yard(nursery)
    await yard.start()
    yield yard
    nursery.cancel_scope.cancel()


def takes(seconds: float) -> Story:
    async def story(_job: Job) -> None:
        await trio.sleep(seconds)

    return story


def fails(*errors: Exception) -> Story:
    """Raise these, one a time, then end well."""
    left = list(errors)

    async def story(_job: Job) -> None:
        if left:
            raise left.pop(0)

    return story


async def test_a_few_are_at_work_at_once_and_each_bears_its_name(
    autojump_clock: MockClock, yard: Yard
) -> None:
    for number in range(ROOM + 3):
        await yard.give(f"-{number}", takes(10))
    await trio.sleep(5)

    assert yard.began() == ROOM
    names = {task.name for task in yard.work.child_tasks}
    assert {f"job short -{n}" for n in range(ROOM)} < names

    await trio.sleep(10)
    assert yard.began() == ROOM + 3
    await trio.sleep(10)
    assert yard.ended() == ROOM + 3
    assert yard.storage.rows("jobs") == []


async def test_a_job_without_a_key_bears_the_name_of_its_kind(
    autojump_clock: MockClock, yard: Yard
) -> None:
    await yard.give("", takes(10), kind="restart")
    await trio.sleep(2)

    assert "job restart" in {task.name for task in yard.work.child_tasks}


async def test_another_instance_takes_what_finds_no_room_here(
    autojump_clock: MockClock, yard: Yard
) -> None:
    for number in range(2 * ROOM):
        await yard.give(str(number), takes(100))
    await trio.sleep(5)
    assert yard.began() == ROOM

    await yard.start("two")
    await trio.sleep(5)
    assert yard.began() == 2 * ROOM


async def test_looking_at_many_people_leaves_room_for_what_is_short(
    autojump_clock: MockClock, yard: Yard
) -> None:
    for number in range(LONG_ROOM + 2):
        await yard.give(f"long {number}", takes(60), kind="recheck")
    await trio.sleep(20)
    assert yard.began() == LONG_ROOM

    await yard.give("short", takes(1))
    await trio.sleep(1 + 2 * LOOK_EVERY)
    assert yard.log[-1] == "short ended"

    await trio.sleep(60 + BUSY + LOOK_EVERY)
    assert yard.began() == LONG_ROOM + 3


async def test_asked_for_again_while_at_work_it_is_done_once_more(
    autojump_clock: MockClock, yard: Yard
) -> None:
    await yard.give("a", takes(10))
    await trio.sleep(5)
    await yard.jobs.add("short", "a")
    await trio.sleep(30)

    assert yard.log == ["a began", "a ended", "a began", "a ended"]
    assert yard.storage.rows("jobs") == []


async def test_what_waits_for_a_dependency_is_put_off_and_counts_nothing(
    autojump_clock: MockClock, yard: Yard, logs: list[Any]
) -> None:
    away = [CircuitOpen("getMe", 1.0), ExceptionGroup("", [StorageUnavailable("away")])]
    await yard.give("a", fails(*away, *away, *away, *away))
    await trio.sleep(9 * (AWAY + 2 * LOOK_EVERY))

    assert yard.log[-1] == "a ended"
    assert yard.began() == 9
    assert yard.flow_errors() == 0
    (line,) = [line for line in logs if line["event"] == "job_failed"]
    assert (line["log_level"], line["job"], line["key"]) == ("warning", "short", "a")
    assert line["failure"] == "away"


async def test_of_endlessly_many_that_wait_few_are_remembered(
    autojump_clock: MockClock, yard: Yard, logs: list[Any]
) -> None:
    lost = NetworkFailure("getMe", "reset", sent=False)
    for number in range(AWAY_SAID + 1):
        await yard.give(str(number), fails(lost, lost))
    await trio.sleep(60)

    lines = [line for line in logs if line["event"] == "job_failed"]
    assert AWAY_SAID + 1 < len(lines) <= 2 * (AWAY_SAID + 1)


async def test_its_own_errors_are_tried_again_by_a_schedule_then_it_is_given_up(
    autojump_clock: MockClock, yard: Yard, logs: list[Any]
) -> None:
    await yard.give("a", fails(*[KeyError("x")] * 10))
    await trio.sleep(200)

    assert yard.began() == len(POISON) + 1
    pauses = [b - a for a, b in zip(yard.times, yard.times[1:], strict=False)]
    assert all(
        delay <= pause <= delay + 1.5 * LOOK_EVERY
        for pause, delay in zip(pauses, POISON, strict=True)
    )
    assert [line["event"] for line in logs if line["log_level"] == "error"] == [
        "job_failed",
        "job_given_up",
    ]
    assert yard.storage.rows("jobs") == []
    assert yard.flow_errors() == len(POISON) + 1


async def test_a_kind_that_nobody_knows_is_given_up(
    autojump_clock: MockClock, yard: Yard, logs: list[Any]
) -> None:
    await yard.give("a", takes(0), kind="of another version")
    await trio.sleep(200)

    assert yard.log == []
    assert "job_given_up" in [line["event"] for line in logs]
    assert yard.storage.rows("jobs") == []


async def test_doubt_has_its_own_schedule(
    autojump_clock: MockClock, yard: Yard, logs: list[Any]
) -> None:
    await yard.give("a", fails(*[MembershipUnknown(-1, 2, [3])] * 10))
    await trio.sleep(1000)

    assert yard.began() == len(DOUBT) + 1
    assert yard.times[-1] - yard.times[0] >= sum(DOUBT)
    assert [line["event"] for line in logs if line.get("job")] == [
        "membership_unknown",
        "job_given_up",
    ]


async def test_what_follows_is_written_down_whatever_it_takes(
    autojump_clock: MockClock, yard: Yard
) -> None:
    await yard.give("a", takes(10))
    await yard.give("b", fails(BadRequest("getChat", 400, "Bad Request: x")))
    await trio.sleep(1.5 * LOOK_EVERY)
    yard.storage.away = True
    await trio.sleep(60)
    assert yard.ended() == 1

    yard.storage.away = False
    await trio.sleep(10)
    assert sorted(yard.log) == ["a began", "a ended", "b began", "b began", "b ended"]
    assert yard.storage.rows("jobs") == []


async def test_one_whose_claim_has_ended_while_it_was_at_work_here_is_not_begun_twice(
    autojump_clock: MockClock, yard: Yard
) -> None:
    await yard.give("a", takes(100))
    await trio.sleep(2)
    yard.storage.away = True
    await trio.sleep(60)
    yard.storage.away = False
    await trio.sleep(60)

    assert yard.log == ["a began", "a ended"]
    assert yard.storage.rows("jobs") == []


async def test_what_the_database_refuses_for_good_holds_up_nobody(
    autojump_clock: MockClock, yard: Yard, logs: list[Any]
) -> None:
    yard.storage.refuse["finish_job"] = StorageError("constraint")
    await yard.give("a", takes(0))
    await trio.sleep(2)
    await yard.give("b", takes(0))
    await trio.sleep(2)

    assert yard.log == ["a began", "a ended", "b began", "b ended"]
    assert "flow_failed" in [line["event"] for line in logs]


async def test_what_is_cut_off_goes_on_in_another_instance_when_its_claim_has_ended(
    autojump_clock: MockClock, yard: Yard
) -> None:
    await yard.give("a", takes(20))
    await trio.sleep(5)
    yard.work.cancel_scope.cancel()
    await settle()
    await yard.start("two")
    await trio.sleep(CLAIM - 4)
    assert yard.log == ["a began"]

    await trio.sleep(25)
    assert yard.log == ["a began", "a began", "a ended"]


def test_the_leaves_of_a_group_are_its_errors_at_any_depth() -> None:
    one, two = KeyError(1), KeyError(2)

    assert leaves(ExceptionGroup("", [one, ExceptionGroup("", [two])])) == [one, two]
    assert leaves(one) == [one]


def test_each_kind_of_job_that_is_asked_for_anywhere_has_a_handler() -> None:
    assert set(HANDLERS) >= {"recheck", "restart", "leave", "rights", "sight", "tell", "migrate"}
    assert set(HANDLERS) > LONG
