"""Long work: stored, claimed, done once more where it was asked for again."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock

from gmbot.coordination.claims import CLAIM, LOOK_EVERY
from gmbot.coordination.jobs import SOON, Jobs
from gmbot.storage.errors import StorageUnavailable
from gmbot.storage.records import Job
from tests.guard.town import InlineStorage, end_after, settle

Work = Callable[[Jobs, Job], Awaitable[object]]


class Shop:
    """A database, instances that do jobs in it, and what was given to whom."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self.storage = InlineStorage(self.now, [])
        self.given: list[tuple[str, Job]] = []

    def now(self) -> float:
        return 1_800_000_000.0 + trio.current_time()

    def instance(self, name: str) -> Jobs:
        return Jobs(self.storage, instance=name, now=self.now)

    async def start(self, name: str, work: Work | None = None) -> tuple[Jobs, trio.CancelScope]:
        jobs, life = self.instance(name), trio.CancelScope()

        async def resume(job: Job) -> None:
            self.given.append((name, job))
            if work is not None:
                await work(jobs, job)

        async def run(*, task_status: trio.TaskStatus[None]) -> None:
            with life:
                await jobs.run(resume, task_status=task_status)

        await self.nursery.start(run, name=name)
        return jobs, life

    def names(self) -> list[tuple[str, str]]:
        return [(name, f"{job.kind} {job.key}".rstrip()) for name, job in self.given]


@pytest.fixture
async def shop(autojump_clock: MockClock, nursery: trio.Nursery) -> AsyncIterator[Shop]:
    nursery.start_soon(end_after, 7200)
    yield Shop(nursery)
    nursery.cancel_scope.cancel()


async def test_what_is_asked_for_is_done_by_one_instance_with_what_it_was_given(
    autojump_clock: MockClock, shop: Shop
) -> None:
    one, _life = await shop.start("one", Jobs.finish)
    await shop.start("two", Jobs.finish)
    await one.add("recheck", -100, {"scope": "held"})
    await one.add("restart")
    await trio.sleep(60)

    assert sorted(job for _name, job in shop.names()) == ["recheck -100", "restart"]
    assert {job.kind: job.payload for _name, job in shop.given} == {
        "recheck": {"scope": "held"},
        "restart": {},
    }
    assert shop.storage.rows("jobs") == []


async def test_many_jobs_do_not_wait_a_second_each(autojump_clock: MockClock, shop: Shop) -> None:
    one = shop.instance("one")
    for number in range(50):
        await one.add("tell", number)
    await shop.start("one", Jobs.finish)
    await trio.sleep(LOOK_EVERY / 2)

    assert len(shop.given) == 50


async def test_a_job_stays_in_our_hands_for_as_long_as_we_live(
    autojump_clock: MockClock, shop: Shop
) -> None:
    one, life = await shop.start("one")
    await one.add("restart")
    await trio.sleep(60)
    assert shop.names() == [("one", "restart")]

    await shop.start("two")
    await trio.sleep(60)
    assert shop.names() == [("one", "restart")]

    life.cancel()
    await trio.sleep(CLAIM + 2 * LOOK_EVERY)
    assert shop.names() == [("one", "restart"), ("two", "restart")]


async def test_asked_for_again_while_at_work_it_is_done_once_more(
    autojump_clock: MockClock, shop: Shop
) -> None:
    async def work(jobs: Jobs, job: Job) -> None:
        if job.payload["n"] == 1:
            assert await jobs.save(job, {"n": 1, "half": "done"})
            await jobs.add("recheck", -1, {"n": 2})
            assert not await jobs.save(job, {"n": 1, "almost": "done"})
        assert await jobs.finish(job) is (job.payload["n"] == 2)

    one, _life = await shop.start("one", work)
    await one.add("recheck", -1, {"n": 1})
    await trio.sleep(10)

    assert [job.payload["n"] for _name, job in shop.given] == [1, 2]
    assert shop.storage.rows("jobs") == []


async def test_what_is_saved_is_where_the_next_one_goes_on(
    autojump_clock: MockClock, shop: Shop
) -> None:
    async def work(jobs: Jobs, job: Job) -> None:
        if not job.attempts:
            await jobs.save(job, {"after": 7})
            await jobs.put_off(job, attempts=1, delay=30)

    one, _life = await shop.start("one", work)
    await one.add("restart")
    await trio.sleep(29)
    assert len(shop.given) == 1

    await trio.sleep(2 + LOOK_EVERY)
    (_, again) = shop.given[1]
    assert (again.payload, again.attempts) == ({"after": 7}, 1)


async def test_one_that_was_put_off_is_due_at_once_where_it_was_asked_for_meanwhile(
    autojump_clock: MockClock, shop: Shop
) -> None:
    async def work(jobs: Jobs, job: Job) -> None:
        if len(shop.given) == 1:
            await jobs.add("restart")
            await jobs.put_off(job, attempts=3, delay=600)

    one, _life = await shop.start("one", work)
    await one.add("restart")
    await trio.sleep(3)

    assert [job.attempts for _name, job in shop.given] == [0, 0]


async def test_what_is_wanted_soon_is_written_down_without_waiting(
    autojump_clock: MockClock, shop: Shop
) -> None:
    one, _life = await shop.start("one", Jobs.finish)
    one.add_soon("sight", -1001)
    one.add_soon("sight", -1001)
    one.add_soon("migrate", -5, {"to": -1005})
    await trio.sleep(3 * LOOK_EVERY)

    assert sorted(shop.names()) == [("one", "migrate -5"), ("one", "sight -1001")]
    assert {"to": -1005} in [job.payload for _name, job in shop.given]


async def test_what_is_wanted_soon_outlasts_a_database_that_is_away(
    autojump_clock: MockClock, shop: Shop
) -> None:
    one, _life = await shop.start("one", Jobs.finish)
    shop.storage.away = True
    one.add_soon("sight", -1001)
    await trio.sleep(20)
    with pytest.raises(StorageUnavailable):
        await one.add("restart")

    shop.storage.away = False
    await trio.sleep(3 * LOOK_EVERY)
    assert shop.names() == [("one", "sight -1001")]


async def test_what_is_wanted_anew_while_it_is_written_down_is_written_down_again(
    autojump_clock: MockClock, shop: Shop
) -> None:
    one, _life = await shop.start("one", Jobs.finish)

    async def again() -> None:
        one.add_soon("migrate", -5, {"to": 2})

    shop.storage.after["add_job"] = again
    one.add_soon("migrate", -5, {"to": 1})
    await trio.sleep(5)

    assert shop.given[-1][1].payload == {"to": 2}


async def test_of_too_many_that_are_wanted_soon_the_last_are_left_out(
    autojump_clock: MockClock, shop: Shop
) -> None:
    one = shop.instance("one")
    for number in range(SOON + 10):
        one.add_soon("sight", number)
    one.add_soon("sight", 0)

    async def hold_up(_job: Job) -> None:
        await trio.sleep_forever()

    await shop.nursery.start(one.run, hold_up)
    await settle()

    assert len(shop.storage.rows("jobs")) == SOON
