import json
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
import trio
import trio.testing
import trustme

from gmbot.sandbox import delivery
from gmbot.sandbox.delivery import DeliveryOptions
from gmbot.sandbox.replies import Reply
from gmbot.sandbox.server import Request, Server
from gmbot.sandbox.telegram import Telegram

Ask = Callable[..., Awaitable[httpx.Response]]
OK = Reply(body=b"{}")


def message(chat: int, number: int = 1) -> dict[str, Any]:
    return {"message_id": number, "date": 1, "chat": {"id": chat, "type": "group"}, "text": "hi"}


class Receiver:
    """A webhook receiver that answers as a test wants; `got` holds (chat, message_id)."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.got: list[tuple[int, int]] = []
        self.open = 0
        self.most_open = 0
        self.answer: Callable[[int, int], Awaitable[Reply]] = self.accept
        self.server = Server(self.handle)
        self.url = ""

    async def accept(self, chat: int, number: int) -> Reply:
        return OK

    async def handle(self, request: Request) -> Reply:
        self.requests.append(request)
        content = json.loads(request.body)["message"]
        key = content["chat"]["id"], content["message_id"]
        self.got.append(key)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            return await self.answer(*key)
        finally:
            self.open -= 1


@pytest.fixture
def telegram_options() -> dict[str, Any]:
    return {"delivery": DeliveryOptions(retry_base=0.01)}


@pytest.fixture
async def receiver(nursery: trio.Nursery) -> Receiver:
    receiver = Receiver()
    host, port = await nursery.start(receiver.server.run)
    receiver.url = f"http://{host}:{port}/hook"
    return receiver


def tell(telegram: Telegram, chat: int, number: int = 1) -> None:
    telegram.world.tell(telegram.bot, "message", message(chat, number))


async def wait_delivered(telegram: Telegram, number: int) -> None:
    with trio.fail_after(10):
        await telegram.wait_until(
            lambda: sum(attempt.error is None for attempt in telegram.outlet().attempts) >= number
        )


async def test_updates_are_posted_with_the_secret_in_a_header(
    telegram: Telegram, receiver: Receiver, ask: Ask
) -> None:
    tell(telegram, 1)
    url = receiver.url.replace("http://", "http://me:pw@") + "?a=b"
    await ask("setWebhook", url=url, secret_token="s3cret")
    await wait_delivered(telegram, 1)
    tell(telegram, 1, 2)
    await wait_delivered(telegram, 2)

    first, second = receiver.requests
    headers = dict(first.headers)
    assert (first.path, first.query) == ("/hook", "a=b")
    assert headers[b"x-telegram-bot-api-secret-token"] == b"s3cret"
    assert headers[b"authorization"] == b"Basic bWU6cHc="
    assert first.content_type == "application/json"
    assert json.loads(second.body)["message"] == message(1, 2)
    assert json.loads(second.body)["update_id"] == json.loads(first.body)["update_id"] + 1
    assert receiver.server.connections == 1
    assert (await ask("getWebhookInfo")).json()["result"]["pending_update_count"] == 0


async def test_order_is_kept_within_a_chat_while_chats_go_side_by_side(
    telegram: Telegram, receiver: Receiver, ask: Ask
) -> None:
    together = trio.Event()

    async def answer(chat: int, number: int) -> Reply:
        if receiver.open == 3:
            together.set()
        if number > 1:  # after the first success
            with trio.move_on_after(0.2):
                await together.wait()
        return OK

    receiver.answer = answer
    tell(telegram, 9)
    await ask("setWebhook", url=receiver.url, max_connections=3)
    await wait_delivered(telegram, 1)
    for number in (2, 3, 4):
        for chat in (1, 2, 3, 4):
            tell(telegram, chat, number)
    await wait_delivered(telegram, 13)

    assert receiver.most_open == 3
    sender = telegram.outlet().delivery
    assert sender is not None
    assert sender.most_connections == 3
    for chat in (1, 2, 3, 4):
        assert [number for where, number in receiver.got if where == chat] == [2, 3, 4]


async def test_one_connection_until_something_succeeds(
    telegram: Telegram, receiver: Receiver, ask: Ask
) -> None:
    async def fail(chat: int, number: int) -> Reply:
        await trio.sleep(0.01)
        return Reply(status=500)

    receiver.answer = fail
    for chat in range(5):
        tell(telegram, chat)
    await ask("setWebhook", url=receiver.url)
    with trio.fail_after(10):
        await telegram.wait_until(lambda: len(telegram.outlet().attempts) >= 8)

    assert receiver.most_open == 1


async def test_one_connection_again_when_nothing_has_succeeded_for_long(
    telegram: Telegram, receiver: Receiver, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert delivery.ACTIVE == 10
    monkeypatch.setattr(delivery, "ACTIVE", 0.1)

    async def fail(chat: int, number: int) -> Reply:
        with trio.move_on_after(0.02):  # time for others to come
            await trio.sleep_forever()
        return Reply(cut=-1)

    tell(telegram, 9)
    await ask("setWebhook", url=receiver.url)
    await wait_delivered(telegram, 1)
    receiver.answer = fail
    for chat in range(5):
        tell(telegram, chat)
    attempts = telegram.outlet().attempts
    with trio.fail_after(10):
        await telegram.wait_until(lambda: attempts[-1].at > attempts[0].at + 0.2)
        most_while_active, receiver.most_open = receiver.most_open, 0
        tried = len(attempts)
        await telegram.wait_until(lambda: len(attempts) >= tried + 10)

    assert most_while_active > 1
    assert receiver.most_open == 1


async def test_a_failed_update_comes_again_and_holds_up_its_chat_only(
    telegram: Telegram, receiver: Receiver, ask: Ask
) -> None:
    async def answer(chat: int, number: int) -> Reply:
        failed = receiver.got.count((1, 1)) < 4
        return Reply(status=500) if (chat, number) == (1, 1) and failed else OK

    receiver.answer = answer
    for chat, number in [(1, 1), (1, 2), (2, 1)]:
        tell(telegram, chat, number)
    await ask("setWebhook", url=receiver.url)
    await wait_delivered(telegram, 3)

    assert [key for key in receiver.got if key[0] == 1] == [(1, 1)] * 4 + [(1, 2)]
    assert receiver.got.index((2, 1)) < 4
    times = [attempt.at for attempt in telegram.outlet().attempts if attempt.status == 500]
    assert times[2] - times[1] >= 0.02  # 2 s and 4 s, a hundred times as fast
    info = (await ask("getWebhookInfo")).json()["result"]
    assert info["last_error_message"] == (
        "Wrong response from the webhook: 500 Internal Server Error"
    )


async def test_chats_that_fail_hold_up_all_beyond_what_is_looked_at_ahead(
    telegram: Telegram, receiver: Receiver, ask: Ask
) -> None:
    async def answer(chat: int, number: int) -> Reply:
        return OK if chat == 3 else Reply(status=500)

    receiver.answer = answer
    for chat in (1, 2, 3):
        tell(telegram, chat)
    await ask("setWebhook", url=receiver.url, max_connections=1)
    with trio.fail_after(10):
        await telegram.wait_until(lambda: len(telegram.outlet().attempts) >= 8)

    assert {chat for chat, _ in receiver.got} == {1, 2}


async def test_retry_after_of_the_receiver_is_honoured(
    telegram: Telegram, receiver: Receiver, ask: Ask
) -> None:
    async def answer(chat: int, number: int) -> Reply:
        return Reply(status=429, retry_after=20) if len(receiver.got) == 1 else OK

    receiver.answer = answer
    tell(telegram, 1)
    await ask("setWebhook", url=receiver.url)
    await wait_delivered(telegram, 1)

    first, second = telegram.outlet().attempts
    assert second.at - first.at >= 0.2  # 20 s, a hundred times as fast


class TestPatience:
    @pytest.fixture
    def telegram_options(self) -> dict[str, Any]:
        return {"delivery": DeliveryOptions(retry_base=0.01, answer_within=0.3)}

    async def test_a_receiver_that_does_not_answer_in_time_has_failed(
        self, telegram: Telegram, receiver: Receiver, ask: Ask
    ) -> None:
        async def answer(chat: int, number: int) -> Reply:
            if len(receiver.got) == 1:
                await trio.sleep_forever()
            return OK

        receiver.answer = answer
        tell(telegram, 1)
        await ask("setWebhook", url=receiver.url)
        await wait_delivered(telegram, 1)

        first = telegram.outlet().attempts[0]
        assert first.status is None
        assert first.error == "Read timeout expired"


async def test_nobody_there_is_connection_refused(telegram: Telegram, ask: Ask) -> None:
    tell(telegram, 1)
    await ask("setWebhook", url="http://127.0.0.1:9/hook")
    with trio.fail_after(5):
        await telegram.wait_until(lambda: len(telegram.outlet().attempts) >= 2)

    info = (await ask("getWebhookInfo")).json()["result"]
    assert info["last_error_message"] == "Connection refused"


async def test_a_connection_that_breaks_is_opened_anew(
    telegram: Telegram, receiver: Receiver, ask: Ask
) -> None:
    async def answer(chat: int, number: int) -> Reply:
        return Reply(cut=-1) if len(receiver.got) == 1 else OK

    receiver.answer = answer
    tell(telegram, 1)
    await ask("setWebhook", url=receiver.url)
    await wait_delivered(telegram, 1)
    receiver.server.close_idle()
    await trio.testing.wait_all_tasks_blocked()
    tell(telegram, 1, 2)
    await wait_delivered(telegram, 2)

    assert [attempt.error for attempt in telegram.outlet().attempts] == [
        "Connection closed",
        None,
        None,
    ]
    assert receiver.server.connections == 3


async def test_a_receiver_that_closes_after_each_answer_gets_a_new_connection(
    telegram: Telegram, ask: Ask, nursery: trio.Nursery
) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.0 204 No Content\r\n\r\n")

    listeners = await nursery.start(trio.serve_tcp, serve, 0)
    port = listeners[0].socket.getsockname()[1]
    tell(telegram, 1)
    tell(telegram, 1, 2)
    await ask("setWebhook", url=f"http://127.0.0.1:{port}")
    await wait_delivered(telegram, 2)

    assert [attempt.status for attempt in telegram.outlet().attempts] == [204, 204]


async def test_what_is_deleted_while_it_waits_is_not_delivered(
    telegram: Telegram, receiver: Receiver, ask: Ask
) -> None:
    async def answer(chat: int, number: int) -> Reply:
        return OK if chat == 2 else Reply(status=500)

    receiver.answer = answer
    tell(telegram, 1)
    tell(telegram, 1, 2)
    tell(telegram, 1, 3)
    tell(telegram, 1, 4)  # beyond what one connection looks ahead
    await ask("setWebhook", url=receiver.url, max_connections=1)
    with trio.fail_after(5):
        await telegram.wait_until(lambda: len(telegram.outlet().attempts) >= 1)

    telegram.outlet().queue.clear()
    tell(telegram, 2)
    await wait_delivered(telegram, 1)

    assert set(receiver.got) == {(1, 1), (2, 1)}


async def test_after_the_webhook_is_deleted_nothing_is_posted(
    telegram: Telegram, receiver: Receiver, ask: Ask
) -> None:
    async def fail(chat: int, number: int) -> Reply:
        return Reply(status=500)

    receiver.answer = fail
    tell(telegram, 1)
    await ask("setWebhook", url=receiver.url)
    with trio.fail_after(5):
        await telegram.wait_until(lambda: len(telegram.outlet().attempts) >= 3)
    await ask("deleteWebhook")
    posted = len(receiver.got)
    tell(telegram, 1, 2)
    await trio.sleep(0.1)  # the next try was due after 0.04 s

    assert len((await ask("getUpdates")).json()["result"]) == 2
    assert len(receiver.got) == posted


class TestGone:
    @pytest.fixture
    def telegram_options(self) -> dict[str, Any]:
        return {"delivery": DeliveryOptions(retry_base=0.01, gone_after=0.1)}

    async def test_410_for_long_and_nothing_else_removes_the_webhook(
        self, telegram: Telegram, receiver: Receiver, ask: Ask
    ) -> None:
        statuses = iter([410, 500])

        async def answer(chat: int, number: int) -> Reply:
            return Reply(status=next(statuses, 410))

        receiver.answer = answer
        tell(telegram, 1)
        await ask("setWebhook", url=receiver.url)
        with trio.fail_after(10):
            await telegram.wait_until(lambda: telegram.outlet().was_gone)

        assert (await ask("getWebhookInfo")).json()["result"]["url"] == ""
        assert len(receiver.got) >= 4

    async def test_410_now_and_then_removes_nothing(
        self, telegram: Telegram, receiver: Receiver, ask: Ask
    ) -> None:
        async def answer(chat: int, number: int) -> Reply:
            return Reply(status=410 if len(receiver.got) % 2 else 500, retry_after=1)

        receiver.answer = answer
        tell(telegram, 1)
        await ask("setWebhook", url=receiver.url)
        attempts = telegram.outlet().attempts
        with trio.fail_after(10):
            await telegram.wait_until(
                lambda: len(attempts) > 2 and attempts[-1].at - attempts[0].at > 0.3
            )

        assert not telegram.outlet().was_gone


class TestExpiry:
    @pytest.fixture
    def telegram_options(self) -> dict[str, Any]:
        return {"delivery": DeliveryOptions(retry_base=100_000)}

    async def test_an_update_that_would_be_too_old_at_its_next_try_is_given_up(
        self, telegram: Telegram, receiver: Receiver, ask: Ask
    ) -> None:
        async def fail(chat: int, number: int) -> Reply:
            return Reply(status=500)

        receiver.answer = fail
        tell(telegram, 1)
        (entry,) = telegram.outlet().queue.pending
        await ask("setWebhook", url=receiver.url)
        with trio.fail_after(5):
            await telegram.wait_until(lambda: entry.end is not None)

        assert entry.end == "expired"
        assert len(receiver.got) == 2


@pytest.mark.parametrize("authority", ["known", "unknown"])
async def test_deliveries_use_tls_and_check_who_answers(
    nursery: trio.Nursery, http: httpx.AsyncClient, authority: str
) -> None:
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    ca.configure_trust(trusting)
    receiver = Receiver()

    async def run(task_status: trio.TaskStatus[tuple[str, int]]) -> None:
        await receiver.server.run(tls=context, task_status=task_status)

    host, port = await nursery.start(run)
    telegram = Telegram(
        local=True,
        delivery=DeliveryOptions(retry_base=0.01, tls=trusting if authority == "known" else None),
    )
    await nursery.start(telegram.serve)
    tell(telegram, 1)
    await http.post(
        f"{telegram.base_url}/bot{telegram.token}/setWebhook",
        json={"url": f"https://{host}:{port}"},
    )
    with trio.fail_after(5):
        await telegram.wait_until(lambda: len(telegram.outlet().attempts) >= 1)

    attempt = telegram.outlet().attempts[0]
    if authority == "known":
        assert attempt.status == 200
    else:
        assert attempt.status is None
        assert "CERTIFICATE_VERIFY_FAILED" in (attempt.error or "")


async def test_a_webhook_needs_a_server_that_runs() -> None:
    telegram = Telegram(local=True)

    with pytest.raises(RuntimeError):
        telegram.outlet().settings.set({"url": "http://127.0.0.1:9"})
