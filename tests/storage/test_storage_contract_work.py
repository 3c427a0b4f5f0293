"""What every storage must do with work that outlives its flow, and with effects."""

import time
from functools import partial

import msgspec
import pytest
import trio

from gmbot.storage.protocol import Storage
from gmbot.storage.records import (
    Job,
    PendingUpdate,
)
from tests.storage.samples import OpenStorage, claim, due

# Updates that go on after they were acknowledged.


async def test_a_stored_update_is_in_the_hands_of_who_stored_it_until_the_claim_ends(
    storage: Storage,
) -> None:
    payload = b'{"update_id":1,"text":"\\ud83d \xff\x00"}'
    await storage.store_update(PendingUpdate(1, payload, 2, 10.0), claimed_by="a", claimed_to=20.0)

    assert await claim(storage, "b", now=19.9) == []
    assert await claim(storage, "a", now=19.9) == []
    claimed = await storage.claim_updates(instance="b", now=20.0, until=30.0, limit=10)
    assert claimed == [PendingUpdate(1, payload, 2, 10.0)]
    assert await claim(storage, "c", now=29.9) == []
    assert await claim(storage, "c", now=30.0) == [1]


async def test_an_update_stored_twice_is_kept_as_it_was_first(storage: Storage) -> None:
    await storage.store_update(due(1), claimed_by="a", claimed_to=20.0)
    await storage.store_update(PendingUpdate(1, b"other", 9, 0.0), claimed_by="b", claimed_to=0.0)

    assert await claim(storage, now=19.0) == []
    assert await storage.claim_updates(instance="b", now=20.0, until=30.0, limit=10) == [due(1)]


async def test_updates_come_due_in_order_and_no_more_than_asked_for(storage: Storage) -> None:
    for update_id, available_at in [(1, 12.0), (2, 11.0), (3, 12.0), (4, 13.0), (5, 99.0)]:
        await storage.store_update(due(update_id, available_at), claimed_by="z", claimed_to=0.0)

    assert await claim(storage, limit=2) == [2, 1]
    assert await claim(storage, limit=10) == [3, 4]
    assert await claim(storage, limit=10) == []


async def test_a_heartbeat_extends_the_claims_of_this_instance_alone(storage: Storage) -> None:
    await storage.store_update(due(1), claimed_by="a", claimed_to=20.0)
    await storage.store_update(due(2), claimed_by="b", claimed_to=20.0)

    await storage.extend_claims(instance="a", until=50.0)

    assert await claim(storage, "c", now=49.0, until=99.0) == [2]
    assert await claim(storage, "c", now=50.0, until=99.0) == [1]


async def test_a_postponed_update_is_in_nobodys_hands_and_comes_due_later(
    storage: Storage,
) -> None:
    await storage.store_update(due(1), claimed_by="a", claimed_to=99.0)

    await storage.postpone_update(1, attempts=3, available_at=25.0)
    await storage.extend_claims(instance="a", until=99.0)

    assert await claim(storage, "b", now=24.0) == []
    assert await storage.claim_updates(instance="b", now=25.0, until=30.0, limit=1) == [
        PendingUpdate(1, b"{}", 3, 25.0)
    ]


async def test_a_finished_update_is_forgotten_and_finishing_the_unknown_is_harmless(
    storage: Storage,
) -> None:
    await storage.store_update(due(1), claimed_by="a", claimed_to=0.0)

    await storage.finish_update(1)
    await storage.finish_update(1)
    await storage.postpone_update(1, attempts=1, available_at=0.0)

    assert await claim(storage) == []


async def test_instances_that_claim_at_once_never_get_the_same_update(
    open_storage: OpenStorage,
) -> None:
    claimed: list[int] = []

    async def work(storage: Storage, instance: str) -> None:
        while got := await claim(storage, instance, limit=3):
            claimed.extend(got)

    async with open_storage("shared") as one, open_storage("shared") as other:
        for update_id in range(60):
            await one.store_update(due(update_id), claimed_by="z", claimed_to=0.0)
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(work, one, f"one {number}")
                nursery.start_soon(work, other, f"other {number}")

    assert sorted(claimed) == list(range(60))


# What people see once.


async def test_an_effect_is_claimed_once_until_the_claim_is_taken_back(storage: Storage) -> None:
    assert await storage.claim_effect("reply:-100:1")
    assert not await storage.claim_effect("reply:-100:1")
    assert await storage.claim_effect("reply:-100:2")

    await storage.release_effect("reply:-100:1")
    await storage.release_effect("reply:-100:1")

    assert await storage.claim_effect("reply:-100:1")
    assert not await storage.claim_effect("reply:-100:2")


async def test_of_many_who_claim_an_effect_at_once_one_gets_it(open_storage: OpenStorage) -> None:
    got: list[bool] = []

    async def claim_effect(storage: Storage) -> None:
        got.append(await storage.claim_effect("reply:-100:1"))

    async with (
        open_storage("shared") as one,
        open_storage("shared") as other,
        trio.open_nursery() as nursery,
    ):
        for _ in range(10):
            nursery.start_soon(claim_effect, one)
            nursery.start_soon(claim_effect, other)

    assert sum(got) == 1


