"""Policies: memory says what the storage says, whoever changes it and when."""

from collections.abc import Callable
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from gmbot.guard.params import Params
from gmbot.guard.policies import Policies
from gmbot.storage.records import Channel, Group, Owner, ProtectionRequest
from tests.guard.town import InlineStorage

ANNA = Owner(5, "anna")
NEWS = Channel(-10, "News", "news", None)
MORE = Channel(-11, "More", None, "https://t.me/+more")


def group(group_id: int = -1) -> Group:
    return Group(group_id, ANNA.user_id, f"Group {group_id}")


@pytest.fixture
def storage() -> InlineStorage:
    return InlineStorage(lambda: 1.0, [])


@pytest.fixture
def policies(storage: InlineStorage) -> Policies:
    return Policies(storage)


def state(policies: Policies) -> Any:
    """All that memory says, as it can be compared."""
    return (
        {group_id: policies.get(group_id) for group_id in sorted(policies.group_ids)},
        policies.active,
        {
            channel_id: (
                policies.channel(channel_id),
                policies.groups_of(channel_id),
                policies.is_required(channel_id),
            )
            for channel_id in range(-15, -9)
        },
    )


async def reloaded(storage: InlineStorage) -> Any:
    fresh = Policies(storage)
    await fresh.load()
    return state(fresh)


async def test_a_protected_group_is_known_with_all_it_wants(policies: Policies) -> None:
    policy = await policies.protect(ANNA, group(), [NEWS, MORE])

    assert policies.get(-1) is policy
    assert policy.title == "Group -1"
    assert policy.channels == (NEWS, MORE)
    assert policy.channel_ids == {-10, -11}
    assert (policy.owner_id, policy.params) == (5, Params())
    assert policies.groups_of(-10) == {-1}
    assert policies.channel(-11) == MORE
    assert (policies.active, policies.group_ids) == (1, (-1,))


async def test_what_is_unlinked_is_required_no_more(policies: Policies) -> None:
    await policies.protect(ANNA, group(), [NEWS, MORE])
    left = await policies.unprotect(-1, [NEWS.channel_id])

    assert left is not None
    assert left.channels == (MORE,)
    assert policies.get(-1) is left
    assert not policies.is_required(-10)
    assert policies.groups_of(-10) == frozenset()


async def test_a_group_without_channels_stays_known_with_what_it_has_set(
    policies: Policies,
) -> None:
    await policies.protect(ANNA, group(), [NEWS])
    await policies.set_params(-1, Params(notice_seconds=90))

    assert await policies.unprotect(-1, [-10]) is None
    assert policies.get(-1) is None
    known = await policies.known(-1)
    assert known is not None
    assert known.channels == ()
    again = await policies.protect(ANNA, group(), [MORE])
    assert again.params.notice_seconds == 90


async def test_a_disabled_group_is_not_guarded_until_it_is_enabled(policies: Policies) -> None:
    await policies.protect(ANNA, group(), [NEWS])

    assert await policies.set_enabled(-1, enabled=False) is None
    assert policies.get(-1) is None
    assert not policies.is_required(-10)
    assert await policies.set_enabled(-1, enabled=True) is not None
    assert policies.is_required(-10)


async def test_protecting_enables_a_disabled_group(policies: Policies) -> None:
    await policies.protect(ANNA, group(), [NEWS])
    await policies.set_enabled(-1, enabled=False)
    policy = await policies.protect(ANNA, group(), [NEWS])

    assert policies.get(-1) is policy


async def test_what_a_group_has_set_is_at_hand_at_once(
    policies: Policies, storage: InlineStorage
) -> None:
    await policies.protect(ANNA, group(), [NEWS])
    policy = await policies.set_params(-1, Params(warnings=3))

    assert policy is not None
    assert policy.params.warnings == 3
    assert state(policies) == await reloaded(storage)


@pytest.mark.parametrize("group_id", [-1, -2])
async def test_an_unknown_group_stays_unknown(policies: Policies, group_id: int) -> None:
    assert await policies.unprotect(group_id, [-10]) is None
    assert await policies.set_enabled(group_id, enabled=True) is None
    assert await policies.set_params(group_id, Params(warnings=1)) is None
    assert await policies.known(group_id) is None


async def test_a_hidden_channel_is_asked_of_nobody_in_any_group(policies: Policies) -> None:
    await policies.protect(ANNA, group(-1), [NEWS, MORE])
    await policies.protect(ANNA, group(-2), [NEWS])

    assert await policies.hide(-10, hidden=True)
    assert not await policies.hide(-10, hidden=True)
    for group_id, ids in ((-1, {-11}), (-2, set[int]())):
        policy = policies.get(group_id)
        assert policy is not None
        assert policy.channel_ids == ids
        assert policy.channels[0].hidden
    assert policies.is_required(-10)
    assert await policies.hide(-10, hidden=False)
    policy = policies.get(-2)
    assert policy is not None
    assert policy.channel_ids == {-10}


