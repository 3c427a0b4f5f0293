"""Many people against several channels: bounds, one look-up a pair, nothing raised, no starving."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from random import Random
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from gmbot.api.backoff import Backoff
from gmbot.api.breaker import Breaker, BreakerPolicy
from gmbot.api.client import METHODS, BotApi
from gmbot.api.errors import (
    ApiError,
    ChatNotFound,
    CircuitOpen,
    MemberNotFound,
    NetworkFailure,
    NotEnoughRights,
    RetryAfter,
    Unauthorized,
)
from gmbot.api.limiter import Limiter, Limits, Priority
from gmbot.api.transport import Answer, Transport
from gmbot.api.types import ChatMember, User
from gmbot.guard.membership import (
    AT_ONCE,
    Membership,
    Memberships,
    MembershipUnknown,
    Verification,
)
from gmbot.telemetry.metrics import Metrics
from tests.guard.town import end_after, settle

METHOD = "getChatMember"
IN, OUT = ChatMember("member", User(1)), ChatMember("left", User(1))
NOWHERE = ChatNotFound(METHOD, 400, "Bad Request: chat not found")
LOST = NetworkFailure(METHOD, "reset", sent=True)

Pair = tuple[int, int]


class Telegram(BotApi):
    """Answers look-ups after a while, as it is told; counts those in flight."""

    def __init__(self, answer: Callable[[Pair], ChatMember | ApiError] = lambda _: IN) -> None:
        # No super().__init__(): nothing goes over a wire.
        self.answer = answer
        self.takes = 0.05
        self.asked: list[Pair] = []
        self.priorities: list[Priority] = []
        self.in_flight = 0
        self.most = 0

    async def get_chat_member(
        self, chat_id: int, user_id: int, *, priority: Priority = Priority.LOOKUP
    ) -> ChatMember:
        self.asked.append((chat_id, user_id))
        self.priorities.append(priority)
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        try:
            await trio.sleep(self.takes)
        finally:
            self.in_flight -= 1
        found = self.answer((chat_id, user_id))
        if isinstance(found, ApiError):
            raise found
        return found


def memberships(api: BotApi, on_hidden: Callable[[int], None] | None = None) -> Memberships:
    metrics = Metrics(methods=METHODS, queries=())
    return Memberships(api, metrics=metrics, random=Random(1), on_hidden=on_hidden)


async def verified(found: Memberships, *args: Any, **options: Any) -> dict[int, Verification]:
    """Look at many and return what was found out, each person exactly once."""
    results: dict[int, Verification] = {}
    async with found.verify_many(*args, **options) as stream:
        async for user_id, verification in stream:
            assert user_id not in results
            results[user_id] = verification
    return results


def missing(*channels: int) -> Verification:
    return Verification(frozenset(channels), frozenset())


def unknown(*channels: int) -> Verification:
    return Verification(frozenset(), frozenset(channels))


ERRORS: list[ApiError] = [
    LOST,
    CircuitOpen(METHOD, 1.0),
    NOWHERE,
    NotEnoughRights(METHOD, 400, "Bad Request: CHAT_ADMIN_REQUIRED"),
    RetryAfter(METHOD, 429, "Too Many Requests", 3.0),
    Unauthorized(METHOD, 401, "Unauthorized"),
]
ANSWERS: st.SearchStrategy[ChatMember | ApiError] = st.sampled_from(
    [IN, OUT, MemberNotFound(METHOD, 400, "not found"), *ERRORS]
)


@settings(deadline=None, max_examples=60)
@given(
    people=st.lists(st.integers(1, 30), max_size=40),
    channels=st.frozensets(st.integers(-5, -1), max_size=4),
    at_once=st.integers(1, 8),
    priority=st.sampled_from([Priority.LOOKUP, Priority.BACKGROUND]),
    data=st.data(),
)
def test_everybody_comes_out_once_by_one_look_up_a_pair_and_never_too_many_at_once(
    people: list[int],
    channels: frozenset[int],
    at_once: int,
    priority: Priority,
    data: st.DataObject,
) -> None:
    answers: dict[Pair, ChatMember | ApiError] = {
        (c, p): data.draw(ANSWERS) for c in channels for p in sorted(set(people))
    }
    api = Telegram(answers.__getitem__)

    results: dict[int, Verification] = {}

    async def main() -> None:
        results.update(
            await verified(memberships(api), people, channels, priority=priority, at_once=at_once)
        )

    trio.run(main, clock=MockClock(autojump_threshold=0))
    assert sorted(results) == sorted(set(people))
    assert Counter(api.asked) == dict.fromkeys(answers, 1)
    assert api.most <= at_once
    assert set(api.priorities) <= {priority}
    for person, verification in results.items():
        for channel in channels:
            found = answers[channel, person]
            is_unknown = any(found is error for error in ERRORS)
            assert (channel in verification.unknown) == is_unknown
            assert (channel in verification.missing) == (not is_unknown and found is not IN)


async def test_of_all_batches_together_the_background_keeps_to_its_share(
    autojump_clock: MockClock,
) -> None:
    api = Telegram()
    found = memberships(api)

    async with trio.open_nursery() as nursery:
        for group in range(4):
            people = range(1000 * group, 1000 * group + 100)
            nursery.start_soon(verified, found, people, [-1])
        nursery.start_soon(found.verify, [-1, -2], 9999)
        await settle()

        assert api.in_flight == AT_ONCE + 2
    assert api.most == AT_ONCE + 2
    assert len(api.asked) == 402


async def test_two_batches_about_the_same_people_look_each_pair_up_once(
    autojump_clock: MockClock,
) -> None:
    api = Telegram()
    found = memberships(api)

    async with trio.open_nursery() as nursery:
        for _ in range(2):
            nursery.start_soon(verified, found, range(60), [-1, -2])

    assert Counter(api.asked) == {(c, p): 1 for c in (-1, -2) for p in range(60)}


async def test_who_is_known_costs_nothing_and_anew_looks_past_a_no_only(
    autojump_clock: MockClock,
) -> None:
    api = Telegram()
    found = memberships(api)
    found.note(-1, 1, is_in=True)
    found.note(-1, 2, is_in=False)

    assert await verified(found, [1, 2], [-1]) == {1: missing(), 2: missing(-1)}
    assert api.asked == []

    assert await verified(found, [1, 2], [-1], anew=True) == {1: missing(), 2: missing()}
    assert api.asked == [(-1, 2)]


async def test_results_come_as_they_are_found_out_and_nobody_runs_ahead_of_who_takes_them(
    autojump_clock: MockClock,
) -> None:
    api = Telegram()
    people = iter(range(1000))

    async with memberships(api).verify_many(people, [-1], at_once=5) as stream:
        first = await anext(stream)
        assert first[0] in range(5)
        await trio.sleep(60)
        assert len(api.asked) <= 10

    assert api.in_flight == 0


async def test_who_stops_taking_results_stops_the_look_ups(autojump_clock: MockClock) -> None:
    api = Telegram()

    async def take_one() -> None:
        async with memberships(api).verify_many(range(100), [-1]) as stream:
            await anext(stream)
            raise KeyError

    with pytest.raises(ExceptionGroup) as caught:
        await take_one()
    assert caught.group_contains(KeyError)
    assert api.in_flight == 0
    await trio.sleep(5)
    assert len(api.asked) < 2 * AT_ONCE + 2


async def test_a_bound_of_nothing_is_a_mistake(autojump_clock: MockClock) -> None:
    with pytest.raises(ValueError, match="at_once 0"):
        async with memberships(Telegram()).verify_many([1], [-1], at_once=0):
            pass


async def test_no_channels_and_no_people_are_no_trouble(autojump_clock: MockClock) -> None:
    api = Telegram()

    assert await verified(memberships(api), [1, 2], []) == {1: missing(), 2: missing()}
    assert await verified(memberships(api), [], [-1]) == {}
    assert api.asked == []


# Flows come first


class Slow(Transport):
    """Every look-up takes 50 ms; remembers who was asked about, in order."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def post(self, method: str, body: bytes, *, read_timeout: float) -> Answer:
        self.bodies.append(body)
        await trio.sleep(0.05)
        return Answer(200, b'{"ok":true,"result":{"status":"member","user":{"id":1}}}')

    async def aclose(self) -> None:
        pass


