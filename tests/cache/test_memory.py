import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gmbot.cache.memory import CacheStatistics, MemoryCache, Ttl

EXACT = Ttl(10.0, jitter=0.0)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache_of(clock: Clock) -> Callable[[int], MemoryCache[int, str]]:
    def make(capacity: int) -> MemoryCache[int, str]:
        return MemoryCache(capacity=capacity, random=random.Random(1), clock=clock)

    return make


CacheOf = Callable[[int], MemoryCache[int, str]]


def test_what_was_put_is_known_until_its_time_ends(cache_of: CacheOf, clock: Clock) -> None:
    cache = cache_of(4)
    cache.put(1, "in", EXACT)

    clock.now += 9.999
    assert cache.get(1) == "in"
    clock.now += 0.001
    assert cache.get(1) is None


def test_a_later_put_replaces_value_and_time(cache_of: CacheOf, clock: Clock) -> None:
    cache = cache_of(4)
    cache.put(1, "in", EXACT)
    cache.put(1, "out", Ttl(2.0, jitter=0.0))

    assert cache.get(1) == "out"
    clock.now += 2
    assert cache.get(1) is None


def test_what_was_dropped_is_unknown_and_dropping_the_unknown_is_harmless(
    cache_of: CacheOf,
) -> None:
    cache = cache_of(4)
    cache.put(1, "in", EXACT)

    cache.drop(1)
    cache.drop(2)

    assert cache.get(1) is None


def test_all_keys_that_match_are_dropped_and_no_others(cache_of: CacheOf) -> None:
    cache = cache_of(8)
    for key in range(6):
        cache.put(key, "in", EXACT)

    cache.drop_all(lambda key: key % 2 == 0)
    cache.drop_all(lambda key: key > 99)

    assert [key for key in range(6) if cache.get(key)] == [1, 3, 5]
    assert cache.statistics().size == 3


def test_at_capacity_the_expired_go_first_even_when_they_are_used_and_young(
    cache_of: CacheOf, clock: Clock
) -> None:
    cache = cache_of(3)
    cache.put(1, "a", EXACT)
    cache.put(2, "b", EXACT)
    cache.put(3, "c", Ttl(1.0, jitter=0.0))
    cache.get(3)
    clock.now += 2

    cache.put(4, "d", EXACT)

    assert [cache.get(key) for key in (1, 2, 3, 4)] == ["a", "b", None, "d"]
    assert cache.statistics().evictions == 0


def test_at_capacity_the_unused_go_before_the_used(cache_of: CacheOf) -> None:
    cache = cache_of(3)
    for key in (1, 2, 3):
        cache.put(key, "x", EXACT)
    cache.get(1)

    cache.put(4, "x", EXACT)
    cache.put(5, "x", EXACT)

    assert [cache.get(key) for key in (1, 2, 3, 4, 5)] == ["x", None, None, "x", "x"]
    assert cache.statistics().evictions == 2


def test_where_all_are_used_the_oldest_goes(cache_of: CacheOf) -> None:
    cache = cache_of(2)
    cache.put(1, "x", EXACT)
    cache.put(2, "x", EXACT)
    cache.get(1)
    cache.get(2)

    cache.put(3, "x", EXACT)

    assert [cache.get(key) for key in (1, 2, 3)] == [None, "x", "x"]


def test_a_replaced_entry_counts_as_new_when_room_is_needed(cache_of: CacheOf) -> None:
    cache = cache_of(2)
    cache.put(1, "x", EXACT)
    cache.put(2, "x", EXACT)
    cache.put(1, "y", EXACT)

    cache.put(3, "x", EXACT)

    assert [cache.get(key) for key in (1, 2, 3)] == ["y", None, "x"]


def test_a_thousand_times_as_many_keys_leave_no_more_than_the_capacity_behind(
    cache_of: CacheOf,
) -> None:
    cache = cache_of(50)

    for key in range(50_000):
        cache.put(key, "x", EXACT)
        cache.get(key - 25)

    assert cache.statistics().size == 50
    assert sum(map(len, cache._slots.values())) == 50


def test_one_key_put_again_and_again_leaves_nothing_behind(cache_of: CacheOf) -> None:
    cache = cache_of(10)

    for _ in range(1000):
        cache.put(1, "x", EXACT)
        cache.drop(1)

    assert cache.statistics().size == 0
    assert not any(cache._slots.values())


def test_time_that_passes_leaves_nothing_behind(cache_of: CacheOf, clock: Clock) -> None:
    cache = cache_of(10)

    for key in range(10_000):
        cache.put(key % 5, "x", EXACT)
        clock.now += 1

    assert len(cache._slots) == len(cache._next_slots) == 10 + 1


def test_statistics_count_hits_and_misses(cache_of: CacheOf) -> None:
    cache = cache_of(2)
    cache.put(1, "x", EXACT)

    cache.get(1)
    cache.get(1)
    cache.get(2)

    assert cache.statistics() == CacheStatistics(hits=2, misses=1, evictions=0, size=1, flights=0)


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_cache_without_room_is_refused(capacity: int, cache_of: CacheOf) -> None:
    with pytest.raises(ValueError, match="capacity"):
        cache_of(capacity)


@given(seed=st.integers(), seconds=st.floats(0.001, 1e6))
def test_time_to_live_stays_within_fifteen_percent(seed: int, seconds: float) -> None:
    clock = Clock()
    clock.now = 0.0
    cache: MemoryCache[int, str] = MemoryCache(capacity=64, random=random.Random(seed), clock=clock)
    for key in range(64):
        cache.put(key, "x", Ttl(seconds))

    clock.now = seconds * 0.8499
    assert all(cache.get(key) == "x" for key in range(64))
    clock.now = seconds
    assert 0 < sum(cache.get(key) is not None for key in range(64)) < 64
    clock.now = seconds * 1.1501
    assert all(cache.get(key) is None for key in range(64))


class CacheAgainstModel(RuleBasedStateMachine):
    """The model remembers what was put last and until when; the cache may know less, never more."""

    keys = st.integers(0, 7)

    @initialize(capacity=st.integers(1, 6))
    def begin(self, capacity: int) -> None:
        self.clock = Clock()
        self.capacity = capacity
        self.cache: MemoryCache[int, int] = MemoryCache(
            capacity=capacity, random=random.Random(1), clock=self.clock
        )
        self.model: dict[int, tuple[int, float]] = {}
        self.value = 0

    @rule(key=keys, seconds=st.sampled_from([1.0, 5.0, 60.0]))
    def put(self, key: int, seconds: float) -> None:
        live = sum(ends > self.clock.now - 1 for _, ends in self.model.values())
        evictions = self.cache.statistics().evictions
        self.value += 1
        self.cache.put(key, self.value, Ttl(seconds, jitter=0.0))
        if live < self.capacity:
            assert self.cache.statistics().evictions == evictions
        self.model[key] = (self.value, self.clock.now + seconds)
        assert self.cache.get(key) == self.value

    @rule(key=keys)
    def drop(self, key: int) -> None:
        self.cache.drop(key)
        self.model.pop(key, None)

    @rule(seconds=st.floats(0.0, 20.0))
    def let_time_pass(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(key=keys)
    def get(self, key: int) -> None:
        known = self.cache.get(key)
        if known is not None:
            value, ends = self.model[key]
            assert known == value
            assert self.clock.now < ends

    @invariant()
    def is_bounded(self) -> None:
        assert self.cache.statistics().size <= self.capacity
        assert set().union(*self.cache._slots.values()) == self.cache._entries.keys()


TestCacheAgainstModel = CacheAgainstModel.TestCase
