"""What is repeated, how often and when."""

from __future__ import annotations

from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING

import pytest
import trio

from gmbot.api.backoff import Backoff
from gmbot.api.breaker import BreakerPolicy
from gmbot.api.client import METHODS
from gmbot.api.errors import (
    ApiError,
    CircuitOpen,
    NetworkFailure,
    Refusal,
    RetryAfter,
    ServerUnavailable,
)
from gmbot.api.limiter import Kind
from gmbot.api.records import FreezeRecord, Outcome

if TYPE_CHECKING:
    from trio.testing import MockClock

    from tests.api.client.conftest import OpenStack, Say, Stack

SEED = 5
ONCE = {"sendMessage", "createChatInviteLink"}
GROUP = -1001


def delays() -> list[float]:
    random = Random(SEED)
    return [Backoff().delay(attempt, random) for attempt in range(3)]


def times_of(count: int) -> list[float]:
    return list(accumulate(delays()[: count - 1], initial=0.0))


@pytest.mark.parametrize("method", [*METHODS, "setWebhook", "approveChatJoinRequest"])
async def test_what_does_no_harm_is_repeated_at_most_three_times_after_a_5xx(
    autojump_clock: MockClock, stack: Stack, say: Say, method: str
) -> None:
    stack.wire.replies = [say.no(502, "Bad Gateway")] * 9

    with pytest.raises(ServerUnavailable):
        await stack.api.call(method, {}, bool)

    assert len(stack.wire.sent) == (1 if method in ONCE else 4)


@pytest.mark.parametrize(
    "method", ["sendMessage", "copyMessage", "forwardMessage", "banChatMember"]
)
@pytest.mark.parametrize("trouble", ["nothing", "html", "500"])
async def test_what_may_have_happened_already_is_not_sent_again(
    autojump_clock: MockClock, stack: Stack, say: Say, method: str, trouble: str
) -> None:
    replies = {"nothing": say.nothing(sent=True), "html": say.html(504), "500": say.no(500)}
    stack.wire.replies = [replies[trouble]]

    with pytest.raises(NetworkFailure if trouble == "nothing" else ServerUnavailable):
        await stack.api.call(method, {"chat_id": GROUP}, bool)

    assert len(stack.wire.sent) == 1


@pytest.mark.parametrize("method", ["sendMessage", "createChatInviteLink", "getMe"])
async def test_what_never_left_is_sent_again(
    autojump_clock: MockClock, stack: Stack, say: Say, method: str
) -> None:
    stack.wire.replies = [say.nothing(sent=False)] * 3

    assert await stack.api.call(method, {}, bool)

    assert len(stack.wire.sent) == 4


async def test_a_send_that_left_at_the_second_attempt_is_not_sent_a_third_time(
    autojump_clock: MockClock, stack: Stack, say: Say
) -> None:
    stack.wire.replies = [say.nothing(sent=False), say.nothing(sent=True)]

    with pytest.raises(NetworkFailure) as caught:
        await stack.api.call("sendMessage", {}, bool)

    assert caught.value.sent
    assert len(stack.wire.sent) == 2


async def test_pauses_grow_and_are_jittered_by_the_random_that_was_given(
    autojump_clock: MockClock, stack: Stack, say: Say
) -> None:
    stack.wire.replies = [say.no(500)] * 9

    with pytest.raises(ServerUnavailable):
        await stack.api.get_me()

    assert stack.wire.times == pytest.approx(times_of(4))
    assert delays() == pytest.approx([0.5, 1.0, 2.0], abs=0.25)
    assert delays() != pytest.approx([0.5, 1.0, 2.0], abs=0.001)


async def test_a_success_after_failures_is_returned(
    autojump_clock: MockClock, stack: Stack, say: Say
) -> None:
    stack.wire.replies = [say.no(500), say.html(502), say.nothing(sent=True)]

    assert await stack.api.call("getMe", {}, bool)

    assert [(call.outcome, call.attempt) for call in stack.calls] == [
        (Outcome.UNAVAILABLE, 1),
        (Outcome.UNAVAILABLE, 2),
        (Outcome.NETWORK, 3),
        (Outcome.OK, 4),
    ]


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 413])
async def test_a_refusal_is_final(
    autojump_clock: MockClock, stack: Stack, say: Say, code: int
) -> None:
    stack.wire.replies = [say.no(code)]

    with pytest.raises(Refusal):
        await stack.api.get_me()

    assert len(stack.wire.sent) == 1


async def test_a_result_of_another_type_is_final(
    autojump_clock: MockClock, stack: Stack, say: Say
) -> None:
    stack.wire.replies = [say.ok({"id": "seven"})]

    with pytest.raises(ServerUnavailable):
        await stack.api.get_me()

    assert len(stack.wire.sent) == 1


async def test_the_number_of_repeats_is_configured(
    autojump_clock: MockClock, open_stack: OpenStack, say: Say
) -> None:
    stack = await open_stack(backoff=Backoff(attempts=0))
    stack.wire.replies = [say.no(500)]

    with pytest.raises(ServerUnavailable):
        await stack.api.get_me()

    assert stack.wire.times == [0.0]