@pytest.fixture
async def limited(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> AsyncIterator[tuple[Memberships, Slow]]:
    """Memberships behind a limiter of 10 calls a second."""
    nursery.start_soon(end_after, 3600)
    limiter, transport = Limiter(Limits(0, 0, 10)), Slow()
    await nursery.start(limiter.run)
    api = BotApi(
        transport,
        limiter=limiter,
        breaker=Breaker("api", BreakerPolicy()),
        random=Random(1),
        backoff=Backoff(),
    )
    yield memberships(api), transport
    nursery.cancel_scope.cancel()


async def test_a_flow_is_not_held_up_by_a_batch(
    autojump_clock: MockClock, limited: tuple[Memberships, Slow]
) -> None:
    found, _transport = limited
    async with trio.open_nursery() as nursery:
        nursery.start_soon(verified, found, range(1000), [-1])
        await trio.sleep(5)

        for person in range(2000, 2010):
            began = trio.current_time()
            await found.verify([-1], person)
            assert trio.current_time() - began < 1
        nursery.cancel_scope.cancel()


async def test_a_flow_is_not_held_up_by_a_batch_that_asks_about_the_same_person(
    autojump_clock: MockClock, limited: tuple[Memberships, Slow]
) -> None:
    found, transport = limited
    results: dict[int, Verification] = {}
    took: list[float] = []

    async def look_at_seven() -> None:
        results.update(await verified(found, [7], [-1]))

    async def ask_about_seven() -> None:
        await found.verify([-1], 7)
        took.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        for person in range(100):  # a raid
            nursery.start_soon(found.verify, [-1], 5000 + person)
        await settle()
        nursery.start_soon(look_at_seven)
        await settle()
        nursery.start_soon(ask_about_seven)
        await settle()
        for person in range(200):  # and it goes on
            nursery.start_soon(found.verify, [-1], 6000 + person)

    assert results == {7: missing()}
    assert took[0] < 12
    assert trio.current_time() > 28
    assert sum(b'"user_id":7}' in body for body in transport.bodies) == 1


# Channels out of sight


async def test_a_channel_that_refuses_look_ups_is_told_of_once_in_a_while(
    autojump_clock: MockClock,
) -> None:
    told: list[int] = []
    found = memberships(Telegram(lambda pair: NOWHERE if pair[0] == -1 else IN), told.append)

    results = await verified(found, range(100), [-1, -2])
    assert set(results.values()) == {unknown(-1)}
    assert told == [-1]

    await trio.sleep(10)
    assert (await found.verify([-1], 500)).outcome is Membership.UNKNOWN
    assert told == [-1, -1]


@pytest.mark.parametrize(
    "error",
    [
        LOST,
        CircuitOpen(METHOD, 1.0),
        RetryAfter(METHOD, 429, "Too Many Requests", 3.0),
        Unauthorized(METHOD, 401, "Unauthorized"),
        MemberNotFound(METHOD, 400, "Bad Request: user not found"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_says_nothing_about_the_channel_is_not_told(
    autojump_clock: MockClock, error: ApiError
) -> None:
    told: list[int] = []
    await verified(memberships(Telegram(lambda _: error), told.append), [1, 2], [-1])

    assert told == []


async def test_nobody_needs_to_be_told(autojump_clock: MockClock) -> None:
    found = memberships(Telegram(lambda _: NOWHERE))

    assert (await found.verify([-1], 1)).outcome is Membership.UNKNOWN


async def test_a_flow_looks_up_side_by_side_and_says_whose_doubt_it_is(
    autojump_clock: MockClock,
) -> None:
    api = Telegram(lambda pair: {-1: IN, -2: OUT}.get(pair[0], LOST))
    found = memberships(api)
    assert not found.is_known_member([-1], 5)

    verification = await found.verify([-1, -2, -3], 5)

    assert verification == Verification(frozenset({-2}), frozenset({-3}))
    assert verification.outcome is Membership.MISSING
    assert unknown(-3).outcome is Membership.UNKNOWN
    assert missing().outcome is Membership.MEMBER
    assert api.most == 3
    assert found.is_known_member([-1], 5)
    assert found.statistics().size == 2
    doubt = MembershipUnknown(-100, 5, [-3])
    assert (str(doubt), doubt.group_id, doubt.user_id) == ("user 5 in channels [-3]", -100, 5)


async def test_what_is_known_of_a_channel_is_forgotten_and_of_others_is_not(
    autojump_clock: MockClock,
) -> None:
    telegram = Telegram()
    found = memberships(telegram)
    for channel_id in (-1, -2):
        for user_id in (1, 2):
            await found.verify([channel_id], user_id)
    found.forget_channel(-1)

    assert not found.is_known_member([-1], 1)
    assert not found.is_known_member([-1], 2)
    assert found.is_known_member([-2], 1)


async def test_a_look_up_that_began_before_it_was_forgotten_is_not_taken_at_its_word(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    telegram = Telegram()
    found, said = memberships(telegram), list[Verification]()

    async def ask() -> None:
        said.append(await found.verify([-1], 1))

    nursery.start_soon(ask)
    await trio.sleep(0.01)
    found.forget_channel(-1)
    telegram.answer = lambda _: OUT
    await trio.sleep(1)

    assert said == [Verification(frozenset({-1}), frozenset())]
    assert len(telegram.asked) == 2


async def test_an_old_update_that_is_given_again_is_no_news(autojump_clock: MockClock) -> None:
    found = memberships(Telegram())
    found.note(-1, 1, is_in=False, when=(100, 7))
    found.note(-1, 1, is_in=True, when=(100, 8))
    found.note(-1, 1, is_in=False, when=(100, 7))
    assert found.is_known_member((-1,), 1)

    found.note(-1, 1, is_in=False, when=(101, 3))  # ids may begin anew, dates do not
    assert not found.is_known_member((-1,), 1)
