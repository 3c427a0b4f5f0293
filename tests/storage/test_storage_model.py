"""Rows changed by compare-and-set, pending updates and jobs, against models of plain dicts."""

import random
from dataclasses import dataclass
from itertools import count
from typing import Any

import msgspec
import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmbot.storage.protocol import Storage
from gmbot.storage.records import (
    Job,
    Named,
    Notice,
    NoticeState,
    PendingUpdate,
    Restriction,
    RestrictionState,
)
from tests.storage.samples import OpenStorage

_settings = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # names are unique below
)
_names = count()


class Player:
    """Plays one random history on a storage and on the model, and compares after each step."""

    def __init__(self, storage: Storage, chance: random.Random) -> None:
        self.storage = storage
        self.chance = chance
        self.now = 0.0
        self.restrictions: dict[tuple[int, int], Restriction] = {}
        self.seen_restrictions: list[Restriction] = []  # some of them out of date
        self.pardons: dict[tuple[int, int], float] = {}
        self.notices: dict[int, Notice] = {}
        self.seen_notices: list[Notice] = []
        self.updates: dict[int, tuple[PendingUpdate, str, float]] = {}

    async def want(self) -> None:
        key = (self.chance.randint(1, 2), self.chance.randint(1, 2))
        wanted = Restriction(*key, "Ann", RestrictionState.WANTED, 0, None, None)
        found = await self.storage.want_restriction(wanted)
        assert (found is None) == (key in self.pardons)
        if found is None:
            return
        stands, is_new = found
        assert is_new == (key not in self.restrictions)
        if is_new:
            self.seen_restrictions.append(stands)
            self.restrictions[key] = stands
        assert stands == self.restrictions[key]

    async def advance(self) -> None:
        if not self.seen_restrictions:
            return
        current = self.chance.choice(self.seen_restrictions)
        key = (current.group_id, current.user_id)
        state = self.chance.choice(list(RestrictionState))
        advanced = await self.storage.advance_restriction(current, state)
        assert (advanced is not None) == (self.restrictions.get(key) == current)
        if advanced is not None:
            assert advanced.state is state
            self.restrictions[key] = advanced
            self.seen_restrictions.append(advanced)

    async def drop(self) -> None:
        if not self.seen_restrictions:
            return
        current = self.chance.choice(self.seen_restrictions)
        key = (current.group_id, current.user_id)
        dropped = await self.storage.drop_restriction(current)
        assert dropped == (self.restrictions.get(key) == current)
        if dropped:
            del self.restrictions[key]

    async def pardon(self) -> None:
        key = (self.chance.randint(1, 2), self.chance.randint(1, 2))
        given_at = self.now - self.chance.choice([0, 3])
        await self.storage.pardon(*key, given_at=given_at)
        self.restrictions.pop(key, None)
        self.pardons[key] = max(given_at, self.pardons.get(key, given_at))

    async def end_pardons(self) -> None:
        user_id = self.chance.randint(1, 2)
        group_ids = self.chance.sample([1, 2], self.chance.randint(0, 2))
        before = self.now - self.chance.choice([-1, 0, 2])
        await self.storage.end_pardons(user_id, group_ids, before=before)
        for group_id in group_ids:
            if self.pardons.get((group_id, user_id), before) < before:
                del self.pardons[group_id, user_id]

    async def save_new_notice(self) -> None:
        notice = Notice(
            self.chance.randint(1, 2), None, (Named(5, "Ann"),), NoticeState.SENDING, 0, self.now
        )
        await self._save(notice, expected=notice.group_id not in self.notices)

    async def change_notice(self) -> None:
        if not self.seen_notices:
            return
        old = self.chance.choice(self.seen_notices)
        changed = msgspec.structs.replace(
            old, message_id=self.chance.randint(1, 99), state=NoticeState.LIVE
        )
        stands = self.notices.get(old.group_id)
        await self._save(changed, expected=stands is not None and stands.version == old.version)

    async def _save(self, notice: Notice, *, expected: bool) -> None:
        saved = await self.storage.save_notice(notice)
        assert (saved is not None) == expected
        if saved is not None:
            assert saved == msgspec.structs.replace(notice, version=saved.version)
            self.notices[notice.group_id] = saved
            self.seen_notices.append(saved)

    async def drop_notice(self) -> None:
        if not self.seen_notices:
            return
        notice = self.chance.choice(self.seen_notices)
        dropped = await self.storage.drop_notice(notice)
        assert dropped == (self.notices.get(notice.group_id) == notice)
        if dropped:
            del self.notices[notice.group_id]

    async def store(self) -> None:
        update = PendingUpdate(
            self.chance.randint(1, 8), b"{}", 0, self.now + self.chance.choice([0, 5])
        )
        instance = self.chance.choice("ab")
        await self.storage.store_update(update, claimed_by=instance, claimed_to=self.now + 3)
        self.updates.setdefault(update.update_id, (update, instance, self.now + 3))

    async def claim(self) -> None:
        instance = self.chance.choice("ab")
        limit = self.chance.randint(1, 3)
        due = sorted(
            (
                update
                for update, _, claimed_to in self.updates.values()
                if update.available_at <= self.now and claimed_to <= self.now
            ),
            key=lambda update: (update.available_at, update.update_id),
        )[:limit]
        claimed = await self.storage.claim_updates(
            instance=instance, now=self.now, until=self.now + 3, limit=limit
        )
        assert claimed == due
        for update in claimed:
            self.updates[update.update_id] = (update, instance, self.now + 3)

    async def extend(self) -> None:
        instance = self.chance.choice("ab")
        await self.storage.extend_claims(instance=instance, until=self.now + 4)
        for update_id, (update, by, _) in self.updates.items():
            if by == instance:
                self.updates[update_id] = (update, by, self.now + 4)

    async def postpone(self) -> None:
        update_id, attempts = self.chance.randint(1, 8), self.chance.randint(0, 3)
        available_at = self.now + self.chance.randint(0, 4)
        await self.storage.postpone_update(update_id, attempts=attempts, available_at=available_at)
        if update_id in self.updates:
            update = PendingUpdate(update_id, b"{}", attempts, available_at)
            self.updates[update_id] = (update, "", 0.0)

    async def finish(self) -> None:
        update_id = self.chance.randint(1, 8)
        await self.storage.finish_update(update_id)
        self.updates.pop(update_id, None)

    async def let_time_pass(self) -> None:
        self.now += self.chance.choice([1.0, 3.0])

    async def play(self, steps: int) -> None:
        moves = [
            *[self.want, self.want, self.advance, self.advance, self.drop],
            *[self.pardon, self.end_pardons],
            *[self.save_new_notice, self.change_notice, self.drop_notice],
            *[self.store, self.store, self.claim, self.claim, self.extend],
            *[self.postpone, self.finish, self.let_time_pass],
        ]
        for _ in range(steps):
            await self.chance.choice(moves)()
        by_version = sorted(await self.storage.restrictions(), key=lambda row: row.version)
        assert by_version == sorted(self.restrictions.values(), key=lambda row: row.version)
        assert {row.group_id: row for row in await self.storage.notices()} == self.notices
        for key in [(1, 1), (1, 2), (2, 1), (2, 2)]:
            assert await self.storage.is_pardoned(*key) == (key in self.pardons)


