import gc
from collections.abc import Callable, Sequence
from fractions import Fraction
from heapq import heappop, heappush
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmbot.api import agenda
from gmbot.api import turns as turns_module
from gmbot.api.bucket import Bucket, at_most
from gmbot.api.lane import AGE, Chat, ChatRates, Lane, Priority, Turn
from gmbot.api.turns import KEPT, Turns

A_MOMENT = 1e-6  # what is due may come later than to the dot, by rounding; never sooner
GROUPS = (-1, -2, -3)
CHATS = (*GROUPS, 7, None)


def overall() -> Bucket:
    return Bucket(at_most(25, 1, parts=5), 0.0)


def group_rates() -> ChatRates:
    return ChatRates(20, 60.0)


def busiest(times: Sequence[float], window: float) -> int:
    """Count the most that fall into one closed window, in exact arithmetic."""
    exact = [Fraction(time) for time in times]
    most, first = 0, 0
    for last, time in enumerate(exact):
        while time - exact[first] > Fraction(window):
            first += 1
        most = max(most, last - first + 1)
    return most


class Simulation:
    """Callers and a clock around the pure scheduler: it is asked again exactly when it said."""

    def __init__(self, turns: "Turns | PlainTurns") -> None:
        self.turns = turns
        self.now = 0.0
        self.waiting: list[tuple[Any, int | None, Priority]] = []
        self.given: list[tuple[float, int | None, Priority, Any]] = []
        self.frozen: list[tuple[float, float, int | None]] = []
        self.asked = 0

    def pump(self) -> float | None:
        while True:
            self.asked += 1
            found = self.turns.next(self.now)
            if found is None or isinstance(found, float):
                assert found is None or found > self.now  # else it would be asked for ever
                return found
            entry = next(entry for entry in self.waiting if entry[0] is found)
            self.waiting.remove(entry)
            self.given.append((self.now, entry[1], entry[2], found))

    def run_for(self, seconds: float) -> None:
        end = self.now + seconds
        while (wake := self.pump()) is not None and wake <= end:
            self.now = wake
        self.now = end

    def run_dry(self) -> None:
        while (wake := self.pump()) is not None:
            self.now = wake

    def enter(self, chat_id: int | None, priority: Priority) -> None:
        self.waiting.append((self.turns.enter(chat_id, priority, self.now), chat_id, priority))

    def cancel_waiting(self, which: int) -> None:
        if self.waiting:
            turn, *_ = self.waiting.pop(which % len(self.waiting))
            self.turns.leave(turn, self.now)

    def cancel_given(self, which: int) -> None:
        """Cancel one of the last few who got their turn."""
        if self.given:
            index = max(len(self.given) - 1 - which, 0)
            self.turns.leave(self.given.pop(index)[-1], self.now)

    def freeze(self, chat_id: int | None, seconds: float) -> None:
        self.turns.freeze(chat_id, self.now + seconds, self.now)
        self.frozen.append((self.now, self.now + seconds, chat_id))

    def times(self, chat_id: int, *priorities: Priority) -> list[float]:
        return [
            time
            for time, chat, priority, _ in self.given
            if chat == chat_id and (not priorities or priority in priorities)
        ]


# What happens, each after a pause: (pause, what, chat, priority or number, how many or how long).
PAUSES = st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.3, 1.0, 4.7, 30.0, 59.0, 600.0])
STEPS = st.one_of(
    st.tuples(
        PAUSES,
        st.just("enter"),
        st.sampled_from(CHATS),
        st.sampled_from(Priority),
        st.sampled_from([1, 1, 3, 25]),
    ),
    st.tuples(
        PAUSES,
        st.sampled_from(["cancel waiting", "cancel given"]),
        st.just(7),
        st.integers(0, 5),
        st.just(0),
    ),
    st.tuples(
        PAUSES,
        st.just("freeze"),
        st.sampled_from(CHATS),
        st.just(0),
        st.sampled_from([0.5, 3.0, 40.0]),
    ),
)
Step = tuple[float, str, int | None, int, float]
PLANS = st.lists(STEPS, max_size=25)
# Each plan ends with full buckets and a rush, so that a burst without a cap would show.
RUSH: list[Step] = [
    (7200.0, "enter", -1, Priority.NOTICE, 30),
    (0.0, "enter", -1, Priority.REPLY, 30),
    (0.0, "enter", 7, Priority.NOTICE, 60),
]