@pytest.mark.parametrize("method", ["sendMessage", "getChatMember", "createChatInviteLink"])
async def test_a_429_waits_exactly_as_told_as_often_as_it_is_told(
    autojump_clock: MockClock, stack: Stack, say: Say, method: str
) -> None:
    stack.wire.replies = [say.no(429, retry_after=7)] * 20

    assert await stack.api.call(method, {"chat_id": GROUP}, bool)

    assert stack.wire.times == [7.0 * i for i in range(21)]
    assert stack.freezes == [FreezeRecord(method, 7.0, GROUP)] * 20


async def test_a_429_is_no_attempt(autojump_clock: MockClock, stack: Stack, say: Say) -> None:
    stack.wire.replies = [say.no(500), say.no(429, retry_after=1)] * 9

    with pytest.raises(ServerUnavailable):
        await stack.api.get_me()

    assert [(call.outcome, call.attempt) for call in stack.calls] == [
        (Outcome.UNAVAILABLE, 1),
        (Outcome.FLOOD, 2),
        (Outcome.UNAVAILABLE, 2),
        (Outcome.FLOOD, 3),
        (Outcome.UNAVAILABLE, 3),
        (Outcome.FLOOD, 4),
        (Outcome.UNAVAILABLE, 4),
    ]


async def test_a_429_in_one_chat_holds_that_chat_alone(
    autojump_clock: MockClock, stack: Stack, say: Say, nursery: trio.Nursery
) -> None:
    stack.wire.replies = [say.no(429, retry_after=30)]
    nursery.start_soon(stack.api.call, "sendMessage", {"chat_id": GROUP}, bool)
    await trio.sleep(1)

    await stack.api.call("sendMessage", {"chat_id": -2002}, bool)
    await stack.api.call("deleteMessage", {"chat_id": GROUP}, bool)
    await stack.api.call("sendMessage", {"chat_id": GROUP}, bool)

    assert [(sent.at, sent.method, sent.params["chat_id"]) for sent in stack.wire.sent] == [
        (0.0, "sendMessage", GROUP),
        (1.0, "sendMessage", -2002),
        (1.0, "deleteMessage", GROUP),
        (30.0, "sendMessage", GROUP),
        (30.0, "sendMessage", GROUP),
    ]


async def test_a_429_where_no_chat_was_named_holds_the_whole_kind(
    autojump_clock: MockClock, stack: Stack, say: Say, nursery: trio.Nursery
) -> None:
    stack.wire.replies = [say.no(429, retry_after=30)]
    nursery.start_soon(stack.api.call, "getMe", {}, bool)
    await trio.sleep(1)

    await stack.api.call("getChat", {"chat_id": GROUP}, bool)

    assert stack.wire.times == [0.0, 30.0, 30.0]
    assert stack.freezes == [FreezeRecord("getMe", 30.0, None)]


@pytest.mark.parametrize("method", ["getUpdates", "answerCallbackQuery"])
async def test_what_nothing_holds_back_does_not_wait_in_here_after_a_429(
    autojump_clock: MockClock, stack: Stack, say: Say, method: str
) -> None:
    stack.wire.replies = [say.no(429, retry_after=30)]

    with pytest.raises(RetryAfter) as caught:
        await stack.api.call(method, {}, bool)

    assert caught.value.retry_after == 30.0
    assert stack.wire.times == [0.0]
    assert not any(kind.frozen for kind in stack.limiter.statistics().kinds.values())
    assert [(call.outcome, call.attempt) for call in stack.calls] == [(Outcome.FLOOD, 1)]


async def test_a_deadline_of_the_caller_ends_the_wait_for_a_429(
    autojump_clock: MockClock, stack: Stack, say: Say
) -> None:
    stack.wire.replies = [say.no(429, retry_after=30)]

    with pytest.raises(trio.TooSlowError), trio.fail_after(5):
        await stack.api.get_me()

    assert sum(stack.limiter.statistics().kinds[Kind.CALLS].waiting.values()) == 0


async def test_each_attempt_pays_for_its_turn(
    autojump_clock: MockClock, stack: Stack, say: Say
) -> None:
    stack.wire.replies = [say.no(500), say.no(429, retry_after=1), say.no(500), say.no(500)]

    assert await stack.api.call("getMe", {}, bool)

    assert stack.limiter.statistics().kinds[Kind.CALLS].given == 5


async def test_a_breaker_that_opens_between_two_attempts_ends_the_call(
    autojump_clock: MockClock, open_stack: OpenStack, say: Say
) -> None:
    stack = await open_stack(policy=BreakerPolicy(failures=2, rest=60.0, max_rest=60.0))
    stack.wire.replies = [say.no(500)] * 9

    with pytest.raises(CircuitOpen) as caught:
        await stack.api.get_me()

    assert len(stack.wire.sent) == 2
    assert caught.value.retry_in == pytest.approx(60.0 - delays()[1])
    assert isinstance(caught.value, ApiError)
    assert caught.value.__cause__ is None