@dataclass
class Asked:
    """A job in the model: `times` is how often its key was asked for, which stands for versions."""

    times: int
    payload: dict[str, Any]
    available_at: float
    attempts: int = 0
    claimed_by: str = ""
    claimed_to: float = 0.0
    claimed_times: int = 0

    def give_back(self) -> None:
        self.claimed_by, self.claimed_to = "", 0.0


class JobPlayer:
    """Plays one random history of jobs, by instances that are slow, fail and come back late."""

    def __init__(self, storage: Storage, chance: random.Random) -> None:
        self.storage = storage
        self.chance = chance
        self.now = 0.0
        self.jobs: dict[str, Asked] = {}
        self.times = count(1)
        self.claimed: list[tuple[Job, int]] = []  # some of them out of date
        self.versions: dict[tuple[str, int], int] = {}

    async def add(self) -> None:
        key = self.chance.choice("xyz")
        payload = {"n": self.chance.randint(1, 99)}
        await self.storage.add_job("recheck", key, payload, now=self.now)
        asked = Asked(next(self.times), payload, self.now)
        if (before := self.jobs.get(key)) is not None:
            asked.claimed_by, asked.claimed_to = before.claimed_by, before.claimed_to
            asked.claimed_times = before.claimed_times
        self.jobs[key] = asked

    async def claim(self) -> None:
        instance, limit = self.chance.choice("ab"), self.chance.randint(1, 2)
        due = sorted(
            (asked.available_at, key)
            for key, asked in self.jobs.items()
            if asked.available_at <= self.now and asked.claimed_to <= self.now
        )[:limit]
        got = await self.storage.claim_jobs(
            instance=instance, now=self.now, until=self.now + 3, limit=limit
        )
        assert [(job.available_at, job.key) for job in got] == due
        for job in got:
            asked = self.jobs[job.key]
            assert (job.payload, job.attempts) == (asked.payload, asked.attempts)
            # One version each time that it is asked for, and none of them twice.
            known = self.versions.setdefault((job.key, job.version), asked.times)
            assert known == asked.times
            asked.claimed_by, asked.claimed_to = instance, self.now + 3
            asked.claimed_times = asked.times
            self.claimed.append((job, asked.times))

    async def extend(self) -> None:
        instance = self.chance.choice("ab")
        await self.storage.extend_claims(instance=instance, until=self.now + 4)
        for asked in self.jobs.values():
            if asked.claimed_by == instance:
                asked.claimed_to = self.now + 4

    async def save(self) -> None:
        if self.claimed:
            job, times = self.chance.choice(self.claimed)
            payload = {"n": self.chance.randint(1, 99)}
            asked = self._current(job, times)
            assert await self.storage.save_job(job, payload) == (asked is not None)
            if asked is not None:
                asked.payload = payload

    async def postpone(self) -> None:
        if self.claimed:
            job, times = self.chance.choice(self.claimed)
            attempts, available_at = self.chance.randint(0, 3), self.now + self.chance.randint(0, 4)
            await self.storage.postpone_job(job, attempts=attempts, available_at=available_at)
            if (asked := self._current(job, times)) is not None:
                asked.attempts, asked.available_at = attempts, available_at
                asked.give_back()
            else:
                self._give_back(job, times)

    async def finish(self) -> None:
        if self.claimed:
            job, times = self.chance.choice(self.claimed)
            is_current = self._current(job, times) is not None
            assert await self.storage.finish_job(job) == is_current
            if is_current:
                del self.jobs[job.key]
            else:
                self._give_back(job, times)

    def _current(self, job: Job, times: int) -> Asked | None:
        asked = self.jobs.get(job.key)
        return asked if asked is not None and asked.times == times else None

    def _give_back(self, job: Job, times: int) -> None:
        asked = self.jobs.get(job.key)
        if asked is not None and asked.claimed_times == times:
            asked.give_back()

    async def let_time_pass(self) -> None:
        self.now += self.chance.choice([1.0, 3.0])

    async def play(self, steps: int) -> None:
        moves = [
            *[self.add, self.add, self.claim, self.claim, self.extend],
            *[self.save, self.postpone, self.finish, self.let_time_pass],
        ]
        for _ in range(steps):
            await self.chance.choice(moves)()
        self.now += 100.0  # whatever is left comes due
        while self.jobs:
            await self.claim()
            for key in [key for key, asked in self.jobs.items() if asked.claimed_to > self.now]:
                del self.jobs[key]


@pytest.mark.parametrize("player", [Player, JobPlayer])
@_settings
@given(seed=st.integers(0), steps=st.integers(10, 120))
def test_any_history_of_changes_ends_as_in_a_model(
    open_storage: OpenStorage, player: type[Player | JobPlayer], seed: int, steps: int
) -> None:
    async def play() -> None:
        with trio.fail_after(30):
            async with open_storage(f"model {next(_names)}") as storage:
                await player(storage, random.Random(seed)).play(steps)

    trio.run(play)