def play(simulation: Simulation, plan: Sequence[Step]) -> None:
    for pause, what, chat_id, number, amount in plan:
        simulation.run_for(pause)
        if what == "enter":
            for _ in range(int(amount)):
                simulation.enter(chat_id, Priority(number))
        elif what == "freeze":
            simulation.freeze(chat_id, amount)
        elif what == "cancel waiting":
            simulation.cancel_waiting(number)
        else:
            simulation.pump()
            simulation.cancel_given(number)
    simulation.run_dry()


class PlainTurns:
    """The same rules without a heap: look at everybody who waits, each time."""

    def __init__(self) -> None:
        self.overall = overall()
        self.chats: dict[int | None, Chat] = {}
        self.waiting: list[Turn] = []
        self.frozen_until = 0.0
        self.count = 0

    def chat(self, chat_id: int | None, now: float) -> Chat:
        if chat_id not in self.chats:
            group = chat_id is not None and chat_id < 0
            self.chats[chat_id] = Chat(chat_id, group_rates() if group else None, now)
        return self.chats[chat_id]

    def enter(self, chat_id: int | None, priority: Priority, now: float) -> Turn:
        self.count += 1
        turn = Turn(self.chat(chat_id, now).lane(priority), priority, now, self.count)
        self.waiting.append(turn)
        return turn

    def leave(self, turn: Turn, now: float) -> None:
        if turn in self.waiting:
            self.waiting.remove(turn)
            return
        assert turn.given_at is not None
        for bucket in turn.spent:
            bucket.give_back(turn.given_at)

    def freeze(self, chat_id: int | None, until: float, now: float) -> None:
        if chat_id is None:
            self.frozen_until = max(self.frozen_until, until)
        else:
            chat = self.chat(chat_id, now)
            chat.frozen_until = max(chat.frozen_until, until)

    def next(self, now: float) -> Turn | float | None:
        opens = max(self.frozen_until, self.overall.ready_at)
        wakes = [max(opens, turn.lane.ready_at()) for turn in self.waiting]
        if not wakes or min(wakes) > now:
            return min(wakes, default=None)
        may = [turn for turn, wake in zip(self.waiting, wakes, strict=True) if wake <= now]
        turn = min(may, key=lambda turn: turn.arrived + turn.priority * AGE)
        self.waiting.remove(turn)
        turn.given_at = now
        turn.spent = (*turn.lane.bucket(now), self.overall)
        for bucket in turn.spent:
            bucket.spend(now)
        return turn


@settings(deadline=None)
@given(PLANS)
def test_it_does_as_the_plain_rules_do(plan: list[Step]) -> None:
    quick = Simulation(Turns(overall(), group_rates()))
    plain = Simulation(PlainTurns())

    play(quick, [*plan, *RUSH])
    play(plain, [*plan, *RUSH])

    assert [entry[:3] for entry in quick.given] == [entry[:3] for entry in plain.given]