async def test_a_hidden_channel_that_one_group_names_again_is_renamed_and_stays_hidden(
    policies: Policies,
) -> None:
    await policies.protect(ANNA, group(-1), [NEWS])
    await policies.hide(-10, hidden=True)
    await policies.protect(ANNA, group(-2), [Channel(-10, "Newer", "newer", None)])

    for group_id in (-1, -2):
        policy = policies.get(group_id)
        assert policy is not None
        assert policy.channel_ids == set()
        assert policy.channels == (Channel(-10, "Newer", "newer", None, hidden=True),)


async def test_a_channel_that_no_group_wants_is_still_known(policies: Policies) -> None:
    await policies.protect(ANNA, group(), [NEWS])
    await policies.unprotect(-1, [-10])

    assert policies.channel(-10) is None
    assert await policies.known_channel(-10) == NEWS
    assert await policies.known_channel(-11) is None


async def test_a_channel_without_a_group_can_be_hidden(policies: Policies) -> None:
    await policies.protect(ANNA, group(), [NEWS])
    await policies.unprotect(-1, [-10])

    assert await policies.hide(-10, hidden=True)
    assert not policies.is_required(-10)


async def test_a_new_name_is_written_once_and_told_in_all_groups(
    policies: Policies, storage: InlineStorage
) -> None:
    await policies.protect(ANNA, group(-1), [MORE, NEWS])
    await policies.protect(ANNA, group(-2), [NEWS])
    for _ in range(3):
        await policies.rename(-10, "Renamed", None)
    await policies.rename(-99, "Nobody's", "nobody")

    assert storage.timeline.count("rename_channel") == 1
    policy = policies.get(-2)
    assert policy is not None
    assert policy.channels == (Channel(-10, "Renamed", None, None),)
    assert policies.channel(-10) == policy.channels[0]
    assert state(policies) == await reloaded(storage)


async def test_a_group_follows_to_its_new_id(policies: Policies, storage: InlineStorage) -> None:
    await policies.protect(ANNA, group(-1), [NEWS])
    for _ in range(2):
        await policies.migrate(-1, -100)

    assert policies.get(-1) is None
    policy = policies.get(-100)
    assert policy is not None
    assert policy.channels == (NEWS,)
    assert policies.groups_of(-10) == {-100}
    assert state(policies) == await reloaded(storage)


async def test_a_request_is_remembered_until_it_is_fulfilled_or_forgotten(
    policies: Policies,
) -> None:
    request = ProtectionRequest(-1, ANNA, (-10,))
    await policies.remember(request)
    assert await policies.remembered(-1) == request

    await policies.protect(ANNA, group(), [NEWS])
    assert await policies.remembered(-1) is None
    await policies.remember(request)
    await policies.forget(-1)
    assert await policies.remembered(-1) is None


async def test_a_written_group_that_cannot_be_read_is_no_success(
    policies: Policies, storage: InlineStorage
) -> None:
    async def drop() -> None:
        storage.db.execute("DELETE FROM group_channel_links")

    storage.after["protect"] = drop

    with pytest.raises(RuntimeError, match="just written"):
        await policies.protect(ANNA, group(), [NEWS])
    assert policies.get(-1) is None


CHANGES: list[Callable[[Policies, int], Any]] = [
    lambda policies, _n: policies.protect(ANNA, group(-1), [MORE]),
    lambda policies, _n: policies.unprotect(-1, [-10]),
    lambda policies, n: policies.set_enabled(-1, enabled=n == 0),
    lambda policies, n: policies.set_params(-1, Params(warnings=n)),
    lambda policies, n: policies.hide(-10, hidden=n == 0),
    lambda policies, n: policies.rename(-10, f"Name {n}", None),
    lambda policies, _n: policies.migrate(-1, -100),
]


@pytest.mark.parametrize("first", range(len(CHANGES)))
@pytest.mark.parametrize("second", range(len(CHANGES)))
async def test_memory_follows_the_storage_when_two_change_at_once(
    autojump_clock: MockClock, first: int, second: int
) -> None:
    storage = InlineStorage(lambda: 1.0, [])
    policies = Policies(storage)
    await policies.protect(ANNA, group(-1), [NEWS])
    await policies.protect(ANNA, group(-2), [NEWS, MORE])

    async def dawdle() -> None:
        await trio.sleep(2)

    async def change(number: int, which: int) -> None:
        await trio.sleep(number)
        await CHANGES[which](policies, number)

    storage.after["protected_group"] = dawdle  # what was read then is old when it is held
    async with trio.open_nursery() as nursery:
        nursery.start_soon(change, 0, first)
        nursery.start_soon(change, 1, second)

    assert state(policies) == await reloaded(storage)


