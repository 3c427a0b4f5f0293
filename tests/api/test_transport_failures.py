"""How a transport fails, and whether the request may have arrived."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import trio

from gmbot.api.transport import TRANSPORTS, Answer, Transport

if TYPE_CHECKING:
    from tests.api.conftest import Authority, FailureOf, Opener, Peer, Script, Serve


async def post(transport: Transport) -> Answer:
    return await transport.post("getMe", b"{}", read_timeout=30.0)


# ---- failures after the request left


async def _reset(peer: Peer) -> None:
    await peer.reset()


async def _hang_up(peer: Peer) -> None:
    await peer.close()


async def _reset_in_head(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-")
    await peer.reset()


async def _reset_in_body(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
    await peer.reset()


async def _truncate(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
    await peer.close()


async def _truncate_chunks(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{")
    await peer.close()


async def _babble(peer: Peer) -> None:
    await peer.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
    await peer.wait_closed()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(_reset, id="reset before the answer"),
        pytest.param(_hang_up, id="closed before the answer"),
        pytest.param(_reset_in_head, id="reset in the head"),
        pytest.param(_reset_in_body, id="reset in the body"),
        pytest.param(_truncate, id="closed in the body"),
        pytest.param(_truncate_chunks, id="closed in a chunk"),
        pytest.param(_babble, id="not HTTP"),
    ],
)
async def test_an_answer_that_breaks_off_is_a_failure_of_a_sent_request(
    serve: Serve, opened: Opener, failure_of: FailureOf, script: Script
) -> None:
    async def break_once(peer: Peer) -> None:
        if peer.number == 1:
            await script(peer)
        else:
            await peer.answer()

    server = await serve(break_once)

    async with opened(base_url=server.url, connections=1) as transport:
        failure = await failure_of(transport)
        next_answer = await post(transport)

    assert failure.sent
    assert failure.detail.startswith("read failed: ")
    assert next_answer.status == 200
    assert [request.connection for request in server.requests] == [1, 2]


async def test_a_kept_connection_that_breaks_under_a_request_is_not_tried_again(
    serve: Serve, opened: Opener, failure_of: FailureOf
) -> None:
    async def break_second(peer: Peer) -> None:
        if len(server.requests) == 2:
            await peer.reset()
        else:
            await peer.answer()

    server = await serve(break_second)

    async with opened(base_url=server.url) as transport:
        await post(transport)
        failure = await failure_of(transport)

    assert failure.sent
    assert len(server.requests) == 2


async def test_an_answer_without_end_is_given_up(
    serve: Serve, opened: Opener, failure_of: FailureOf, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{TRANSPORTS[name]}.MAX_ANSWER", 100_000)

    async def go_on_for_ever(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            await peer.send(b"1000\r\n%s\r\n" % (b"x" * 0x1000))

    server = await serve(go_on_for_ever)

    async with opened(base_url=server.url) as transport:
        failure = await failure_of(transport)
        await server.until(lambda server: server.open == 0)

    assert failure.detail == "read failed: AnswerTooLongError"
    assert failure.sent


# ---- failures before the request left


async def test_a_refused_connection_is_a_failure_of_a_request_that_never_left(
    opened: Opener,
    failure_of: FailureOf,
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"

        async with opened(base_url=url) as transport:
            failure = await failure_of(transport)

    assert failure.detail.startswith("connect failed: ")
    assert failure.detail.endswith("Connection refused")
    assert not failure.sent


class _NoNames(trio.abc.HostnameResolver):
    async def getaddrinfo(self, *_args: Any, **_options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def getnameinfo(self, *_args: Any, **_options: Any) -> Any:
        raise NotImplementedError


async def test_an_unknown_host_is_a_failure_of_a_request_that_never_left(
    opened: Opener, failure_of: FailureOf
) -> None:
    trio.socket.set_custom_hostname_resolver(_NoNames())

    async with opened(base_url="http://api.invalid") as transport:
        failure = await failure_of(transport)

    assert (failure.detail, failure.sent) == ("connect failed: Name or service not known", False)


async def test_a_server_with_a_certificate_of_a_known_authority_is_trusted(
    serve: Serve, opened: Opener, authority: Authority
) -> None:
    server = await serve(scheme="https", tls=authority.server_for(["127.0.0.1"]))

    async with opened(base_url=server.url, ssl_context=authority.trusting) as transport:
        answers = [await post(transport) for _ in range(3)]

    assert answers == [Answer(200, b'{"ok":true}')] * 3
    assert [request.connection for request in server.requests] == [1, 1, 1]


async def test_a_connection_by_tls_that_the_server_ended_while_idle_is_replaced(
    serve: Serve, opened: Opener, authority: Authority
) -> None:
    async def answer_and_close(peer: Peer) -> None:
        await peer.answer()
        await peer.close()

    server = await serve(answer_and_close, scheme="https", tls=authority.server_for(["127.0.0.1"]))

    async with opened(base_url=server.url, ssl_context=authority.trusting) as transport:
        for _ in range(2):
            await post(transport)
            await server.until(lambda server: server.open == 0)

    assert [request.connection for request in server.requests] == [1, 2]


@pytest.mark.parametrize(
    ("certified", "reason"),
    [
        pytest.param("127.0.0.1", "unable to get local issuer", id="an unknown authority"),
        pytest.param("example.org", "IP address mismatch", id="another name"),
    ],
)
async def test_a_wrong_certificate_is_refused_before_anything_is_sent(
    serve: Serve,
    opened: Opener,
    failure_of: FailureOf,
    authority: Authority,
    certified: str,
    reason: str,
) -> None:
    server = await serve(scheme="https", tls=authority.server_for([certified]))
    trusted = None if certified == "127.0.0.1" else authority.trusting

    async with opened(base_url=server.url, ssl_context=trusted) as transport:
        failure = await failure_of(transport)
        await server.until(lambda server: server.accepted == 1 and server.open == 0)

    assert failure.detail.startswith("connect failed: certificate refused: ")
    assert reason in failure.detail
    assert not failure.sent
    assert server.requests == []


async def test_a_server_without_tls_gets_nothing_that_was_meant_for_one_with(
    serve: Serve, opened: Opener, failure_of: FailureOf
) -> None:
    async def babble(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.wait_closed()

    server = await serve(babble, scheme="https", reads=False)

    async with opened(base_url=server.url) as transport:
        failure = await failure_of(transport)
        await server.until(lambda server: server.accepted == 1 and server.open == 0)

    assert failure.detail.startswith("connect failed: ")
    assert not failure.sent
