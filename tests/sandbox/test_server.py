import json
import socket
import ssl
import struct
from typing import Any

import httpx
import pytest
import trio
import trio.testing
import trustme

from gmbot.sandbox.calls import Outcome
from gmbot.sandbox.flood import FloodLimits, Limit
from gmbot.sandbox.telegram import Telegram


async def exchange(telegram: Telegram, raw: bytes) -> bytes:
    """Send bytes as they are and return all that comes until the server closes."""
    host, port = telegram.base_url.removeprefix("http://").split(":")
    answer = b""
    with trio.fail_after(5):
        async with await trio.open_tcp_stream(host, int(port)) as stream:
            await stream.send_all(raw)
            async for chunk in stream:
                answer += chunk
    return answer


def url(telegram: Telegram, method: str, token: str | None = None) -> str:
    return f"{telegram.base_url}/bot{token or telegram.token}/{method}"


@pytest.mark.parametrize(
    "request_of",
    [
        pytest.param(lambda chat: {"params": chat}, id="query"),
        pytest.param(lambda chat: {"data": chat}, id="form"),
        pytest.param(lambda chat: {"json": chat}, id="json"),
        pytest.param(
            lambda chat: {"files": {key: (None, str(value)) for key, value in chat.items()}},
            id="multipart",
        ),
    ],
)
async def test_parameters_come_by_query_form_multipart_or_json(
    telegram: Telegram, http: httpx.AsyncClient, request_of: Any
) -> None:
    owner = telegram.world.person("Ölga")
    group = telegram.world.supergroup("Gruppe", creator=owner, members=[telegram.bot])

    answer = await http.post(
        url(telegram, "sendMessage"), **request_of({"chat_id": group.id, "text": "größer & 👍"})
    )

    assert answer.status_code == 200
    assert answer.json()["result"]["text"] == "größer & 👍"
    assert telegram.calls[-1].params == {"chat_id": group.id, "text": "größer & 👍"}


async def test_a_get_without_body_works_and_the_method_is_in_any_case(
    telegram: Telegram, http: httpx.AsyncClient
) -> None:
    answer = await http.get(url(telegram, "GETME"))

    assert answer.json()["result"]["id"] == telegram.bot.id
    assert answer.headers["content-type"] == "application/json"
    assert telegram.log.counts == {"getMe": 1}


@pytest.mark.parametrize(
    ("path", "status", "description"),
    [
        pytest.param("/", 404, "Not Found", id="no bot"),
        pytest.param("/bot1:abc", 404, "Not Found", id="no method"),
        pytest.param("/botmytoken/getMe", 404, "Not Found", id="malformed token"),
        pytest.param("/bot0:abc/getMe", 404, "Not Found", id="begins with zero"),
        pytest.param("/bot12345:abc/getMe", 401, "Unauthorized", id="unknown bot"),
        pytest.param("/bot{id}:abc/getMe", 401, "Unauthorized", id="wrong secret"),
    ],
)
async def test_a_wrong_token_is_refused(
    telegram: Telegram, http: httpx.AsyncClient, path: str, status: int, description: str
) -> None:
    answer = await http.post(telegram.base_url + path.format(id=telegram.bot.id))

    assert answer.status_code == status
    assert answer.json() == {"ok": False, "error_code": status, "description": description}
    assert telegram.calls[-1].outcome is Outcome.REFUSED


async def test_a_token_may_be_percent_encoded(telegram: Telegram, http: httpx.AsyncClient) -> None:
    answer = await http.post(url(telegram, "getMe", telegram.token.replace(":", "%3A")))

    assert answer.status_code == 200


POST = b"POST /bot1:abc/getMe HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        pytest.param(b"nonsense\r\n\r\n", 400, id="no http"),
        pytest.param(
            POST + b"Content-Type: application/json\r\nContent-Length: 1\r\n\r\n{", 400, id="json"
        ),
        pytest.param(
            POST + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
            400,
            id="no object",
        ),
        pytest.param(
            POST + b"Content-Type: multipart/form-data\r\nContent-Length: 1\r\n\r\n-",
            400,
            id="no boundary",
        ),
        pytest.param(
            POST + b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1\r\n\r\n-",
            400,
            id="no parts",
        ),
        pytest.param(
            POST
            + b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 19\r\n\r\n--b\r\n\r\nvalue\r\n--b--",
            400,
            id="a part without a name",
        ),
        pytest.param(
            POST + b"Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx", 415, id="type"
        ),
        pytest.param(POST + b"Content-Length: 99999999999\r\n\r\n", 413, id="announced too big"),
        pytest.param(
            POST
            + b"Content-Type: application/json\r\nContent-Length: 1048577\r\n\r\n"
            + b" " * 1048577,
            413,
            id="more than 1 MiB of parameters",
        ),
        pytest.param(
            b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", 431, id="headers"
        ),
        pytest.param(b"DELETE / HTTP/1.1\r\nHost: x\r\n\r\n", 501, id="verb"),
        pytest.param(
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501, id="encoding"
        ),
        pytest.param(b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, id="version"),
    ],
)
async def test_errors_of_the_http_layer_have_no_body_and_close(
    telegram: Telegram, raw: bytes, status: int
) -> None:
    answer = await exchange(telegram, raw)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"connection: close" in head.lower()
    assert body == b""
    telegram.violations.clear()