@pytest.mark.parametrize("kept", [KEPT, 1])
def test_limits_and_freezes_hold_and_everybody_gets_their_turn(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns_module, "KEPT", kept)

    @settings(deadline=None)
    @given(PLANS)
    def check(plan: list[Step]) -> None:
        simulation = Simulation(Turns(overall(), group_rates()))

        play(simulation, [*plan, *RUSH])

        assert not simulation.waiting
        assert busiest([time for time, *_ in simulation.given], 1) <= 25
        for group in GROUPS:
            assert busiest(simulation.times(group), 60) <= 20
            notices = simulation.times(group, Priority.NOTICE, Priority.BACKGROUND)
            assert busiest(notices, 60) <= 17
        for begin, end, frozen in simulation.frozen:
            for time, chat_id, *_ in simulation.given:
                if frozen is None or chat_id == frozen:
                    assert time <= begin or time >= end

    check()


@settings(deadline=None)
@given(PLANS)
def test_first_come_first_served_within_a_chat_and_priority(plan: list[Step]) -> None:
    simulation = Simulation(Turns(overall(), group_rates()))

    play(simulation, plan)

    for chat_id in CHATS:
        for priority in Priority:
            keys = [
                turn.key
                for _, chat, urgency, turn in simulation.given
                if (chat, urgency) == (chat_id, priority)
            ]
            assert keys == sorted(keys)


def test_the_most_urgent_goes_first() -> None:
    simulation = Simulation(Turns(overall(), None))
    order = [Priority.BACKGROUND, Priority.REPLY, Priority.URGENT, Priority.NOTICE]
    for chat_id, priority in enumerate(order):
        simulation.enter(chat_id, priority)

    simulation.run_dry()

    assert [priority for _, _, priority, _ in simulation.given] == sorted(order)


def test_nobody_starves_under_a_flood_of_what_is_urgent() -> None:
    simulation = Simulation(Turns(overall(), None))
    simulation.enter(1, Priority.URGENT)
    simulation.enter(2, Priority.BACKGROUND)

    for _ in range(60 * 30):  # 30 a second, where 20 go
        simulation.enter(3, Priority.URGENT)
        simulation.run_for(1 / 30)

    # Served before all who came more than five steps of age later; they waited for half of that.
    assert simulation.times(2) == [pytest.approx(5 * AGE * 30 / 20, abs=1)]


def test_a_reply_each_half_minute_goes_at_once_while_notices_flood() -> None:
    simulation = Simulation(Turns(overall(), group_rates()))
    simulation.enter(-1, Priority.NOTICE)
    simulation.run_for(600)
    for _ in range(100):
        simulation.enter(-1, Priority.NOTICE)
    simulation.run_for(30)

    asked = []
    for _ in range(3):
        asked.append(simulation.now)
        simulation.enter(-1, Priority.REPLY)
        simulation.run_for(30)

    assert simulation.times(-1, Priority.REPLY) == asked
    minute = [time for time in simulation.times(-1) if 600 <= time <= 660 + A_MOMENT]
    assert len(minute) == 17 + 2
    assert len([time for time in minute if time <= 600 + A_MOMENT]) == 4


def test_replies_may_use_all_of_a_groups_messages_and_notices_all_but_three() -> None:
    most = {}
    for priority in (Priority.REPLY, Priority.NOTICE):
        simulation = Simulation(Turns(overall(), group_rates()))
        simulation.enter(-1, priority)
        simulation.run_for(600)
        for _ in range(60):
            simulation.enter(-1, priority)
        simulation.run_dry()
        most[priority] = busiest(simulation.times(-1), 60 + A_MOMENT)

    assert most == {Priority.REPLY: 20, Priority.NOTICE: 17}


def test_a_new_group_has_one_token_and_none_in_reserve() -> None:
    simulation = Simulation(Turns(overall(), group_rates()))
    for _ in range(2):
        simulation.enter(-1, Priority.REPLY)

    simulation.run_dry()

    assert simulation.times(-1) == pytest.approx([0, 60 / 13])


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 7, 13, 14, 20, 33])
def test_any_limit_of_a_group_is_kept_with_its_reserve(limit: int) -> None:
    simulation = Simulation(Turns(None, ChatRates(limit, 60.0)))
    simulation.enter(-1, Priority.NOTICE)
    simulation.run_for(7200)
    for priority in (Priority.NOTICE, Priority.REPLY) * (2 * limit):
        simulation.enter(-1, priority)

    simulation.run_dry()

    assert busiest(simulation.times(-1), 60) <= limit
    assert busiest(simulation.times(-1), 60 + A_MOMENT) >= limit - 1


