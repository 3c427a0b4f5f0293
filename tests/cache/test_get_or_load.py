import random
import traceback
from collections.abc import Awaitable, Callable

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from gmbot.cache.memory import MemoryCache, Ttl

EXACT = Ttl(10.0, jitter=0.0)

Answer = tuple[str, Ttl | None]


class Server:
    """Answers look-ups after a while, one after the other with what `answers` says."""

    def __init__(
        self, *answers: str | Exception, takes: float = 1.0, ttl: Ttl | None = EXACT
    ) -> None:
        self.answers = list(answers)
        self.takes = takes
        self.ttl = ttl
        self.asked = 0
        self.in_progress = 0
        self.most_in_progress = 0

    async def __call__(self) -> Answer:
        number = self.asked
        self.asked += 1
        self.in_progress += 1
        self.most_in_progress = max(self.most_in_progress, self.in_progress)
        try:
            await trio.sleep(self.takes)
        finally:
            self.in_progress -= 1
        answer = self.answers[min(number, len(self.answers) - 1)]
        if isinstance(answer, Exception):
            raise answer
        return answer, self.ttl


@pytest.fixture
def cache() -> MemoryCache[int, str]:
    return MemoryCache(capacity=8, random=random.Random(1))


Cache = MemoryCache[int, str]


async def gather(*calls: Callable[[], Awaitable[str]]) -> list[str | Exception]:
    """Run all at once; return what each returned or raised, in order."""
    results: dict[int, str | Exception] = {}

    async def one(number: int, call: Callable[[], Awaitable[str]]) -> None:
        try:
            results[number] = await call()
        except Exception as error:  # noqa: BLE001 - it is the result
            results[number] = error

    async with trio.open_nursery() as nursery:
        for number, call in enumerate(calls):
            nursery.start_soon(one, number, call)
    return [results[number] for number in range(len(calls))]


def after(seconds: float, call: Callable[[], Awaitable[str]]) -> Callable[[], Awaitable[str]]:
    """Let others be first: tasks that start together start in any order."""

    async def late() -> str:
        await trio.sleep(seconds)
        return await call()

    return late


async def test_the_unknown_is_looked_up_once_and_remembered(
    cache: Cache, autojump_clock: MockClock
) -> None:
    server = Server("first", "second")

    assert await cache.get_or_load(1, server) == "first"
    assert await cache.get_or_load(1, server) == "first"
    assert cache.get(1) == "first"
    await trio.sleep(10)
    assert await cache.get_or_load(1, server) == "second"


async def test_a_known_answer_comes_without_a_task_switch(
    cache: Cache, autojump_clock: MockClock
) -> None:
    cache.put(1, "known", EXACT)

    with trio.CancelScope() as scope:
        scope.cancel()  # any checkpoint would raise
        assert await cache.get_or_load(1, Server("new")) == "known"


async def test_many_who_ask_at_once_share_one_look_up(
    cache: Cache, autojump_clock: MockClock
) -> None:
    server = Server("in")

    results = await gather(*[lambda: cache.get_or_load(1, server)] * 100)

    assert results == ["in"] * 100
    assert server.asked == 1


async def test_different_keys_do_not_wait_for_each_other(
    cache: Cache, autojump_clock: MockClock
) -> None:
    server = Server("in")

    started = trio.current_time()
    await gather(lambda: cache.get_or_load(1, server), lambda: cache.get_or_load(2, server))

    assert trio.current_time() - started == pytest.approx(1.0)
    assert server.asked == 2


async def test_an_answer_without_a_time_to_live_goes_to_all_who_wait_and_is_not_kept(
    cache: Cache, autojump_clock: MockClock
) -> None:
    server = Server("first", "second", ttl=None)

    both = await gather(*[lambda: cache.get_or_load(1, server)] * 2)

    assert both == ["first", "first"]
    assert cache.get(1) is None
    assert await cache.get_or_load(1, server) == "second"


async def test_an_error_goes_to_all_who_wait_and_is_not_kept(
    cache: Cache, autojump_clock: MockClock
) -> None:
    error = OSError("away")
    server = Server(error, "back")

    results = await gather(*[lambda: cache.get_or_load(1, server)] * 3)

    assert results == [error] * 3
    assert server.asked == 1
    assert await cache.get_or_load(1, server) == "back"


async def test_the_traceback_of_a_shared_error_does_not_grow_with_those_who_wait(
    cache: Cache, autojump_clock: MockClock
) -> None:
    async def frames(waiters: int) -> int:
        error = OSError("away")
        server = Server(error)
        await gather(*[lambda: cache.get_or_load(1, server)] * waiters)
        return len(traceback.extract_tb(error.__traceback__))

    assert await frames(50) == await frames(2)


