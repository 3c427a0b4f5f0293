"""Rows changed by compare-and-set, and pending updates, against a model of plain dicts."""

import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from itertools import count

import msgspec
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmbot.storage.protocol import Storage
from gmbot.storage.records import (
    Notice,
    NoticeState,
    PendingUpdate,
    Restriction,
    RestrictionState,
)

OpenStorage = Callable[[str], AbstractAsyncContextManager[Storage]]

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
        self.notices: dict[int, Notice] = {}
        self.seen_notices: list[Notice] = []
        self.updates: dict[int, tuple[PendingUpdate, str, float]] = {}

    async def want(self) -> None:
        key = (self.chance.randint(1, 2), self.chance.randint(1, 2))
        wanted = Restriction(*key, "Ann", RestrictionState.WANTED, 0, None, None)
        stands, is_new = await self.storage.want_restriction(wanted)
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

    async def save_new_notice(self) -> None:
        notice = Notice(
            self.chance.randint(1, 2), None, ((5, "Ann"),), NoticeState.SENDING, 0, self.now
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
            *[self.want, self.advance, self.advance, self.drop],
            *[self.save_new_notice, self.change_notice, self.drop_notice],
            *[self.store, self.store, self.claim, self.claim, self.extend],
            *[self.postpone, self.finish, self.let_time_pass],
        ]
        for _ in range(steps):
            await self.chance.choice(moves)()
        by_version = sorted(await self.storage.restrictions(), key=lambda row: row.version)
        assert by_version == sorted(self.restrictions.values(), key=lambda row: row.version)
        assert {row.group_id: row for row in await self.storage.notices()} == self.notices


@_settings
@given(seed=st.integers(0), steps=st.integers(10, 120))
def test_any_history_of_changes_ends_as_in_a_model(
    open_storage: OpenStorage, seed: int, steps: int
) -> None:
    async def play() -> None:
        with trio.fail_after(30):
            async with open_storage(f"model {next(_names)}") as storage:
                await Player(storage, random.Random(seed)).play(steps)

    trio.run(play)
