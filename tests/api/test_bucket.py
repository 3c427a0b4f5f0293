from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmbot.api.bucket import FLOOR, RECOVERY, AdaptingBucket, Bucket, Rate, at_most

# Pauses of all scales; long ones fill a bucket, so that a burst without a cap would show.
GAPS = st.one_of(
    st.just(0.0), st.floats(0, 0.2), st.floats(0, 5), st.sampled_from([1.0, 60.0, 3600.0, 1e6])
)
LIMITS = st.one_of(st.integers(1, 120).map(float), st.integers(100, 12_000).map(lambda n: n / 100))
STARTS = st.sampled_from([0.0, 17.3, 1e6 / 3, 1e9])


def busiest(times: Sequence[float], window: float) -> int:
    """Count the most that fall into one closed window, in exact arithmetic."""
    exact = [Fraction(time) for time in times]
    most, first = 0, 0
    for last, time in enumerate(exact):
        while time - exact[first] > Fraction(window):
            first += 1
        most = max(most, last - first + 1)
    return most


def spend_greedily(bucket: Bucket, start: float, gaps: Sequence[tuple[float, int]]) -> list[float]:
    """After each pause take as many as wanted, each as soon as it is there."""
    times, now = [], start
    for gap, wanted in gaps:
        now += gap
        for _ in range(wanted):
            now = max(now, bucket.ready_at)
            bucket.spend(now)
            times.append(now)
    return times


@pytest.mark.parametrize(
    ("limit", "window", "parts", "rate"),
    [
        pytest.param(25, 1, 5, Rate(5, 20), id="messages overall"),
        pytest.param(20, 60, 4, Rate(5, 15 / 60), id="messages in a group"),
        pytest.param(100, 1, 10, Rate(10, 90), id="other calls"),
        pytest.param(2, 1, 5, Rate(1, 1), id="two"),
        pytest.param(1, 1, 5, Rate(1, 0.5), id="one must not stand still"),
    ],
)
def test_a_limit_is_shared_between_burst_and_refill(
    limit: float, window: float, parts: int, rate: Rate
) -> None:
    assert at_most(limit, window, parts) == rate


@settings(deadline=None)
@given(
    limit=LIMITS,
    window=st.sampled_from([1.0, 60.0]),
    parts=st.sampled_from([4, 5, 10]),
    start=STARTS,
    gaps=st.lists(st.tuples(GAPS, st.integers(0, 60)), max_size=12),
)
def test_never_more_than_the_limit_in_any_window(
    limit: float, window: float, parts: int, start: float, gaps: list[tuple[float, int]]
) -> None:
    bucket = Bucket(at_most(limit, window, parts), start)

    times = spend_greedily(bucket, start, [*gaps, (1e6, 200), (window, 200)])

    assert busiest(times, window) <= limit


@settings(deadline=None)
@given(
    burst=st.integers(1, 20),
    refill=st.floats(0.05, 100),
    gaps=st.lists(st.tuples(GAPS, st.integers(0, 30)), max_size=10),
)
def test_a_window_holds_at_most_the_burst_and_what_is_refilled_in_it(
    burst: int, refill: float, gaps: list[tuple[float, int]]
) -> None:
    bucket = Bucket(Rate(burst, refill), 0.0)

    times = spend_greedily(bucket, 0.0, [(1e4, 2 * burst), *gaps])

    for index, first in enumerate(times):
        for count, last in enumerate(times[index:], start=1):
            assert count <= burst + refill * (last - first) + 1e-4


def test_a_new_bucket_has_one_token() -> None:
    bucket = Bucket(Rate(5, 20), 100.0)

    times = spend_greedily(bucket, 100.0, [(0, 3)])

    assert times == pytest.approx([100.0, 100.05, 100.1])


def test_after_idling_it_has_its_burst_and_no_more() -> None:
    bucket = Bucket(Rate(5, 20), 0.0)

    times = spend_greedily(bucket, 0.0, [(3600, 7)])

    assert times == pytest.approx([3600] * 5 + [3600.05, 3600.1], abs=1e-6)


def test_a_busy_spender_gets_the_whole_refill() -> None:
    bucket = Bucket(at_most(25, 1, parts=5), 0.0)

    times = spend_greedily(bucket, 0.0, [(60, 5 + 20 * 100)])

    assert times[-1] == pytest.approx(160)


def test_tokens_are_told() -> None:
    bucket = Bucket(Rate(5, 20), 0.0)

    told = [bucket.tokens(0.0), bucket.tokens(0.1), bucket.tokens(9.0)]
    bucket.spend(9.0)

    assert [*told, bucket.tokens(9.0)] == pytest.approx([1, 3, 5, 4])