async def test_when_the_leader_is_cancelled_one_who_waits_takes_over(
    cache: Cache, autojump_clock: MockClock
) -> None:
    server = Server("in")
    leader = trio.CancelScope()

    async def lead() -> str:
        with leader:
            await cache.get_or_load(1, server)
        return "cancelled"

    async def cancel() -> str:
        await trio.sleep(0.5)
        leader.cancel()
        return ""

    started = trio.current_time()
    results = await gather(lead, *[after(0.1, lambda: cache.get_or_load(1, server))] * 5, cancel)

    assert results == ["cancelled", *["in"] * 5, ""]
    assert trio.current_time() - started == pytest.approx(1.5)
    assert server.asked == 2
    assert server.most_in_progress == 1


async def test_a_cancelled_waiter_disturbs_nobody(cache: Cache, autojump_clock: MockClock) -> None:
    server = Server("in")

    async def impatient() -> str:
        with trio.move_on_after(0.5):
            return await cache.get_or_load(1, server)
        return "left"

    results = await gather(
        lambda: cache.get_or_load(1, server),
        after(0.1, impatient),
        after(0.2, lambda: cache.get_or_load(1, server)),
    )

    assert results == ["in", "left", "in"]
    assert server.asked == 1


async def test_when_everybody_is_cancelled_nothing_stays_behind(
    cache: Cache, autojump_clock: MockClock
) -> None:
    with trio.move_on_after(0.5):
        await gather(*[lambda: cache.get_or_load(1, Server("in"))] * 5)

    assert cache.statistics().flights == 0
    assert await cache.get_or_load(1, Server("in")) == "in"


async def test_a_put_during_a_look_up_is_the_answer_for_all_and_ends_it(
    cache: Cache, autojump_clock: MockClock
) -> None:
    server = Server("old")

    async def put() -> str:
        await trio.sleep(0.5)
        cache.put(1, "new", EXACT)
        return ""

    started = trio.current_time()
    results = await gather(*[lambda: cache.get_or_load(1, server)] * 3, put)

    assert results == ["new", "new", "new", ""]
    assert trio.current_time() - started == pytest.approx(0.5)
    assert cache.get(1) == "new"
    assert server.in_progress == 0


@pytest.mark.parametrize("answer", ["old", OSError("away")], ids=["answers", "fails"])
async def test_a_put_wins_also_over_a_look_up_that_ends_at_the_same_moment(
    cache: Cache, autojump_clock: MockClock, answer: str | Exception
) -> None:
    async def load() -> Answer:
        with trio.CancelScope(shield=True):
            await trio.sleep(1)
        if isinstance(answer, Exception):
            raise answer
        return answer, EXACT

    async def put() -> str:
        await trio.sleep(0.5)
        cache.put(1, "new", EXACT)
        return ""

    results = await gather(*[lambda: cache.get_or_load(1, load)] * 2, put)

    assert results == ["new", "new", ""]
    assert cache.get(1) == "new"


async def test_a_load_that_puts_its_own_key_is_answered_with_that(
    cache: Cache, autojump_clock: MockClock
) -> None:
    async def load() -> Answer:
        cache.put(1, "put", EXACT)
        return "returned", EXACT

    assert await cache.get_or_load(1, load) == "put"


async def test_after_a_drop_during_a_look_up_it_begins_anew(
    cache: Cache, autojump_clock: MockClock
) -> None:
    server = Server("old", "new")

    async def drop() -> str:
        await trio.sleep(0.5)
        cache.drop(1)
        return ""

    results = await gather(*[lambda: cache.get_or_load(1, server)] * 3, drop)

    assert results == ["new", "new", "new", ""]
    assert server.asked == 2
    assert server.most_in_progress == 1
    assert cache.get(1) == "new"


async def test_look_ups_under_way_for_keys_that_match_begin_anew_and_others_go_on(
    cache: Cache, autojump_clock: MockClock
) -> None:
    matching, other = Server("old", "new"), Server("old", "new")

    async def drop() -> str:
        await trio.sleep(0.5)
        cache.drop_all(lambda key: key == 1)
        return ""

    results = await gather(
        lambda: cache.get_or_load(1, matching), lambda: cache.get_or_load(2, other), drop
    )

    assert results == ["new", "old", ""]
    assert (matching.asked, other.asked) == (2, 1)


