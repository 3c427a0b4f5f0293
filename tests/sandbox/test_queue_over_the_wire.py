import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from gmbot.sandbox.faults import Fault
from gmbot.sandbox.telegram import Telegram

MESSAGE = {"message_id": 1, "date": 1, "chat": {"id": -1001, "type": "group"}, "text": "hi"}

Ask = Callable[..., Awaitable[httpx.Response]]


async def test_updates_arrive_with_their_ids_and_count_as_delivered(
    telegram: Telegram, ask: Ask
) -> None:
    telegram.world.tell(telegram.bot, "message", MESSAGE)

    answer = await ask("getUpdates")

    (entry,) = telegram.outlet().queue.pending
    assert answer.json()["result"] == [{"update_id": entry.update_id, "message": MESSAGE}]
    assert telegram.calls[-1].result == [entry.update_id]
    assert entry.delivered == 1


async def test_an_answer_that_was_reset_does_not_count_as_delivered(
    telegram: Telegram, ask: Ask
) -> None:
    telegram.world.tell(telegram.bot, "message", MESSAGE)
    telegram.faults.add(Fault.reset(), method="getUpdates", times=1)
    try:
        await ask("getUpdates")
    except httpx.TransportError:
        await ask("getUpdates")

    (entry,) = telegram.outlet().queue.pending
    assert entry.delivered == 1
    assert telegram.outlet().poll.offset_repeats == 0


async def test_an_answer_to_a_client_that_left_does_not_count_as_delivered(
    telegram: Telegram, ask: Ask
) -> None:
    async with trio.open_nursery() as client:
        client.start_soon(partial(ask, "getUpdates", timeout=50))
        with trio.fail_after(5):
            await telegram.wait_until(lambda: telegram.log.open["getUpdates"] == 1)
        client.cancel_scope.cancel()
    telegram.world.tell(telegram.bot, "message", MESSAGE)
    with trio.fail_after(5):
        await telegram.wait_call(lambda call: call.method == "getUpdates")

    (entry,) = telegram.outlet().queue.pending
    assert entry.delivered == 0


async def test_a_waiting_poll_is_terminated_by_set_webhook(
    telegram: Telegram, ask: Ask, nursery: trio.Nursery
) -> None:
    answers: list[httpx.Response] = []

    async def poll() -> None:
        answers.append(await ask("getUpdates", timeout=50))

    nursery.start_soon(poll)
    with trio.fail_after(5):
        await telegram.wait_until(lambda: telegram.log.open["getUpdates"] == 1)
    await ask("setWebhook", url="http://127.0.0.1:9/hook")
    with trio.fail_after(5):
        await telegram.wait_call(lambda call: call.method == "getUpdates")
    active = await ask("getUpdates")

    assert "terminated by setWebhook request" in answers[0].text
    assert "while webhook is active" in active.text
    await ask("deleteWebhook")
    assert (await ask("getUpdates", offset=1)).status_code == 200


async def test_what_is_injected_is_not_checked(telegram: Telegram, ask: Any) -> None:
    telegram.inject("unheard_of", {"a": 1})

    answer = await ask("getUpdates")

    assert answer.json()["result"][0]["unheard_of"] == {"a": 1}


async def test_without_a_wire_time_may_be_virtual(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    telegram = Telegram()

    async def happen() -> None:
        await trio.sleep(30)
        telegram.world.tell(telegram.bot, "message", MESSAGE)

    nursery.start_soon(happen)
    start = telegram.now()

    reply = await telegram.ask("getUpdates", b'{"timeout":50}')
    refused = await telegram.ask("getMe", token="1:abc")

    assert telegram.now() - start == pytest.approx(30)
    assert len(json.loads(reply.body)["result"]) == 1
    assert telegram.outlet().queue.pending[0].delivered == 1
    assert refused.status == 401