def test_only_groups_have_a_limit_of_their_own() -> None:
    simulation = Simulation(Turns(None, group_rates()))
    for chat_id in (7, None):
        for _ in range(50):
            simulation.enter(chat_id, Priority.NOTICE)

    simulation.pump()

    assert len(simulation.given) == 100


def test_a_freeze_only_ever_gets_longer() -> None:
    simulation = Simulation(Turns(None, None))
    simulation.enter(7, Priority.URGENT)
    fresh = [
        simulation.turns.freeze(7, until, now)
        for until, now in [(10.0, 0.0), (3.0, 0.0), (20.0, 1.0)]
    ]

    simulation.run_dry()

    assert fresh == [True, False, False]
    assert simulation.times(7) == [20.0]


def test_a_frozen_kind_holds_every_chat_until_its_end() -> None:
    simulation = Simulation(Turns(None, None))
    fresh = [simulation.turns.freeze(None, until, 0.0) for until in (10.0, 3.0)]
    simulation.enter(7, Priority.URGENT)
    simulation.enter(None, Priority.URGENT)

    simulation.run_dry()

    assert fresh == [True, False]
    assert [time for time, *_ in simulation.given] == [10.0, 10.0]


def test_a_frozen_chat_holds_nobody_else() -> None:
    simulation = Simulation(Turns(overall(), group_rates()))
    simulation.freeze(-1, 100)
    simulation.enter(-1, Priority.URGENT)
    simulation.enter(-2, Priority.BACKGROUND)

    simulation.run_dry()

    assert simulation.times(-2) == [0.0]
    assert simulation.times(-1) == [100.0]


def test_who_is_cancelled_in_the_moment_of_their_turn_spends_nothing() -> None:
    simulation = Simulation(Turns(overall(), group_rates()))
    simulation.enter(-1, Priority.NOTICE)
    simulation.enter(-1, Priority.NOTICE)
    simulation.pump()

    simulation.cancel_given(0)
    simulation.pump()

    assert simulation.times(-1) == [0.0]
    assert not simulation.waiting


def test_who_is_cancelled_leaves_no_memory_behind() -> None:
    gc.collect()
    before = sum(isinstance(thing, (Turn, Lane, Chat)) for thing in gc.get_objects())
    turns = Turns(overall(), None)
    turns.freeze(None, 1e6, 0.0)
    first = turns.enter(0, Priority.NOTICE, 0.0)
    for number in range(5_000):
        for priority in Priority:
            turns.leave(turns.enter(number, priority, float(number)), float(number))
    turns.leave(first, 5e3)
    del first
    gc.collect()

    after = sum(isinstance(thing, (Turn, Lane, Chat)) for thing in gc.get_objects())
    assert after - before < 200  # a few lanes of those 5,000 still stand in a heap, out of date
    assert turns.statistics(5e3).chats == 0
    assert len(turns._ready._heap) + len(turns._asleep._heap) < 200
    assert turns.next(2e6) is None


def test_a_freeze_that_is_over_is_forgotten() -> None:
    turns = Turns(None, None)

    for number in range(5_000):
        turns.freeze(number, number + 10.0, float(number))

    assert turns.statistics(5e3).chats <= KEPT + 2
    assert turns.statistics(4_999.5).frozen_chats == 10


def test_memory_stays_bounded_however_many_groups_are_seen() -> None:
    turns = Turns(None, group_rates())
    most = 0
    for number in range(50_000):
        now = number / 20
        turns.enter(-1 - number, Priority.NOTICE, now)
        assert isinstance(turns.next(now), Turn)
        most = max(most, len(turns._chats))

    # A second token comes after 4.6 s, so some 92 of 20 a second cannot be forgotten yet.
    assert most <= KEPT + 200
    assert len(turns._ready._heap) + len(turns._asleep._heap) < 200