async def test_a_key_dropped_without_end_is_answered_after_a_few_look_ups_and_not_kept(
    cache: Cache, autojump_clock: MockClock
) -> None:
    server = Server("a", "b", "c", "d", "e")

    async def drop() -> str:
        for _ in range(30):
            await trio.sleep(0.3)
            cache.drop(1)
        return ""

    started = trio.current_time()
    results = await gather(lambda: cache.get_or_load(1, server), drop)

    assert results == ["d", ""]
    assert server.asked == 4
    assert trio.current_time() - started == pytest.approx(9.0)
    assert cache.get(1) is None


async def test_a_put_during_the_last_look_up_of_a_key_dropped_without_end_is_the_answer(
    cache: Cache, autojump_clock: MockClock
) -> None:
    server = Server("old")

    async def drop_then_put() -> str:
        for _ in range(3):
            await trio.sleep(0.3)
            cache.drop(1)
        await trio.sleep(0.3)
        cache.put(1, "new", EXACT)
        return ""

    results = await gather(lambda: cache.get_or_load(1, server), drop_then_put)

    assert results == ["new", ""]


async def test_a_waiter_whose_leader_was_cancelled_takes_what_was_put_meanwhile(
    cache: Cache, autojump_clock: MockClock
) -> None:
    server = Server("old")
    leader = trio.CancelScope()

    async def lead() -> str:
        with leader:
            await cache.get_or_load(1, server)
        return "cancelled"

    async def cancel_and_put() -> str:
        await trio.sleep(0.5)
        leader.cancel()
        cache.put(1, "new", EXACT)
        return ""

    results = await gather(lead, after(0.1, lambda: cache.get_or_load(1, server)), cancel_and_put)

    assert results == ["cancelled", "new", ""]
    assert server.asked == 1


async def test_statistics_show_flights_under_way(cache: Cache, autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cache.get_or_load, 1, Server("in"))
        nursery.start_soon(cache.get_or_load, 1, Server("in"))
        await wait_all_tasks_blocked()

        assert cache.statistics().flights == 1
        assert cache.statistics().misses == 2


async def test_none_is_no_value_and_is_asked_for_again(autojump_clock: MockClock) -> None:
    cache: MemoryCache[int, None] = MemoryCache(capacity=8, random=random.Random(1))
    asked = 0

    async def load() -> tuple[None, Ttl]:
        nonlocal asked
        asked += 1
        return None, EXACT

    for _ in range(2):
        await cache.get_or_load(1, load)

    assert asked == 2


Event = tuple[float, str, int]

_events = st.lists(
    st.tuples(
        st.floats(0.0, 8.0),
        st.sampled_from(["ask", "ask", "ask", "ask briefly", "put", "drop"]),
        st.integers(0, 2),
    ),
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(events=_events)
def test_whatever_happens_an_answer_is_never_older_than_what_was_put_or_dropped(
    events: list[Event],
) -> None:
    """The truth of a key is a number that grows; each put and drop follows a change of it.

    Whoever asks after a change may be told of that change or a later one, never of an earlier one.
    """

    async def play() -> None:
        cache: MemoryCache[int, int] = MemoryCache(capacity=2, random=random.Random(1))
        truth = {0: 0, 1: 0, 2: 0}
        loading = dict.fromkeys(truth, 0)
        answered = 0

        async def load(key: int) -> tuple[int, Ttl | None]:
            loading[key] += 1
            assert loading[key] == 1
            try:
                value = truth[key]
                await trio.sleep(1.0)
                return value, Ttl(2.0)
            finally:
                loading[key] -= 1

        async def ask(key: int, patience: float) -> None:
            nonlocal answered
            oldest = truth[key]
            with trio.move_on_after(patience):
                answer = await cache.get_or_load(key, lambda: load(key))
                assert oldest <= answer <= truth[key]
                answered += 1
                return
            assert patience < 1

        async def act(at: float, what: str, key: int) -> None:
            await trio.sleep(at)
            if what == "ask":
                await ask(key, 60)
            elif what == "ask briefly":
                await ask(key, 0.4)
            else:
                truth[key] += 1
                if what == "put":
                    cache.put(key, truth[key], Ttl(2.0))
                else:
                    cache.drop(key)

        async with trio.open_nursery() as nursery:
            for event in events:
                nursery.start_soon(act, *event)

        assert answered >= sum(what == "ask" for _, what, _ in events)
        assert cache.statistics().flights == 0

    trio.run(play, clock=MockClock(autojump_threshold=0))
