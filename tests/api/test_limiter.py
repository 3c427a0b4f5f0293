from collections.abc import Sequence
from fractions import Fraction

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from gmbot.api.limiter import Kind, Limiter, Limits, Priority, kind_of

UNLIMITED = Limits(messages=0, group_messages=0, calls=0)


def busiest(times: Sequence[float], window: float) -> int:
    """Count the most that fall into one closed window, in exact arithmetic."""
    exact = [Fraction(time) for time in sorted(times)]
    most, first = 0, 0
    for last, time in enumerate(exact):
        while time - exact[first] > Fraction(window):
            first += 1
        most = max(most, last - first + 1)
    return most


class Callers:
    """Tasks that wait for their turn, and when they got it."""

    def __init__(self, nursery: trio.Nursery, limiter: Limiter) -> None:
        self.nursery = nursery
        self.limiter = limiter
        self.began = trio.current_time()
        self.times: list[float] = []
        self.names: list[str] = []

    def start(
        self,
        method: str,
        chat_id: int | None = None,
        priority: Priority = Priority.NOTICE,
        name: str = "",
    ) -> trio.CancelScope:
        scope = trio.CancelScope()
        self.nursery.start_soon(self._call, method, chat_id, priority, name, scope)
        return scope

    async def _call(
        self,
        method: str,
        chat_id: int | None,
        priority: Priority,
        name: str,
        scope: trio.CancelScope,
    ) -> None:
        with scope:
            await self.limiter.wait_turn(method, chat_id, priority)
            self.times.append(trio.current_time() - self.began)
            self.names.append(name)


async def waited(limiter: Limiter, method: str, chat_id: int | None = None) -> float:
    """Tell how long the turn took to come."""
    began = trio.current_time()
    await limiter.wait_turn(method, chat_id)
    return trio.current_time() - began


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("sendMessage", Kind.MESSAGES),
        ("sendPhoto", Kind.MESSAGES),
        ("editMessageText", Kind.MESSAGES),
        ("forwardMessages", Kind.MESSAGES),
        ("copyMessage", Kind.MESSAGES),
        ("deleteMessages", Kind.CALLS),
        ("restrictChatMember", Kind.CALLS),
        ("getChatMember", Kind.CALLS),
        ("editForumTopic", Kind.CALLS),
        ("answerChatJoinRequestQuery", Kind.CALLS),
        ("answerCallbackQuery", Kind.FREE),
        ("getUpdates", Kind.FREE),
    ],
)
def test_methods_have_a_kind(method: str, kind: Kind) -> None:
    assert kind_of(method) is kind