def test_memory_goes_down_after_a_rush() -> None:
    turns = Turns(None, group_rates())
    for number in range(5 * KEPT):
        turns.freeze(-1 - number, 10.0, 0.0)
    most = turns.statistics(0.0).chats

    for number in range(5 * KEPT):
        turns.freeze(-1_000_000 - number, 0.0, 20.0 + number)

    assert most == 5 * KEPT
    assert turns.statistics(20.0).chats <= KEPT + 2


def test_it_is_not_asked_again_before_the_kind_is_free() -> None:
    turns = Turns(overall(), group_rates())
    for _ in range(2):
        turns.enter(-1, Priority.NOTICE, 0.0)
    first = turns.next(0.0)
    turns.freeze(None, 100.0, 0.0)

    assert isinstance(first, Turn)
    assert turns.next(0.0) == 100.0


def test_a_forgotten_group_has_no_more_than_it_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "KEPT", 1)
    simulation = Simulation(Turns(None, group_rates()))
    for number in range(100):
        simulation.enter(-1, Priority.REPLY)
        simulation.run_for(1)
        simulation.enter(-1000 - number, Priority.REPLY)
        simulation.run_for(1)

    simulation.run_dry()

    assert busiest(simulation.times(-1), 60) <= 20


def test_a_turn_costs_few_steps_however_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns(None, group_rates())
    for number in range(10_000):  # all of them in one chat, frozen
        turns.enter(-1, Priority(number % 6), 0.0)
    turns.freeze(-1, 1e6, 0.0)
    for number in range(90_000):
        turns.enter(-2 - number % 9_999, Priority(number % 6), 0.0)
    steps = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any) -> Any:
            nonlocal steps
            steps += 1
            return function(*args)

        return step

    monkeypatch.setattr(agenda, "heappush", counted(heappush))
    monkeypatch.setattr(agenda, "heappop", counted(heappop))
    monkeypatch.setattr(Lane, "head", counted(Lane.head))

    given, now = 0, 0.0
    while given < 20_000:
        found = turns.next(now)
        if isinstance(found, Turn):
            given += 1
        else:
            assert found is not None
            now = found

    assert steps / given < 15


def test_statistics_count() -> None:
    turns = Turns(overall(), group_rates())
    simulation = Simulation(turns)
    for priority in (Priority.REPLY, Priority.NOTICE, Priority.NOTICE):
        simulation.enter(-1, priority)
    simulation.run_for(1.0)
    simulation.freeze(-1, 10)
    simulation.freeze(9, 10)

    statistics = turns.statistics(1.0)

    assert statistics.waiting == dict.fromkeys(Priority, 0) | {Priority.NOTICE: 2}
    assert statistics.tokens == pytest.approx(5)
    assert (statistics.given, statistics.waited) == (1, 0.0)
    assert (statistics.frozen, statistics.frozen_chats, statistics.chats) == (False, 2, 2)


def test_statistics_count_what_was_waited_and_forget_who_gave_back() -> None:
    turns = Turns(overall(), group_rates())
    simulation = Simulation(turns)
    for _ in range(3):
        simulation.enter(-1, Priority.NOTICE)
    simulation.run_dry()
    simulation.freeze(None, 10)

    before = turns.statistics(simulation.now)
    simulation.cancel_given(0)
    after = turns.statistics(simulation.now)

    interval = 60 / 13
    assert (before.given, after.given) == (3, 2)
    assert (before.waited, after.waited) == pytest.approx((3 * interval, interval))
    assert before.frozen


def test_without_a_limit_there_are_no_tokens() -> None:
    assert Turns(None, None).statistics(0.0).tokens is None