CHANNELS = st.integers(-13, -10).map(lambda n: Channel(n, f"Channel {n}", None, None))
GROUPS = st.integers(-3, -1)
STEPS = st.one_of(
    st.tuples(st.just("protect"), GROUPS, st.lists(CHANNELS, min_size=1, max_size=3)),
    st.tuples(st.just("unprotect"), GROUPS, st.lists(st.integers(-13, -10), max_size=3)),
    st.tuples(st.just("enable"), GROUPS, st.booleans()),
    st.tuples(st.just("hide"), st.integers(-13, -10), st.booleans()),
    st.tuples(st.just("rename"), st.integers(-13, -10), st.sampled_from(["a", "b"])),
    st.tuples(st.just("migrate"), GROUPS, GROUPS),
)


async def take(policies: Policies, step: tuple[str, int, Any]) -> None:
    match step:
        case "protect", group_id, channels:
            await policies.protect(ANNA, group(group_id), channels)
        case "unprotect", group_id, channel_ids:
            await policies.unprotect(group_id, channel_ids)
        case "enable", group_id, enabled:
            await policies.set_enabled(group_id, enabled=enabled)
        case "hide", channel_id, hidden:
            await policies.hide(channel_id, hidden=hidden)
        case "rename", channel_id, title:
            await policies.rename(channel_id, title, None)
        case "migrate", old_id, new_id if old_id != new_id:
            await policies.migrate(old_id, new_id)


@given(st.lists(STEPS, max_size=25))
@settings(max_examples=60, deadline=None)
def test_memory_is_what_a_restart_would_read(steps: list[tuple[str, int, Any]]) -> None:
    async def main() -> None:
        storage = InlineStorage(lambda: 1.0, [])
        policies = Policies(storage)
        for step in steps:
            await take(policies, step)

            assert state(policies) == await reloaded(storage)

    trio.run(main)


class Heard:
    """What policies tell: of groups that want something else, and of channels to be watched."""

    def __init__(self, storage: InlineStorage) -> None:
        self.changed: list[int] = []
        self.watched: list[int] = []
        self.policies = Policies(
            storage, on_change=self.changed.append, on_watch=self.watched.append
        )


async def test_each_change_of_what_a_group_wants_is_told_once_and_when_it_is_in_force(
    storage: InlineStorage,
) -> None:
    heard = Heard(storage)
    policies = heard.policies
    for _ in range(2):
        await policies.protect(ANNA, group(-1), [NEWS])
    assert heard.changed == [-1]
    for _ in range(2):
        await policies.set_params(-1, Params(warnings=2))
    assert heard.changed == [-1] * 2
    for _ in range(2):
        await policies.set_enabled(-1, enabled=False)
    assert heard.changed == [-1] * 3
    await policies.set_enabled(-1, enabled=True)
    for _ in range(2):
        await policies.unprotect(-1, [-10])

    assert heard.changed == [-1] * 5


async def test_what_becomes_of_a_channel_is_told_of_each_group_that_wants_it(
    storage: InlineStorage,
) -> None:
    heard = Heard(storage)
    policies = heard.policies
    await policies.protect(ANNA, group(-1), [NEWS])
    await policies.protect(ANNA, group(-2), [NEWS, MORE])
    await policies.protect(ANNA, group(-3), [MORE])
    heard.changed.clear()
    for _ in range(2):
        await policies.hide(-10, hidden=True)
    assert sorted(heard.changed) == [-2, -1]
    for _ in range(2):
        await policies.rename(-10, "Renamed", None)
    assert sorted(heard.changed) == [-2, -2, -1, -1]
    await policies.protect(ANNA, group(-3), [Channel(-10, "Renamed anew", None, None)])

    assert sorted(heard.changed) == [-3, -2, -2, -2, -1, -1, -1]


async def test_a_new_id_is_no_change(storage: InlineStorage) -> None:
    heard = Heard(storage)
    await heard.policies.protect(ANNA, group(-1), [NEWS])
    await heard.policies.migrate(-1, -100)

    assert heard.changed == [-1]


async def test_a_channel_is_watched_from_when_it_is_wanted_and_seen(
    storage: InlineStorage,
) -> None:
    heard = Heard(storage)
    policies = heard.policies
    await policies.protect(ANNA, group(-1), [NEWS])
    await policies.protect(ANNA, group(-1), [NEWS, MORE])
    await policies.protect(ANNA, group(-2), [NEWS])
    await policies.set_params(-1, Params(warnings=2))
    await policies.rename(-10, "Renamed", None)
    assert heard.watched == [-10, -11]
    await policies.hide(-10, hidden=True)
    await policies.protect(ANNA, group(-3), [NEWS])
    assert heard.watched == [-10, -11]
    await policies.hide(-10, hidden=False)
    assert heard.watched == [-10, -11, -10]
    await policies.unprotect(-1, [-11])
    await policies.protect(ANNA, group(-2), [MORE])
    assert heard.watched == [-10, -11, -10, -11]
    for group_id in (-1, -2, -3):
        await policies.set_enabled(group_id, enabled=False)
    await policies.set_enabled(-1, enabled=True)

    assert heard.watched == [-10, -11, -10, -11, -10]