async def test_a_turn_that_is_there_is_given_without_a_task_switch(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    limiter = Limiter(Limits())
    others: list[str] = []

    async def other() -> None:
        others.append("ran")

    nursery.start_soon(other)
    await limiter.wait_turn("sendMessage", -1)

    assert others == []


@pytest.mark.parametrize(
    ("method", "chat_id", "limits", "window", "most", "last"),
    [
        pytest.param("sendMessage", 7, Limits(), 1, 25, 119 / 20, id="messages"),
        pytest.param("sendMessage", -7, Limits(), 60, 17, 119 * 60 / 13, id="notices in a group"),
        pytest.param("getChat", 7, Limits(), 1, 100, 119 / 90, id="other calls"),
        pytest.param("getChat", -7, Limits(calls=10), 1, 10, 119 / 9, id="ten other calls"),
    ],
)
async def test_calls_are_spread_over_time(
    method: str,
    chat_id: int,
    limits: Limits,
    window: float,
    most: int,
    last: float,
    nursery: trio.Nursery,
    autojump_clock: MockClock,
) -> None:
    limiter = Limiter(limits)
    await nursery.start(limiter.run)
    callers = Callers(nursery, limiter)
    for _ in range(120):
        callers.start(method, chat_id)

    await trio.sleep(1000)

    assert busiest(callers.times, window) <= most
    assert callers.times[-1] == pytest.approx(last)
    assert len(callers.times) == 120


async def test_first_come_first_served(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    limiter = Limiter(Limits())
    await nursery.start(limiter.run)
    callers = Callers(nursery, limiter)
    for number in range(30):
        callers.start("sendMessage", 7, name=str(number))
        await wait_all_tasks_blocked()

    await trio.sleep(10)

    assert callers.names == [str(number) for number in range(30)]


async def test_the_urgent_overtake(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    limiter = Limiter(Limits())
    await nursery.start(limiter.run)
    callers = Callers(nursery, limiter)
    await limiter.wait_turn("getChat")
    for priority in (Priority.BACKGROUND, Priority.LOOKUP, Priority.DELETION, Priority.URGENT):
        callers.start("getChat", None, priority, priority.name)
        await wait_all_tasks_blocked()

    await trio.sleep(1)

    assert callers.names == ["URGENT", "DELETION", "LOOKUP", "BACKGROUND"]


async def test_a_freeze_holds_who_waits_already(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    limiter = Limiter(Limits())
    await nursery.start(limiter.run)
    callers = Callers(nursery, limiter)
    for _ in range(3):
        callers.start("sendMessage", 7)
    await wait_all_tasks_blocked()

    limiter.freeze("editMessageText", 7, 30)
    await trio.sleep(100)

    assert callers.times == pytest.approx([0, 30, 30])


async def test_a_freeze_is_never_shortened(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    limiter = Limiter(UNLIMITED)
    await nursery.start(limiter.run)

    limiter.freeze("sendMessage", 7, 30)
    limiter.freeze("sendMessage", 7, 2)

    assert await waited(limiter, "sendMessage", 7) == pytest.approx(30)


async def test_a_freeze_holds_its_kind_in_its_chat_and_nothing_else(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    limiter = Limiter(Limits())
    await nursery.start(limiter.run)
    limiter.freeze("sendMessage", -7, 30)
    await trio.sleep(1)

    others = [
        await waited(limiter, "sendMessage", -8),
        await waited(limiter, "deleteMessage", -7),
        await waited(limiter, "answerCallbackQuery"),
    ]

    assert others == [0, 0, 0]
    assert await waited(limiter, "sendMessage", -7) == pytest.approx(29)


async def test_a_freeze_without_a_chat_holds_the_kind(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    limiter = Limiter(UNLIMITED)
    await nursery.start(limiter.run)
    limiter.freeze("getChatMember", None, 30)

    message = await waited(limiter, "sendMessage", 7)
    call = await waited(limiter, "deleteMessage", 7)

    assert (message, call) == pytest.approx((0, 30))


async def test_answers_to_presses_and_polls_are_never_held(autojump_clock: MockClock) -> None:
    limiter = Limiter(Limits())
    for method in ("answerCallbackQuery", "getUpdates"):
        limiter.freeze(method, None, 30)

    for _ in range(1000):
        await limiter.wait_turn("answerCallbackQuery")
        await limiter.wait_turn("getUpdates")

    assert trio.current_time() == autojump_clock.current_time()
    assert not any(kind.frozen for kind in limiter.statistics().kinds.values())


async def test_who_is_cancelled_while_waiting_spends_nothing(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    limiter = Limiter(Limits())
    await nursery.start(limiter.run)
    callers = Callers(nursery, limiter)
    callers.start("sendMessage", -7)
    await wait_all_tasks_blocked()
    for _ in range(10):
        callers.start("sendMessage", -7).cancel()
    scopes = [callers.start("sendMessage", -7) for _ in range(10)]
    await trio.sleep(1)
    for scope in scopes:
        scope.cancel()
    callers.start("sendMessage", -7)

    await trio.sleep(1000)

    assert callers.times == pytest.approx([0, 60 / 13])
    assert limiter.statistics().kinds[Kind.MESSAGES].given == 2
    assert not limiter._parked


async def test_who_is_cancelled_in_the_moment_of_their_turn_spends_nothing(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    limiter = Limiter(Limits(messages=2))
    await nursery.start(limiter.run)
    callers = Callers(nursery, limiter)
    await limiter.wait_turn("sendMessage", 7)
    # Alarm and cancellation fall on one moment; trio runs them in either order, so try often.
    for round_ in range(1, 41):
        victim = callers.start("sendMessage", 7, name="victim")
        await wait_all_tasks_blocked()
        callers.start("sendMessage", 7, name="heir")
        await wait_all_tasks_blocked()

        await trio.sleep_until(callers.began + round_)
        victim.cancel()
        await wait_all_tasks_blocked()
    statistics = limiter.statistics().kinds[Kind.MESSAGES]

    assert callers.times == pytest.approx(range(1, 41))
    assert set(callers.names) == {"heir"}
    assert statistics.given == 41
    assert sum(statistics.waiting.values()) == 0


async def test_a_caller_who_is_cancelled_already_spends_nothing(autojump_clock: MockClock) -> None:
    limiter = Limiter(Limits())

    with trio.CancelScope() as scope:
        scope.cancel()
        await limiter.wait_turn("sendMessage", -7)

    assert scope.cancelled_caught
    assert limiter.statistics().kinds[Kind.MESSAGES].given == 0


async def test_limits_of_zero_hold_nobody(autojump_clock: MockClock) -> None:
    limiter = Limiter(UNLIMITED)
    began = trio.current_time()

    for method in ("sendMessage", "getChat"):
        for _ in range(500):
            await limiter.wait_turn(method, -7)

    assert trio.current_time() == began
    assert limiter.statistics().calls_limit == 0
    assert limiter.statistics().kinds[Kind.MESSAGES].chats == 0


async def test_calls_are_halved_by_a_429_once_for_all_that_were_in_flight(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    limiter = Limiter(Limits())
    limits = []

    for chat_id, later in [(-7, 0), (-8, 0), (None, 0), (-7, 5), (-7, 30)]:
        await trio.sleep(later)
        limiter.freeze("restrictChatMember", chat_id, 30)
        limits.append(limiter.statistics().calls_limit)

    grown = 50 + 35 * 100 / 120
    assert limits == pytest.approx([50, 50, 50, 50 + 500 / 120, grown / 2])


async def test_a_429_of_a_message_slows_nothing_else(autojump_clock: MockClock) -> None:
    limiter = Limiter(Limits())

    limiter.freeze("sendMessage", -7, 30)

    assert limiter.statistics().calls_limit == 100


async def test_a_429_without_a_limit_of_our_own_freezes_only(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    limiter = Limiter(UNLIMITED)
    await nursery.start(limiter.run)

    limiter.freeze("getChat", None, 30)

    assert await waited(limiter, "getChat") == pytest.approx(30)


async def test_statistics_tell_who_waits(nursery: trio.Nursery, autojump_clock: MockClock) -> None:
    limiter = Limiter(Limits())
    await nursery.start(limiter.run)
    callers = Callers(nursery, limiter)
    for _ in range(3):
        callers.start("sendMessage", -7, Priority.NOTICE)
    callers.start("deleteMessage", -7, Priority.DELETION)
    limiter.freeze("deleteMessage", None, 30)
    await trio.sleep(1)

    statistics = limiter.statistics()
    messages, calls = statistics.kinds[Kind.MESSAGES], statistics.kinds[Kind.CALLS]

    assert (messages.waiting[Priority.NOTICE], calls.waiting[Priority.DELETION]) == (2, 1)
    assert (messages.given, calls.given) == (1, 0)
    assert (messages.frozen, calls.frozen) == (False, True)


# Callers of many kinds: (pause before, chat, priority, seconds until they give up or None).
CALLERS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.0, 0.05, 1.0, 70.0]),
        st.sampled_from([-1, -2, 7, None]),
        st.sampled_from(Priority),
        st.sampled_from([None, None, 0.0, 0.05, 10.0]),
        st.sampled_from([0.0, 0.0, 0.0, 0.05, 20.0]),
    ),
    max_size=60,
)
Plan = list[tuple[float, int | None, Priority, float | None, float]]


@settings(deadline=None, max_examples=40)
@given(CALLERS)
def test_whatever_comes_the_limits_hold_and_the_patient_get_their_turn(plan: Plan) -> None:
    times: list[tuple[float, int | None]] = []
    frozen: list[tuple[float, float, int | None]] = []
    patient = 0

    async def call(
        limiter: Limiter, chat_id: int | None, priority: Priority, patience: float
    ) -> None:
        with trio.move_on_after(patience):
            await limiter.wait_turn("sendMessage", chat_id, priority)
            times.append((trio.current_time(), chat_id))
            nonlocal patient
            patient -= patience == float("inf")

    async def main() -> None:
        nonlocal patient
        limiter = Limiter(Limits())
        async with trio.open_nursery() as nursery:
            await nursery.start(limiter.run)
            async with trio.open_nursery() as callers:
                # After a long pause, a rush: a burst without a cap would show.
                rush: Plan = [(600.0, -1, Priority.REPLY, None, 0.0)]
                rush += [
                    (0.0, -1, Priority.NOTICE, None, 0.0),
                    (0.0, 7, Priority.REPLY, None, 0.0),
                ] * 30
                for pause, chat_id, priority, patience, freeze in [*plan, *rush]:
                    await trio.sleep(pause)
                    if freeze:
                        now = trio.current_time()
                        frozen.append((now, now + freeze, chat_id))
                        limiter.freeze("sendMessage", chat_id, freeze)
                    patient += patience is None
                    seconds = float("inf") if patience is None else patience
                    callers.start_soon(call, limiter, chat_id, priority, seconds)
            statistics = limiter.statistics().kinds[Kind.MESSAGES]
            assert statistics.given == len(times)
            assert sum(statistics.waiting.values()) == 0
            nursery.cancel_scope.cancel()

    trio.run(main, clock=MockClock(autojump_threshold=0))

    assert patient == 0
    assert busiest([time for time, _ in times], 1) <= 25
    for group in (-1, -2):
        assert busiest([time for time, chat_id in times if chat_id == group], 60) <= 20
    for begin, end, chat in frozen:
        assert not any(begin < time < end and chat in (None, chat_id) for time, chat_id in times)
