from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmbot.api.backoff import Backoff


def test_it_doubles_up_to_its_maximum() -> None:
    backoff = Backoff(base=0.5, maximum=30.0, jitter=0.0)

    delays = [backoff.delay(attempt, Random()) for attempt in [0, 1, 2, 5, 6, 7]]

    assert delays == [0.5, 1, 2, 16, 30, 30]


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers())
def test_it_strays_by_its_jitter_at_most_and_never_below_nothing(attempt: int, seed: int) -> None:
    plain = Backoff(base=0.1, maximum=30.0, jitter=0.0).delay(attempt, Random(seed))

    delay = Backoff(base=0.1, maximum=30.0, jitter=0.25).delay(attempt, Random(seed))

    assert max(0.0, plain - 0.25) <= delay <= plain + 0.25


def test_it_strays_to_both_sides() -> None:
    random = Random(1)

    delays = [Backoff().delay(1, random) for _ in range(200)]

    assert min(delays) == pytest.approx(0.75, abs=0.02)
    assert max(delays) == pytest.approx(1.25, abs=0.02)