async def test_effects_claimed_before_are_forgotten_and_later_ones_are_not(
    storage: Storage,
) -> None:
    began = time.time()
    await storage.claim_effect("reply:-100:1")

    await storage.forget_effects("reply:", before=began - 60)
    assert not await storage.claim_effect("reply:-100:1")
    await storage.forget_effects("reply:", before=time.time() + 60)
    assert await storage.claim_effect("reply:-100:1")


@pytest.mark.parametrize("key", ["rights lost:-100", "replying", "REPLY:-100:1", "a reply:1"])
async def test_effects_whose_keys_begin_otherwise_are_kept(storage: Storage, key: str) -> None:
    await storage.claim_effect(key)
    await storage.forget_effects("reply:", before=time.time() + 60)

    assert not await storage.claim_effect(key)


# Long work.


async def claim_jobs(
    storage: Storage,
    instance: str = "a",
    *,
    now: float = 20.0,
    until: float = 30.0,
    limit: int = 10,
) -> list[Job]:
    return await storage.claim_jobs(instance=instance, now=now, until=until, limit=limit)


async def the_job(storage: Storage, instance: str = "a", *, now: float = 20.0) -> Job:
    (job,) = await claim_jobs(storage, instance, now=now, until=now + 10)
    return job


def without_version(job: Job) -> tuple[object, ...]:
    """Return all else of a job."""
    return job.kind, job.key, job.payload, job.attempts, job.available_at


async def test_a_job_is_due_at_once_and_claimed_until_the_claim_ends(storage: Storage) -> None:
    payload = {"scope": "all", "done": [1, {"a": None}], "\N{FIRE}": 1.5}
    await storage.add_job("recheck", "-100", payload, now=10.0)

    assert await claim_jobs(storage, now=9.9) == []
    (job,) = await claim_jobs(storage, now=10.0, until=30.0)
    assert without_version(job) == ("recheck", "-100", payload, 0, 10.0)
    assert await claim_jobs(storage, "a", now=29.9) == []
    assert await claim_jobs(storage, "b", now=29.9) == []
    assert await claim_jobs(storage, "b", now=30.0) == [job]


async def test_the_longest_due_jobs_come_first_and_no_more_than_asked_for(
    storage: Storage,
) -> None:
    for kind, key, now in [("b", "1", 12.0), ("a", "2", 11.0), ("a", "1", 13.0), ("a", "3", 99.0)]:
        await storage.add_job(kind, key, {}, now=now)

    first = await claim_jobs(storage, limit=2)
    rest = await claim_jobs(storage, limit=10)

    assert [(job.kind, job.key) for job in first] == [("a", "2"), ("b", "1")]
    assert [(job.kind, job.key) for job in rest] == [("a", "1")]


async def test_a_job_asked_for_anew_has_the_new_payload_no_attempts_and_a_new_version(
    storage: Storage,
) -> None:
    await storage.add_job("recheck", "-100", {"scope": "held"}, now=10.0)
    first = await the_job(storage)
    await storage.postpone_job(first, attempts=3, available_at=99.0)

    await storage.add_job("recheck", "-100", {"scope": "all"}, now=15.0)

    second = await the_job(storage)
    assert without_version(second) == ("recheck", "-100", {"scope": "all"}, 0, 15.0)
    assert second.version != first.version


async def test_jobs_of_other_kinds_and_keys_are_others(storage: Storage) -> None:
    await storage.add_job("recheck", "-100", {"n": 1}, now=10.0)
    await storage.add_job("recheck", "-200", {"n": 2}, now=11.0)
    await storage.add_job("rights", "-100", {"n": 3}, now=12.0)
    first, second, third = await claim_jobs(storage)
    assert [job.payload for job in (first, second, third)] == [{"n": 1}, {"n": 2}, {"n": 3}]

    assert await storage.finish_job(second) is True
    assert await storage.save_job(third, {"n": 4}) is True
    await storage.postpone_job(first, attempts=1, available_at=40.0)

    left = await claim_jobs(storage, now=40.0, until=50.0)
    assert [(job.kind, job.key, job.payload) for job in left] == [
        ("rights", "-100", {"n": 4}),
        ("recheck", "-100", {"n": 1}),
    ]


async def test_how_far_a_job_has_come_is_there_for_who_claims_it_next(storage: Storage) -> None:
    await storage.add_job("recheck", "-100", {}, now=10.0)
    job = await the_job(storage)

    assert await storage.save_job(job, {"after": 5}) is True
    assert await storage.save_job(job, {"after": 9}) is True

    again = await the_job(storage, "b", now=30.0)
    assert again == msgspec.structs.replace(job, payload={"after": 9})


