"""The order of the stack: the limiter's turn, the breaker's word at sending, the wire."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import trio

from gmbot.api.backoff import Backoff
from gmbot.api.breaker import BreakerPolicy, State
from gmbot.api.client import BotApi
from gmbot.api.errors import ApiError, CircuitOpen, NetworkFailure
from gmbot.api.limiter import Kind, Limits
from gmbot.api.records import CallRecord, FreezeRecord, Outcome

if TYPE_CHECKING:
    from trio.testing import MockClock

    from tests.api.client.conftest import OpenStack, Say, Stack

GROUP = -1001
NO_REPEATS = Backoff(attempts=0)
THREE = BreakerPolicy(failures=3, successes=2, rest=10.0, max_rest=10.0)


class NobodyLeftError(Exception):
    pass


def nobody_left() -> dict[str, object]:
    raise NobodyLeftError


@pytest.fixture
async def fragile(open_stack: OpenStack) -> Stack:
    return await open_stack(policy=THREE, backoff=NO_REPEATS)


async def failing(stack: Stack, say: Say, times: int) -> None:
    stack.wire.replies[:0] = [say.no(500)] * times
    for _ in range(times):
        with pytest.raises(ApiError):
            await stack.api.call("getMe", {}, bool)


async def test_an_open_breaker_refuses_without_sending(
    autojump_clock: MockClock, fragile: Stack, say: Say
) -> None:
    await failing(fragile, say, 3)
    await trio.sleep(4)

    with pytest.raises(CircuitOpen) as caught:
        await fragile.api.call("sendMessage", {"chat_id": GROUP}, bool)

    assert caught.value.retry_in == pytest.approx(6.0)
    assert len(fragile.wire.sent) == 3
    assert fragile.calls[-1] == CallRecord("sendMessage", Outcome.CIRCUIT_OPEN, 1, 0.0, 0.0)


async def test_the_breaker_judges_when_the_turn_has_come_and_not_before(
    autojump_clock: MockClock, fragile: Stack, say: Say
) -> None:
    fragile.limiter.freeze("sendMessage", GROUP, 5.0)
    refused: list[float] = []

    async def send() -> None:
        with pytest.raises(CircuitOpen):
            await fragile.api.call("sendMessage", {"chat_id": GROUP}, bool)
        refused.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        began = trio.current_time()
        nursery.start_soon(send)
        await trio.sleep(1)
        await failing(fragile, say, 3)

    assert refused == [began + 5.0]


async def test_a_call_that_waited_while_the_breaker_was_open_goes_when_it_has_rested(
    autojump_clock: MockClock, fragile: Stack, say: Say
) -> None:
    await failing(fragile, say, 3)
    fragile.limiter.freeze("sendMessage", GROUP, 11.0)

    assert await fragile.api.call("sendMessage", {"chat_id": GROUP}, bool)

    assert fragile.wire.times[-1] == 11.0


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 413, 429])
async def test_a_refusal_is_a_success_of_the_server(
    autojump_clock: MockClock, fragile: Stack, say: Say, code: int
) -> None:
    await failing(fragile, say, 2)
    fragile.wire.replies = [say.no(code)]

    with pytest.raises(ApiError):
        await fragile.api.call("answerCallbackQuery", {}, bool)

    await failing(fragile, say, 2)
    assert fragile.breaker.state is State.CLOSED


@pytest.mark.parametrize("trouble", ["500", "502", "html", "html 404", "empty", "sent", "unsent"])
async def test_a_server_that_fails_and_a_network_that_fails_open_the_breaker(
    autojump_clock: MockClock, fragile: Stack, say: Say, trouble: str
) -> None:
    replies = {
        "500": say.no(500),
        "502": say.no(502),
        "html": say.html(503),
        "html 404": say.html(404),
        "empty": say.html(200),
        "sent": say.nothing(sent=True),
        "unsent": say.nothing(sent=False),
    }
    fragile.wire.replies = [replies[trouble]] * 3

    states = []
    for _ in range(3):
        with pytest.raises(ApiError):
            await fragile.api.call("getMe", {}, bool)
        states.append(fragile.breaker.state)

    assert states == [State.CLOSED, State.CLOSED, State.OPEN]


async def test_a_cancelled_call_says_nothing_about_the_server(
    autojump_clock: MockClock, fragile: Stack, say: Say
) -> None:
    await failing(fragile, say, 2)
    fragile.wire.latency = 100.0
    with trio.move_on_after(5) as scope:
        await fragile.api.call("getMe", {}, bool)
    assert scope.cancelled_caught
    assert fragile.calls[-1] == CallRecord("getMe", Outcome.CANCELLED, 1, 0.0, 5.0)

    fragile.wire.latency = 0.0
    await failing(fragile, say, 1)  # the third: the cancelled one was no success either

    assert fragile.breaker.state is State.OPEN


async def test_a_cancelled_probe_leaves_the_place_to_the_next(
    autojump_clock: MockClock, fragile: Stack, say: Say
) -> None:
    await failing(fragile, say, 3)
    await trio.sleep(10)
    fragile.wire.latency = 100.0
    with trio.move_on_after(1):
        await fragile.api.call("getMe", {}, bool)

    fragile.wire.latency = 0.0
    for _ in range(2):
        await fragile.api.call("getMe", {}, bool)

    assert fragile.breaker.state is State.CLOSED


async def test_what_is_no_error_of_ours_goes_through_and_counts_as_nothing(
    autojump_clock: MockClock, fragile: Stack, say: Say
) -> None:
    def broken(_method: str) -> Any:
        raise ZeroDivisionError

    await failing(fragile, say, 2)
    fragile.wire.replies = [broken]

    with pytest.raises(ZeroDivisionError):
        await fragile.api.call("getMe", {}, bool)

    assert fragile.breaker.state is State.CLOSED
    assert fragile.calls[-1].outcome is Outcome.CANCELLED


async def test_late_parameters_are_asked_for_when_the_turn_has_come(
    autojump_clock: MockClock, stack: Stack
) -> None:
    stack.limiter.freeze("sendMessage", GROUP, 5.0)
    began = trio.current_time()

    await stack.api.call(
        "sendMessage",
        {"chat_id": GROUP, "text": "then"},
        bool,
        late=lambda: {"text": f"{trio.current_time() - began:.0f} s later", "unset": None},
    )

    assert stack.wire.sent[0].params == {"chat_id": GROUP, "text": "5 s later"}


async def test_late_parameters_are_asked_for_anew_at_each_attempt(
    autojump_clock: MockClock, stack: Stack, say: Say
) -> None:
    stack.wire.replies = [say.no(429, retry_after=3), say.nothing(sent=False)]
    texts = iter(("one", "two", "three"))

    await stack.api.call(
        "sendMessage", {"chat_id": GROUP}, bool, late=lambda: {"text": next(texts)}
    )

    assert [sent.params["text"] for sent in stack.wire.sent] == ["one", "two", "three"]


async def test_late_parameters_are_not_asked_for_where_the_breaker_refuses(
    autojump_clock: MockClock, fragile: Stack, say: Say
) -> None:
    await failing(fragile, say, 3)

    with pytest.raises(CircuitOpen):
        await fragile.api.call("sendMessage", {"chat_id": GROUP}, bool, late=nobody_left)


async def test_what_late_parameters_raise_ends_the_call_unsent(
    autojump_clock: MockClock, fragile: Stack, say: Say
) -> None:
    await failing(fragile, say, 3)
    await trio.sleep(10)  # a probe is due: the most delicate moment

    with pytest.raises(NobodyLeftError):
        await fragile.api.call("sendMessage", {"chat_id": GROUP}, bool, late=nobody_left)

    assert len(fragile.wire.sent) == 3
    assert fragile.breaker.statistics().retry_in is None  # a probe is admitted at once
    assert sum(fragile.limiter.statistics().kinds[Kind.MESSAGES].waiting.values()) == 0
    for _ in range(2):
        await fragile.api.call("sendMessage", {"chat_id": GROUP}, bool)
    assert fragile.breaker.state is State.CLOSED


async def test_records_tell_each_attempt_exactly(
    autojump_clock: MockClock, stack: Stack, say: Say
) -> None:
    stack.limiter.freeze("sendMessage", GROUP, 2.0)
    stack.wire.latency = 0.5
    stack.wire.replies = [
        say.no(429, retry_after=4),
        say.nothing(sent=False),
        say.no(400, "Bad Request: chat not found"),
    ]

    with pytest.raises(ApiError):
        await stack.api.call("sendMessage", {"chat_id": GROUP}, bool)

    assert stack.records == [
        FreezeRecord("sendMessage", 4.0, GROUP),
        CallRecord("sendMessage", Outcome.FLOOD, 1, 2.0, 0.5),
        CallRecord("sendMessage", Outcome.NETWORK, 1, 4.0, 0.5),
        CallRecord("sendMessage", Outcome.REFUSED, 2, 0.0, 0.5),
    ]


async def test_a_call_cancelled_while_it_waits_for_its_turn_was_no_attempt(
    autojump_clock: MockClock, stack: Stack
) -> None:
    stack.limiter.freeze("sendMessage", GROUP, 60.0)

    with trio.move_on_after(1):
        await stack.api.call("sendMessage", {"chat_id": GROUP}, bool)

    assert stack.records == []
    assert stack.wire.sent == []


async def test_a_public_name_is_no_group_for_the_limiter(
    autojump_clock: MockClock, open_stack: OpenStack, say: Say
) -> None:
    stack = await open_stack(limits=Limits(messages=25, group_messages=20, calls=0))
    await trio.sleep(60)

    for _ in range(12):
        await stack.api.call("sendMessage", {"chat_id": "@channel"}, bool)

    assert stack.wire.times[-1] - stack.wire.times[0] < 1.0
    stack.wire.replies = [say.no(429, retry_after=2)]
    await stack.api.call("sendMessage", {"chat_id": "@channel"}, bool)
    assert stack.freezes == [FreezeRecord("sendMessage", 2.0, None)]


async def test_a_group_has_its_own_limit(autojump_clock: MockClock, open_stack: OpenStack) -> None:
    stack = await open_stack(limits=Limits(messages=25, group_messages=20, calls=0))

    async with trio.open_nursery() as nursery:
        for _ in range(12):
            nursery.start_soon(stack.api.call, "sendMessage", {"chat_id": GROUP}, bool)

    assert stack.wire.times[-1] - stack.wire.times[0] > 10.0


async def test_the_read_timeout_outlasts_the_servers_own_patience(
    autojump_clock: MockClock, stack: Stack, say: Say
) -> None:
    stack.wire.replies = [say.ok(), say.ok([])]

    await stack.api.call("getMe", {}, bool)
    await stack.api.get_updates(offset=None, limit=1, timeout=50, allowed_updates=())

    assert [sent.read_timeout for sent in stack.wire.sent] == [20.0, 60.0]


async def test_nobody_has_to_observe(autojump_clock: MockClock, stack: Stack, say: Say) -> None:
    api = BotApi(stack.wire, limiter=stack.limiter, breaker=stack.breaker, random=Random(1))
    stack.wire.replies = [say.no(429, retry_after=1)]

    assert await api.call("sendMessage", {"chat_id": GROUP}, bool)


async def test_a_failure_of_the_network_names_what_was_called(
    autojump_clock: MockClock, stack: Stack, say: Say
) -> None:
    stack.wire.replies = [say.nothing(sent=True)] * 4

    with pytest.raises(NetworkFailure) as caught:
        await stack.api.get_chat(GROUP)

    assert caught.value.method == "getChat"
