"""What a transport promises, shown for each one against a real server on loopback."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from gmbot.api.errors import NetworkFailure
from gmbot.api.transport import TRANSPORTS, Answer, Transport

if TYPE_CHECKING:
    from tests.api.conftest import Opener, Peer, Script, Serve

MIB = 1024 * 1024


async def post(transport: Transport) -> Answer:
    return await transport.post("getMe", b"{}", read_timeout=30.0)


# ---- answers


async def test_a_request_is_a_json_post_to_the_method_of_the_bot(
    serve: Serve, opened: Opener, token: str
) -> None:
    server = await serve()

    async with opened(base_url=server.url + "/prefix/") as transport:
        answer = await transport.post("sendMessage", b'{"text":"\xc3\xa9"}', read_timeout=30.0)

    (request,) = server.requests
    assert answer == Answer(200, b'{"ok":true}')
    assert (request.verb, request.target) == ("POST", f"/prefix/bot{token}/sendMessage")
    assert request.body == b'{"text":"\xc3\xa9"}'
    assert request.headers == {
        "host": server.url.partition("://")[2],
        "accept": "application/json",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "content-type": "application/json",
        "content-length": "13",
        "user-agent": "GMBot",
    }


async def _chunked(peer: Peer) -> None:
    await peer.answer(200, b"", "transfer-encoding: chunked", length=False)
    for chunk in (b'{"ok":', b"true", b"}"):
        await peer.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
    await peer.send(b"0\r\n\r\n")


async def _large(peer: Peer) -> None:
    await peer.answer(200, b"x" * (4 * MIB))


async def _until_close(peer: Peer) -> None:
    await peer.answer(200, b'{"ok":true}', "connection: close", length=False)
    await peer.close()


async def _html(peer: Peer) -> None:
    await peer.answer(502, b"<html>Bad Gateway</html>", "content-type: text/html")


async def _empty(peer: Peer) -> None:
    await peer.answer(413, b"", "connection: close")
    await peer.close()


async def _flood(peer: Peer) -> None:
    await peer.answer(429, b'{"ok":false}', "Retry-After: 35")


async def _redirect(peer: Peer) -> None:
    await peer.answer(302, b"", f"location: http://127.0.0.1:1{peer.target}")


async def _odd_headers(peer: Peer) -> None:
    await peer.answer(
        200, b"{}", "set-cookie: novalue", "content-type: text/html; charset", "retry-after: soon"
    )


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        pytest.param(_chunked, Answer(200, b'{"ok":true}'), id="in chunks"),
        pytest.param(_large, Answer(200, b"x" * (4 * MIB)), id="of 4 MiB"),
        pytest.param(_until_close, Answer(200, b'{"ok":true}'), id="that ends with its connection"),
        pytest.param(_html, Answer(502, b"<html>Bad Gateway</html>"), id="in HTML"),
        pytest.param(_empty, Answer(413, b""), id="that is empty"),
        pytest.param(_flood, Answer(429, b'{"ok":false}', 35.0), id="that names a time to wait"),
        pytest.param(_redirect, Answer(302, b""), id="that redirects, and is not followed"),
        pytest.param(_odd_headers, Answer(200, b"{}"), id="with headers that nobody needs"),
    ],
)
async def test_an_answer_is_returned_whatever_it_says(
    serve: Serve, opened: Opener, script: Script, answer: Answer
) -> None:
    server = await serve(script)

    async with opened(base_url=server.url) as transport:
        answers = [await post(transport), await post(transport)]

    assert answers == [answer, answer]
    assert len(server.requests) == 2


async def test_a_server_that_refuses_a_body_before_its_end_is_heard(
    serve: Serve, opened: Opener
) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.read_head()
        await peer.answer(413, b"", "connection: close")
        await peer.reset()

    server = await serve(refuse, reads=False, receive_buffer=4096)

    async with opened(base_url=server.url) as transport:
        answer = await transport.post("getMe", b"x" * (16 * MIB), read_timeout=30.0)

    assert answer == Answer(413, b"")


async def test_proxies_and_passwords_of_the_environment_are_ignored(
    serve: Serve, opened: Opener, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1")
        monkeypatch.setenv(variable.lower(), "http://127.0.0.1:1")
    server = await serve()

    async with opened(base_url=server.url) as transport:
        await post(transport)

    assert "authorization" not in server.requests[0].headers


# ---- connections


async def test_a_connection_is_used_again(serve: Serve, opened: Opener) -> None:
    server = await serve()

    async with opened(base_url=server.url) as transport:
        for _ in range(5):
            await post(transport)

    assert [request.connection for request in server.requests] == [1] * 5


@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_connection_that_the_server_ended_while_idle_is_replaced(
    serve: Serve, opened: Opener, end: str
) -> None:
    async def answer_and_end(peer: Peer) -> None:
        await peer.answer()
        await getattr(peer, end)()

    server = await serve(answer_and_end)

    async with opened(base_url=server.url) as transport:
        for _ in range(3):
            await post(transport)
            await server.until(lambda server: server.open == 0)

    assert [request.connection for request in server.requests] == [1, 2, 3]


async def test_a_connection_whose_end_was_announced_is_not_used_again(
    serve: Serve, opened: Opener
) -> None:
    async def announce(peer: Peer) -> None:
        await peer.answer(200, b"{}", "connection: close")

    server = await serve(announce)

    async with opened(base_url=server.url) as transport:
        for _ in range(2):
            await post(transport)

    assert [request.connection for request in server.requests] == [1, 2]


async def test_a_connection_that_was_idle_for_long_is_replaced(
    serve: Serve, opened: Opener, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{TRANSPORTS[name]}.KEEP_IDLE", 0.0)
    server = await serve()

    async with opened(base_url=server.url) as transport:
        for _ in range(2):
            await post(transport)
        await server.until(lambda server: server.open <= 1)

    assert [request.connection for request in server.requests] == [1, 2]


async def test_no_more_requests_than_connections_are_under_way(
    serve: Serve, opened: Opener
) -> None:
    gate = trio.Event()

    async def hold(peer: Peer) -> None:
        await gate.wait()
        await peer.answer()

    server = await serve(hold)

    async with (
        opened(base_url=server.url, connections=4) as transport,
        trio.open_nursery() as nursery,
    ):
        for _ in range(30):
            nursery.start_soon(post, transport)
        await server.until(lambda server: server.busy == 4)
        gate.set()

    assert len(server.requests) == 30
    assert (server.most_open, server.most_busy) == (4, 4)


async def test_closing_ends_idle_connections_and_requests_under_way(
    serve: Serve, opened: Opener
) -> None:
    async def answer_first(peer: Peer) -> None:
        if peer.number == 1:
            await server.until(lambda server: server.busy == 2)
            await peer.answer()
        else:
            await peer.wait_closed()

    server = await serve(answer_first)
    failures: list[NetworkFailure] = []
    is_one_answered = trio.Event()

    async def ask(transport: Transport) -> None:
        try:
            await post(transport)
            is_one_answered.set()
        except NetworkFailure as failure:
            failures.append(failure)

    async with trio.open_nursery() as nursery, opened(base_url=server.url) as transport:
        nursery.start_soon(ask, transport)
        nursery.start_soon(ask, transport)
        await is_one_answered.wait()
    await server.until(lambda server: server.open == 0)

    assert [failure.sent for failure in failures] == [True]