async def test_a_connection_serves_request_after_request(
    telegram: Telegram, http: httpx.AsyncClient
) -> None:
    for _ in range(5):
        await http.post(url(telegram, "getMe"))

    assert telegram.server.connections == 1


async def test_a_chunked_body_is_read(telegram: Telegram) -> None:
    token = telegram.token.encode()
    request = (
        b"POST /bot" + token + b"/getChat HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'7\r\n{"chat_\r\n6\r\nid":5}\r\n0\r\n\r\n'
    )

    answer = await exchange(telegram, request)

    assert (
        json.loads(answer.partition(b"\r\n\r\n")[2])["description"] == "Bad Request: chat not found"
    )


async def test_an_idle_connection_is_closed_on_demand_and_the_client_comes_back(
    telegram: Telegram, http: httpx.AsyncClient
) -> None:
    await http.post(url(telegram, "getMe"))
    await trio.testing.wait_all_tasks_blocked(0.01)
    telegram.server.close_idle()
    await trio.testing.wait_all_tasks_blocked(0.01)

    answer = await http.post(url(telegram, "getMe"))

    assert answer.status_code == 200
    assert telegram.server.connections == 2


async def test_a_client_that_leaves_within_its_request_is_forgotten(
    telegram: Telegram, http: httpx.AsyncClient
) -> None:
    host, port = telegram.base_url.removeprefix("http://").split(":")
    half = POST + b"Content-Length: 100\r\n\r\n{"
    for is_reset in (False, True):
        stream = await trio.open_tcp_stream(host, int(port))
        await stream.send_all(half)
        if is_reset:
            await trio.testing.wait_all_tasks_blocked(0.01)
            linger = struct.pack("ii", 1, 0)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await stream.aclose()
    await trio.testing.wait_all_tasks_blocked(0.01)

    assert (await http.post(url(telegram, "getMe"))).status_code == 200
    assert telegram.calls[-1].number == 1


async def test_a_chunked_body_without_end_is_too_big(
    telegram: Telegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gmbot.sandbox.server.MAX_BODY", 10)
    request = POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"8\r\nxxxxxxxx\r\n" * 2

    assert (await exchange(telegram, request)).startswith(b"HTTP/1.1 413 ")


class TestIdle:
    @pytest.fixture
    def telegram_options(self) -> dict[str, Any]:
        return {"idle": 0.01}

    async def test_a_connection_without_requests_is_closed(self, telegram: Telegram) -> None:
        assert await exchange(telegram, b"") == b""


class TestFlood:
    @pytest.fixture
    def telegram_options(self) -> dict[str, Any]:
        return {"flood": FloodLimits(methods={"getChat": Limit(1, 60.0)})}

    async def test_a_flood_is_answered_429_with_a_header_and_freezes(
        self, telegram: Telegram, http: httpx.AsyncClient
    ) -> None:
        await http.post(url(telegram, "getChat"), json={"chat_id": 5})

        answer = await http.post(url(telegram, "getChat"), json={"chat_id": 5})

        assert answer.status_code == 429
        retry_after = answer.json()["parameters"]["retry_after"]
        assert 55 < retry_after <= 60
        assert answer.headers["retry-after"] == str(retry_after)
        assert telegram.calls[-1].outcome is Outcome.FLOOD


class TestLatency:
    @pytest.fixture
    def telegram_options(self) -> dict[str, Any]:
        return {"latency": 0.05, "keep_calls": 2}

    async def test_a_call_takes_at_least_the_latency(
        self, telegram: Telegram, http: httpx.AsyncClient
    ) -> None:
        await http.post(url(telegram, "getMe"))

        assert 0.05 <= telegram.calls[0].took < 5

    async def test_the_log_is_bounded_but_counts_all(
        self, telegram: Telegram, http: httpx.AsyncClient
    ) -> None:
        for _ in range(3):
            await http.post(url(telegram, "getMe"))

        assert [call.number for call in telegram.calls_of("getMe")] == [2, 3]
        assert telegram.log.counts["getMe"] == telegram.log.total == 3


async def test_one_waits_for_a_call_that_was_or_will_be(
    telegram: Telegram, http: httpx.AsyncClient, nursery: trio.Nursery
) -> None:
    await http.post(url(telegram, "getMe"))
    with trio.fail_after(5):
        first = await telegram.wait_call(lambda call: call.method == "getMe")
        nursery.start_soon(telegram.wait_until, lambda: telegram.log.total == 3)
        nursery.start_soon(http.post, url(telegram, "getMyCommands"))
        nursery.start_soon(http.post, url(telegram, "getMe"))
        second = await telegram.wait_call(lambda call: call.method == "getMe", after=first.number)

    assert first.is_ok
    assert second.number > first.number


async def test_the_server_speaks_tls(nursery: trio.Nursery) -> None:
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    telegram = Telegram()

    async def serve(task_status: trio.TaskStatus[str]) -> None:
        await telegram.serve(tls=context, task_status=task_status)

    base_url = await nursery.start(serve)
    async with httpx.AsyncClient(verify=trusting, trust_env=False) as client:
        answer = await client.post(url(telegram, "getMe"))

    assert base_url.startswith("https://127.0.0.1:")
    assert answer.json()["ok"] is True