@settings(deadline=None)
@given(
    steps=st.lists(
        st.tuples(GAPS, st.sampled_from(["spend", "spend", "give back"]), st.integers(0, 9)),
        max_size=30,
    )
)
def test_what_is_given_back_leaves_no_more_than_if_it_had_never_been_taken(
    steps: list[tuple[float, str, int]],
) -> None:
    rate = Rate(4, 0.5)
    bucket = Bucket(rate, 0.0)
    spent: list[float] = []
    now = 0.0
    for gap, step, which in [(1e4, "idle", 0), *steps]:
        now += gap
        if step == "spend" and bucket.ready_at <= now:
            bucket.spend(now)
            spent.append(now)
        elif step == "give back" and spent:
            bucket.give_back(spent.pop(which % len(spent)))

        assert bucket.tokens(now) <= tokens_left(rate, spent, now) + 1e-6


def tokens_left(rate: Rate, spent: Sequence[float], now: float) -> float:
    """Count tokens the simple way."""
    tokens, last = 1.0, 0.0
    for time in spent:
        tokens, last = min(rate.burst, tokens + (time - last) * rate.refill) - 1, time
    return min(rate.burst, tokens + (now - last) * rate.refill)


def test_what_is_given_back_at_once_is_there_again_whoever_spent_beside_it() -> None:
    bucket = Bucket(Rate(5, 20), 0.0)
    bucket.spend(10.0)
    bucket.spend(10.0)

    bucket.give_back(10.0)

    assert bucket.tokens(10.0) == pytest.approx(4)


def test_slowing_down_halves_the_limit() -> None:
    bucket = AdaptingBucket(100, 0.0)

    bucket.slow_down(50.0)

    assert bucket.limit(50.0) == 50
    assert bucket.tokens(50.0) == pytest.approx(5)
    assert busiest(spend_greedily(bucket, 50.0, [(0, 60)]), 1) == pytest.approx(50, abs=1)


def test_what_comes_within_a_second_slows_down_once() -> None:
    bucket = AdaptingBucket(100, 0.0)

    for now in [50.0, 50.3, 50.9]:
        bucket.slow_down(now)
    once = bucket.limit(50.9)
    bucket.slow_down(51.0)

    assert once == pytest.approx(50, abs=1)
    assert bucket.limit(51.0) == pytest.approx(25, abs=1)


@pytest.mark.parametrize(("ceiling", "floor"), [(100.0, FLOOR), (0.5, 0.5)])
def test_the_limit_has_a_floor(ceiling: float, floor: float) -> None:
    bucket = AdaptingBucket(ceiling, 0.0)

    for now in range(1, 20):
        bucket.slow_down(float(now))

    assert floor <= bucket.limit(19.0) < floor + ceiling / RECOVERY
    assert bucket.ready_at < 19.0 + 5


def test_the_limit_grows_back_steadily_up_to_its_ceiling() -> None:
    bucket = AdaptingBucket(100, 0.0)
    bucket.slow_down(0.0)

    limits = [bucket.limit(now) for now in [0.0, 30.0, 60.0, 1e6]]
    spend_greedily(bucket, 0.0, [(1, 1), (29, 1), (30, 1)])

    assert limits == pytest.approx([50, 75, 100, 100])
    assert bucket.limit(60.0) == pytest.approx(100)


def test_grown_back_it_gives_what_it_gave_before() -> None:
    bucket = AdaptingBucket(100, 0.0)
    bucket.slow_down(0.0)
    spend_greedily(bucket, 0.0, [(200, 1)])

    times = spend_greedily(bucket, 300.0, [(0, 10 + 90)])

    assert times[9] == pytest.approx(300)
    assert times[-1] == pytest.approx(301)


@settings(deadline=None)
@given(
    ceiling=LIMITS,
    steps=st.lists(st.tuples(GAPS, st.integers(0, 40), st.booleans()), max_size=12),
)
def test_an_adapting_bucket_never_passes_its_ceiling_in_any_second(
    ceiling: float, steps: list[tuple[float, int, bool]]
) -> None:
    bucket = AdaptingBucket(ceiling, 0.0)
    times: list[float] = []
    now = 0.0
    for gap, wanted, slow in [*steps, (1e4, 200, False)]:
        times += spend_greedily(bucket, now, [(gap, wanted)])
        now = max([now + gap, *times[-1:]])
        if slow:
            bucket.slow_down(now)

    assert busiest(times, 1) <= ceiling


@settings(deadline=None)
@given(
    steps=st.lists(st.tuples(GAPS, st.integers(0, 40), st.booleans()), max_size=12),
)
def test_time_until_a_token_stays_short_whatever_happened(
    steps: list[tuple[float, int, bool]],
) -> None:
    bucket = AdaptingBucket(100, 0.0)
    now = 0.0
    for gap, wanted, slow in steps:
        now = max([now + gap, *spend_greedily(bucket, now, [(gap, wanted)])[-1:]])
        if slow:
            bucket.slow_down(now)

        assert bucket.ready_at <= now + 2 / FLOOR + 1e-6
