"""What a transport promises, shown for each one against a real server on loopback."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

from gmbot.api.errors import NetworkFailure
from gmbot.api.transport import TRANSPORTS, Answer, Timeouts, Transport, open_transport
from gmbot.config import Secret

if TYPE_CHECKING:
    from tests.api.conftest import Authority, Peer, Script, Serve, Server

    Opener = Callable[..., AbstractAsyncContextManager[Transport]]

TOKEN = "123456789:AAsecret-of-the-tests_0123456789abcd"
MIB = 1024 * 1024
SHORT = 0.2  # seconds, for time-outs that a test waits for
LONG = 30.0  # seconds, for those that are not to happen


@pytest.fixture(params=list(TRANSPORTS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opened(name: str) -> Opener:
    return partial(open_transport, name, token=Secret(TOKEN), connections=2)


@pytest.fixture(autouse=True)
def token_stays_out_of_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    for logger in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection", "h11", "asks"):
        caplog.set_level(logging.DEBUG, logger=logger)
    yield
    for record in caplog.get_records("call"):
        assert TOKEN not in f"{record.getMessage()} {vars(record)}"


@pytest.fixture(autouse=True)
def patience(nursery: trio.Nursery) -> None:
    async def lose_it() -> None:
        await trio.sleep(60)
        raise trio.TooSlowError

    nursery.start_soon(lose_it)


async def post(transport: Transport, body: bytes = b"{}", *, read_timeout: float = LONG) -> Answer:
    return await transport.post("getMe", body, read_timeout=read_timeout)


async def failure_of(
    transport: Transport, body: bytes = b"{}", *, read_timeout: float = LONG
) -> NetworkFailure:
    """Return the failure of a call, having looked for the token in all that hangs on it."""
    with pytest.raises(NetworkFailure) as caught:
        await post(transport, body, read_timeout=read_timeout)
    for error in chain_of(caught.value):
        shown = f"{error} {error!r} {vars(error)}"
        assert TOKEN not in shown
        assert "://" not in shown
    assert caught.value.method == "getMe"
    return caught.value


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    if error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                yield from chain_of(inner)
        yield from chain_of(error.__cause__)
        yield from chain_of(error.__context__)


# ---- answers


async def test_a_request_is_a_json_post_to_the_method_of_the_bot(
    serve: Serve, opened: Opener
) -> None:
    server = await serve()

    async with opened(base_url=server.url + "/prefix/") as transport:
        answer = await transport.post("sendMessage", b'{"text":"\xc3\xa9"}', read_timeout=LONG)

    (request,) = server.requests
    assert answer == Answer(200, b'{"ok":true}')
    assert (request.verb, request.target) == ("POST", f"/prefix/bot{TOKEN}/sendMessage")
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
    await peer.answer(302, b"", f"location: http://127.0.0.1:1/bot{TOKEN}/getMe")


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
        answer = await post(transport, b"x" * (16 * MIB))

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


async def test_a_connection_that_was_idle_for_long_is_replaced(
    serve: Serve, opened: Opener, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{TRANSPORTS[name]}.KEEP_IDLE", 0.0)
    server = await serve()

    async with opened(base_url=server.url) as transport:
        for _ in range(2):
            await post(transport)
        await server.until(lambda server: server.open == 1)

    assert [request.connection for request in server.requests] == [1, 2]


async def test_no_more_requests_than_connections_are_under_way(
    serve: Serve, opened: Opener
) -> None:
    gate = trio.Event()

    async def hold(peer: Peer) -> None:
        await gate.wait()
        await peer.answer()

    server = await serve(hold)

    async with opened(base_url=server.url, connections=4) as transport:
        async with trio.open_nursery() as nursery:
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

    async def ask(transport: Transport) -> None:
        try:
            await post(transport)
        except NetworkFailure as failure:
            failures.append(failure)

    async with trio.open_nursery() as nursery, opened(base_url=server.url) as transport:
        nursery.start_soon(ask, transport)
        nursery.start_soon(ask, transport)
        await server.until(lambda server: len(server.requests) == 2 and server.busy == 1)
    await server.until(lambda server: server.open == 0)

    assert [failure.sent for failure in failures] == [True]


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
    serve: Serve, opened: Opener, script: Script
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
    serve: Serve, opened: Opener
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
    serve: Serve, opened: Opener, name: str, monkeypatch: pytest.MonkeyPatch
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
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"

        async with opened(base_url=url) as transport:
            failure = await failure_of(transport)

    assert (failure.detail, failure.sent) == ("connect failed: Connection refused", False)


class _NoNames(trio.abc.HostnameResolver):
    async def getaddrinfo(self, *_args: Any, **_options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def getnameinfo(self, *_args: Any, **_options: Any) -> Any:
        raise NotImplementedError


async def test_an_unknown_host_is_a_failure_of_a_request_that_never_left(opened: Opener) -> None:
    trio.socket.set_custom_hostname_resolver(_NoNames())

    async with opened(base_url="http://api.invalid") as transport:
        failure = await failure_of(transport)

    assert (failure.detail, failure.sent) == ("connect failed: Name or service not known", False)


@pytest.mark.parametrize("names", [["127.0.0.1", "localhost"]])
async def test_a_server_with_a_certificate_of_a_known_authority_is_trusted(
    serve: Serve, opened: Opener, authority: Authority, names: list[str]
) -> None:
    server = await serve(scheme="https", tls=authority.server_for(names))

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
    ("cert_name", "trusted", "reason"),
    [
        pytest.param("127.0.0.1", False, "unable to get local issuer", id="an unknown authority"),
        pytest.param("example.org", True, "IP address mismatch", id="another name"),
    ],
)
async def test_a_wrong_certificate_is_refused_before_anything_is_sent(
    serve: Serve, opened: Opener, authority: Authority, cert_name: str, trusted: bool, reason: str
) -> None:
    server = await serve(scheme="https", tls=authority.server_for([cert_name]))

    async with opened(
        base_url=server.url, ssl_context=authority.trusting if trusted else None
    ) as transport:
        failure = await failure_of(transport)
        await server.until(lambda server: server.accepted == 1 and server.open == 0)

    assert failure.detail.startswith("connect failed: certificate refused: ")
    assert reason in failure.detail
    assert not failure.sent
    assert server.requests == []


async def test_a_server_without_tls_gets_nothing_that_was_meant_for_one_with(
    serve: Serve, opened: Opener
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


# ---- time


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops what a full queue cannot hold")
async def test_a_connection_that_does_not_come_about_in_time_is_a_failure_before_sending(
    opened: Opener,
) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        queue = [socket.socket() for _ in range(3)]
        for waiting in queue:
            waiting.setblocking(False)
            waiting.connect_ex(address)

        async with opened(
            base_url=f"http://127.0.0.1:{address[1]}", timeouts=Timeouts(connect=SHORT)
        ) as transport:
            failure = await failure_of(transport)
        for waiting in queue:
            waiting.close()

    assert (failure.detail, failure.sent) == ("connect timed out", False)


async def test_a_handshake_that_does_not_end_in_time_is_a_failure_before_sending(
    serve: Serve, opened: Opener
) -> None:
    server = await serve(_wait_closed, scheme="https", reads=False)

    async with opened(base_url=server.url, timeouts=Timeouts(connect=SHORT)) as transport:
        failure = await failure_of(transport)
        await server.until(lambda server: server.open == 0)

    assert (failure.detail, failure.sent) == ("connect timed out", False)


async def test_a_server_that_does_not_take_a_request_in_time_is_a_failure_after_sending(
    serve: Serve, opened: Opener
) -> None:
    async def read_nothing(_peer: Peer) -> None:
        await trio.sleep_forever()

    server = await serve(read_nothing, reads=False, receive_buffer=4096)

    async with opened(base_url=server.url, timeouts=Timeouts(write=SHORT)) as transport:
        failure = await failure_of(transport, b"x" * (16 * MIB))

    assert (failure.detail, failure.sent) == ("write timed out", True)


async def _wait_closed(peer: Peer) -> None:
    await peer.wait_closed()


async def _stop_in_body(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
    await peer.wait_closed()


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(_wait_closed, id="before the answer"),
        pytest.param(_stop_in_body, id="in the body"),
    ],
)
async def test_silence_for_longer_than_the_call_allows_is_a_failure_after_sending(
    serve: Serve, opened: Opener, script: Script
) -> None:
    server = await serve(script)

    async with opened(base_url=server.url) as transport:
        failure = await failure_of(transport, read_timeout=SHORT)
        await server.until(lambda server: server.open == 0)

    assert (failure.detail, failure.sent) == ("read timed out", True)


async def test_an_answer_may_take_its_time_while_it_keeps_coming(
    serve: Serve, opened: Opener
) -> None:
    async def trickle(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n")
        for byte in b"12345678":
            await trio.sleep(0.1)
            await peer.send(bytes([byte]))

    server = await serve(trickle)

    async with opened(base_url=server.url) as transport:
        answer = await post(transport, read_timeout=0.6)

    assert answer.body == b"12345678"


# ---- cancellation


async def test_a_thousand_cancelled_requests_leave_no_slot_and_no_connection_behind(
    serve: Serve, opened: Opener
) -> None:
    waves, size = 20, 50
    is_over = False

    async def stop_somewhere(peer: Peer) -> None:
        if is_over:
            await server.until_asked((waves + 1) * size)
            await peer.answer()
        elif len(server.requests) % 2:
            await _stop_in_body(peer)
        else:
            await peer.wait_closed()

    server = await serve(stop_somewhere)

    async with opened(base_url=server.url, connections=size) as transport:
        for wave in range(1, waves + 1):
            async with trio.open_nursery() as nursery:
                for _ in range(size + 5):  # five of them wait for a free slot
                    nursery.start_soon(post, transport)
                await server.until_asked(wave * size)
                nursery.cancel_scope.cancel()
            await server.until(lambda server: server.open == 0)
        is_over = True
        answers = await together(transport, size)

    assert server.most_open == size
    assert [answer.status for answer in answers] == [200] * size


@pytest.mark.parametrize("steps", range(12))
async def test_a_request_cancelled_at_any_step_leaves_no_slot_and_no_connection_behind(
    serve: Serve, opened: Opener, steps: int
) -> None:
    server = await serve()

    async with opened(base_url=server.url, connections=3) as transport:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(post, transport)
            for _ in range(steps):
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        answers = await together(transport, 3)

    assert [answer.status for answer in answers] == [200] * 3
    assert server.most_open <= 6


async def test_a_request_cancelled_in_its_handshake_leaves_no_connection_behind(
    serve: Serve, opened: Opener
) -> None:
    server = await serve(_wait_closed, scheme="https", reads=False)

    async with opened(base_url=server.url) as transport:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(post, transport)
            await server.until(lambda server: server.open == 1)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await server.until(lambda server: server.open == 0)


async def together(transport: Transport, number: int) -> list[Answer]:
    answers: list[Answer] = []

    async def ask() -> None:
        answers.append(await post(transport))

    async with trio.open_nursery() as nursery:
        for _ in range(number):
            nursery.start_soon(ask)
    return answers