async def test_a_postponed_job_is_in_nobodys_hands_and_comes_due_later(storage: Storage) -> None:
    await storage.add_job("recheck", "-100", {"n": 1}, now=10.0)
    job = await the_job(storage)

    await storage.postpone_job(job, attempts=2, available_at=25.0)
    await storage.extend_claims(instance="a", until=99.0)

    assert await claim_jobs(storage, "b", now=24.9) == []
    again = await the_job(storage, "b", now=25.0)
    assert again == msgspec.structs.replace(job, attempts=2, available_at=25.0)


async def test_a_finished_job_is_forgotten_and_what_is_late_is_harmless(storage: Storage) -> None:
    await storage.add_job("recheck", "-100", {}, now=10.0)
    job = await the_job(storage)

    assert await storage.finish_job(job) is True
    assert await storage.finish_job(job) is False
    assert await storage.save_job(job, {"n": 1}) is False
    await storage.postpone_job(job, attempts=1, available_at=0.0)

    assert await claim_jobs(storage) == []


async def test_a_job_asked_for_anew_in_the_midst_stays_in_its_hands_until_they_end(
    storage: Storage,
) -> None:
    await storage.add_job("recheck", "-100", {"n": 1}, now=10.0)
    job = await the_job(storage)
    await storage.add_job("recheck", "-100", {"n": 2}, now=21.0)

    assert await claim_jobs(storage, "b", now=22.0) == []
    assert await storage.save_job(job, {"n": 9}) is False
    assert await claim_jobs(storage, "b", now=22.0) == []
    assert await storage.finish_job(job) is False

    again = await the_job(storage, "b", now=22.0)
    assert without_version(again) == ("recheck", "-100", {"n": 2}, 0, 21.0)
    assert await storage.finish_job(again) is True


async def test_a_job_asked_for_anew_and_then_postponed_is_due_at_once(storage: Storage) -> None:
    await storage.add_job("recheck", "-100", {"n": 1}, now=10.0)
    job = await the_job(storage)
    await storage.add_job("recheck", "-100", {"n": 2}, now=21.0)

    await storage.postpone_job(job, attempts=5, available_at=99.0)

    again = await the_job(storage, now=21.0)
    assert without_version(again) == ("recheck", "-100", {"n": 2}, 0, 21.0)


async def test_who_ends_an_outdated_job_late_takes_it_out_of_nobody_elses_hands(
    storage: Storage,
) -> None:
    await storage.add_job("recheck", "-100", {"n": 1}, now=10.0)
    outdated = await the_job(storage, "a", now=10.0)
    await storage.add_job("recheck", "-100", {"n": 2}, now=15.0)
    current = await the_job(storage, "b", now=20.0)

    assert await storage.finish_job(outdated) is False
    await storage.postpone_job(outdated, attempts=1, available_at=0.0)

    assert await claim_jobs(storage, "c", now=29.9) == []
    assert await storage.finish_job(current) is True


async def test_a_late_change_does_not_hit_the_successor_of_a_finished_job(
    storage: Storage,
) -> None:
    await storage.add_job("recheck", "-100", {"n": 1}, now=10.0)
    old = await the_job(storage)
    await storage.finish_job(old)
    await storage.add_job("recheck", "-100", {"n": 2}, now=10.0)

    assert await storage.save_job(old, {"n": 9}) is False
    assert await storage.finish_job(old) is False
    await storage.postpone_job(old, attempts=1, available_at=99.0)

    assert without_version(await the_job(storage)) == ("recheck", "-100", {"n": 2}, 0, 10.0)


async def test_a_heartbeat_extends_the_claims_on_jobs_of_this_instance_alone(
    storage: Storage,
) -> None:
    await storage.add_job("recheck", "-100", {}, now=10.0)
    ours = await the_job(storage, "a")
    await storage.add_job("recheck", "-200", {}, now=10.0)
    theirs = await the_job(storage, "b")
    await storage.store_update(due(1), claimed_by="a", claimed_to=30.0)

    await storage.extend_claims(instance="a", until=50.0)

    assert await claim_jobs(storage, "c", now=49.0, until=99.0) == [theirs]
    assert await claim(storage, "c", now=49.0) == []
    assert await claim_jobs(storage, "c", now=50.0, until=99.0) == [ours]
    assert await claim(storage, "c", now=50.0) == [1]


async def test_instances_that_claim_at_once_never_get_the_same_job(
    open_storage: OpenStorage,
) -> None:
    claimed: list[str] = []

    async def work(storage: Storage, instance: str) -> None:
        while jobs := await claim_jobs(storage, instance, limit=3):
            claimed.extend(job.key for job in jobs)

    keys = [str(number) for number in range(60)]
    async with open_storage("shared") as one, open_storage("shared") as other:
        for key in keys:
            await one.add_job("recheck", key, {}, now=10.0)
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(work, one, f"one {number}")
                nursery.start_soon(work, other, f"other {number}")

    assert sorted(claimed) == sorted(keys)


async def test_a_job_asked_for_by_many_at_once_is_one_job(storage: Storage) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(partial(storage.add_job, "recheck", "-100", {}, now=10.0))

    assert len(await claim_jobs(storage)) == 1
