import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
import trio

from gmbot.api.http_server import Request, Response, ServerLimits, serve_http
from gmbot.config import Bind

Handler = Callable[[Request], Awaitable[Response]]
DEFAULT = ServerLimits()
TIME = 10.0  # seconds a test may take; none should take one


async def echo(request: Request) -> Response:
    return Response(200, request.body or f"{request.method} {request.path}".encode())


@asynccontextmanager
async def serving(handler: Handler = echo, limits: ServerLimits = DEFAULT) -> AsyncIterator[Bind]:
    async def serve(task_status: trio.TaskStatus[Bind]) -> None:
        await serve_http(handler, host="127.0.0.1", port=0, limits=limits, task_status=task_status)

    with trio.fail_after(TIME):
        async with trio.open_nursery() as nursery:
            yield await nursery.start(serve)
            nursery.cancel_scope.cancel()


class Client:
    """A raw connection: sends bytes, reads answers."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._buffer = b""

    async def answer(self) -> tuple[int, bytes]:
        """Read one answer; (0, b"") where the connection ended instead."""
        while b"\r\n\r\n" not in self._buffer:
            data = await self.stream.receive_some()
            if not data:
                assert self._buffer == b""
                return 0, b""
            self._buffer += data
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        size = int(length[1]) if length else 0
        while len(self._buffer) < size:
            self._buffer += await self.stream.receive_some()
        body, self._buffer = self._buffer[:size], self._buffer[size:]
        return int(head.split()[1]), body

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        await self.stream.send_all(request)
        return await self.answer()


@asynccontextmanager
async def connected(bind: Bind) -> AsyncIterator[Client]:
    stream = await trio.open_tcp_stream(bind.host, bind.port)
    async with stream:
        yield Client(stream)


GET = b"GET /a HTTP/1.1\r\nhost: x\r\n\r\n"


async def test_a_request_arrives_whole_and_is_answered() -> None:
    seen: list[Request] = []

    async def handler(request: Request) -> Response:
        seen.append(request)
        return Response(201, b'{"a":1}', "application/json", (("x-more", "yes"),))

    async with serving(handler) as bind, httpx.AsyncClient() as client:
        answer = await client.post(
            f"http://{bind}/hook?a=b&c", content=b"body", headers={"X-A": "1"}
        )

    assert (answer.status_code, answer.json()) == (201, {"a": 1})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-more"] == "yes"
    assert "date" in answer.headers
    (request,) = seen
    assert (request.method, request.path, request.query) == ("POST", "/hook", "a=b&c")
    assert request.headers["x-a"] == "1"
    assert request.body == b"body"


async def test_a_connection_serves_many_requests() -> None:
    async with serving() as bind, connected(bind) as client:
        assert [await client.ask(GET) for _ in range(3)] == [(200, b"GET /a")] * 3


async def test_pipelined_requests_are_answered_in_turn() -> None:
    asked = b"".join(b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n" % number for number in range(5))

    async with serving() as bind, connected(bind) as client:
        await client.stream.send_all(asked)
        answers = [await client.answer() for _ in range(5)]

    assert answers == [(200, b"GET /%d" % number) for number in range(5)]


async def test_a_request_may_arrive_byte_by_byte() -> None:
    async with serving() as bind, connected(bind) as client:
        client.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in GET:
            await client.stream.send_all(bytes([byte]))

        assert await client.answer() == (200, b"GET /a")


async def test_a_chunked_body_is_put_together() -> None:
    request = (
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )

    async with serving() as bind, connected(bind) as client:
        assert await client.ask(request) == (200, b"abcde")


async def test_head_has_the_headers_of_get_and_no_body() -> None:
    async with serving() as bind, httpx.AsyncClient() as client:
        answer = await client.head(f"http://{bind}/live")
        again = await client.get(f"http://{bind}/live")

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == str(len(b"HEAD /live"))
    assert again.content == b"GET /live"


async def test_who_asks_before_sending_a_body_is_told_to_go_on() -> None:
    head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\nexpect: 100-continue\r\n\r\n"

    async with serving() as bind, connected(bind) as client:
        assert await client.ask(head) == (100, b"")
        assert await client.ask(b"body") == (200, b"body")


async def test_other_expectations_fail() -> None:
    request = b"GET / HTTP/1.1\r\nhost: x\r\nexpect: a miracle\r\n\r\n"

    async with serving() as bind, connected(bind) as client:
        assert await client.ask(request) == (417, b"")
        assert await client.answer() == (0, b"")


async def test_repeated_headers_are_joined_so_that_none_hides_another() -> None:
    async def handler(request: Request) -> Response:
        return Response(200, request.headers["x-token"].encode())

    async with serving(handler) as bind, connected(bind) as client:
        answer = await client.ask(b"GET / HTTP/1.1\r\nhost: x\r\nX-Token: a\r\nx-token: b\r\n\r\n")

    assert answer == (200, b"a, b")


async def test_a_proxys_absolute_address_is_read_as_its_path() -> None:
    async with serving() as bind, connected(bind) as client:
        assert await client.ask(b"GET http://x/a?b HTTP/1.1\r\nhost: x\r\n\r\n") == (200, b"GET /a")
        assert await client.ask(b"GET http://x HTTP/1.1\r\nhost: x\r\n\r\n") == (200, b"GET /")


@pytest.mark.parametrize(
    ("junk", "status"),
    [
        pytest.param(b"hello\r\n\r\n", 400, id="no HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00", 400, id="TLS"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(b"GET / HTTP/1.1\r\nhost x\r\n\r\n", 400, id="no colon"),
        pytest.param(
            b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ten\r\n\r\n", 400, id="length"
        ),
        pytest.param(b"GET x:1 HTTP/1.1\r\nhost: x\r\n\r\n", 400, id="no path"),
        pytest.param(b"GET http://[x HTTP/1.1\r\nhost: x\r\n\r\n", 400, id="no address"),
        pytest.param(b"OPTIONS * HTTP/1.1\r\nhost: x\r\n\r\n", 400, id="asterisk"),
        pytest.param(b"CONNECT x:443 HTTP/1.1\r\nhost: x\r\n\r\n", 400, id="a tunnel"),
        pytest.param(
            b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: gzip\r\n\r\n", 501, id="encoding"
        ),
        pytest.param(
            b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            400,
            id="chunk",
        ),
        pytest.param(b"GET /" + b"a" * 70_000, 431, id="endless address"),
        pytest.param(b"GET / HTTP/1.1\r\nx: " + b"a" * 70_000, 431, id="endless header"),
    ],
)
async def test_junk_is_answered_and_the_connection_ends(junk: bytes, status: int) -> None:
    async with serving() as bind, connected(bind) as client:
        assert await client.ask(junk) == (status, b"")
        assert await client.answer() == (0, b"")


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 11\r\n\r\n", id="announced"),
        pytest.param(
            b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nb\r\n01234567890\r\n",
            id="chunked",
        ),
    ],
)
async def test_a_body_over_the_bound_is_refused_before_it_is_read(request_: bytes) -> None:
    limits = ServerLimits(body_bytes=10)

    async with serving(limits=limits) as bind, connected(bind) as client:
        assert await client.ask(request_) == (413, b"")


async def test_who_goes_on_sending_a_refused_body_still_gets_the_answer() -> None:
    async with serving(limits=ServerLimits(body_bytes=10)) as bind, httpx.AsyncClient() as client:
        answer = await client.post(f"http://{bind}/", content=b"x" * 2_000_000)

    assert answer.status_code == 413


async def test_a_body_at_the_bound_is_taken() -> None:
    async with serving(limits=ServerLimits(body_bytes=10)) as bind, httpx.AsyncClient() as client:
        answer = await client.post(f"http://{bind}/", content=b"0123456789")

    assert answer.content == b"0123456789"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"", 0, id="nothing"),
        pytest.param(b"GET / HT", 408, id="half a line"),
        pytest.param(
            b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nabc", 408, id="half a body"
        ),
    ],
)
async def test_a_request_that_does_not_come_ends_the_connection(sent: bytes, status: int) -> None:
    limits = ServerLimits(read_timeout=0.05, idle_timeout=TIME * 2)

    async with serving(limits=limits) as bind, connected(bind) as client:
        assert (await client.ask(sent))[0] == status


async def test_a_drip_does_not_prolong_a_request() -> None:
    async with serving(limits=ServerLimits(read_timeout=0.1)) as bind, connected(bind) as client:

        async def drip() -> None:
            await client.stream.send_all(b"GET / HTTP/1.1\r\nx: ")
            while True:
                await client.stream.send_all(b"a")
                await trio.sleep(
                    0.01
                )  # slower than the bound on the head, faster than the deadline

        async with trio.open_nursery() as nursery:
            nursery.start_soon(drip)
            assert await client.answer() == (408, b"")
            nursery.cancel_scope.cancel()


async def test_an_idle_connection_is_closed_in_silence() -> None:
    limits = ServerLimits(read_timeout=TIME * 2, idle_timeout=0.05)

    async with serving(limits=limits) as bind, connected(bind) as client:
        assert await client.ask(GET) == (200, b"GET /a")
        assert await client.answer() == (0, b"")


async def test_after_idling_a_request_has_its_whole_time() -> None:
    limits = ServerLimits(read_timeout=TIME * 2, idle_timeout=0.2)

    async with serving(limits=limits) as bind, connected(bind) as client:
        await client.ask(GET)
        await client.stream.send_all(GET[:5])
        await trio.sleep(0.3)  # longer than idling is allowed

        assert await client.ask(GET[5:]) == (200, b"GET /a")


async def test_who_does_not_read_is_cut_off() -> None:
    async def handler(_request: Request) -> Response:
        return Response(200, b"x" * 20_000_000)

    async with serving(handler, ServerLimits(write_timeout=0.1)) as bind, connected(bind) as client:
        await client.stream.send_all(GET)
        received = 0
        await trio.sleep(0.3)  # longer than writing is allowed
        with pytest.raises(trio.BrokenResourceError):  # noqa: PT012  data, then the reset
            while True:
                received += len(data := await client.stream.receive_some())
                if not data:
                    raise trio.BrokenResourceError

    assert received < 20_000_000


async def test_an_end_in_the_middle_of_a_request_is_no_request() -> None:
    seen: list[Request] = []

    async def handler(request: Request) -> Response:
        seen.append(request)
        return Response(200)

    async with serving(handler) as bind, connected(bind) as client:
        await client.stream.send_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab")
        await client.stream.send_eof()

        assert await client.answer() == (400, b"")
    assert seen == []


async def test_who_says_all_there_is_to_say_is_still_answered() -> None:
    async with serving() as bind, connected(bind) as client:
        await client.stream.send_all(GET)
        await client.stream.send_eof()

        assert await client.answer() == (200, b"GET /a")
        assert await client.answer() == (0, b"")


@pytest.mark.parametrize(
    "request_",
    [b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"],
    ids=["asked for", "HTTP/1.0"],
)
async def test_a_connection_ends_where_the_client_wants_it(request_: bytes) -> None:
    async with serving() as bind, connected(bind) as client:
        assert await client.ask(request_) == (200, b"GET /")
        assert await client.answer() == (0, b"")


async def test_a_client_that_resets_harms_nobody() -> None:
    async with serving() as bind:
        async with connected(bind) as client:
            client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            await client.stream.send_all(GET[:-2])
        async with connected(bind) as client:
            assert await client.ask(GET) == (200, b"GET /a")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(ValueError("secret detail"), id="an exception"),
        pytest.param(ExceptionGroup("secret detail", [ValueError()]), id="a group"),
    ],
)
async def test_a_handlers_exception_is_a_500_without_details_and_logged(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: Request) -> Response:
        if request.path == "/bad":
            raise error
        return Response(200)

    async with serving(handler) as bind, connected(bind) as client:
        status, body = await client.ask(b"GET /bad HTTP/1.1\r\nhost: x\r\n\r\n")
        next_one = await client.ask(GET)

    assert status == 500
    assert b"secret" not in body
    assert next_one == (200, b"")
    assert [record.message for record in caplog.records] == ["handler failed"]


async def test_a_response_that_is_no_http_ends_its_connection_alone() -> None:
    async def handler(request: Request) -> Response:
        return Response(200, headers=(("x", "a\r\nb"),) if request.path == "/bad" else ())

    async with serving(handler) as bind:
        async with connected(bind) as client:
            assert await client.ask(b"GET /bad HTTP/1.1\r\nhost: x\r\n\r\n") == (0, b"")
        async with connected(bind) as client:
            assert await client.ask(GET) == (200, b"")


async def test_at_the_bound_the_connection_that_waits_longest_makes_room() -> None:
    async with serving(limits=ServerLimits(connections=3)) as bind, AsyncExitStack() as stack:
        first, second, third = [await stack.enter_async_context(connected(bind)) for _ in range(3)]
        for client in (second, third, first):
            await client.ask(GET)
        async with connected(bind) as fourth:
            assert await fourth.ask(GET) == (200, b"GET /a")

            assert await second.answer() == (0, b"")
            assert await first.ask(GET) == (200, b"GET /a")
            assert await third.ask(GET) == (200, b"GET /a")


async def test_at_the_bound_a_request_in_work_is_not_given_up_for_a_newcomer() -> None:
    busy, go_on = trio.Event(), trio.Event()

    async def handler(_request: Request) -> Response:
        busy.set()
        await go_on.wait()
        return Response(200, b"done")

    limits = ServerLimits(connections=1)

    async with serving(handler, limits) as bind, connected(bind) as worker:
        await worker.stream.send_all(GET)
        await busy.wait()
        async with connected(bind) as newcomer:
            assert await newcomer.answer() == (0, b"")
        go_on.set()

        assert await worker.answer() == (200, b"done")


async def test_any_number_of_half_open_connections_keeps_nobody_out() -> None:
    async with serving(limits=ServerLimits(connections=10)) as bind, AsyncExitStack() as stack:
        half_open = [await stack.enter_async_context(connected(bind)) for _ in range(50)]
        for client in half_open[40:]:
            await client.stream.send_all(b"GET / HTTP/1.1\r\n")
        async with connected(bind) as client:
            assert await client.ask(GET) == (200, b"GET /a")

        assert await half_open[0].answer() == (0, b"")


async def test_cancelling_closes_connections_and_the_port() -> None:
    async with serving() as bind:
        stream = await trio.open_tcp_stream(bind.host, bind.port)
        client = Client(stream)
        await client.ask(GET)

    with trio.fail_after(TIME):
        async with stream:
            assert await client.answer() == (0, b"")
        with pytest.raises(OSError, match=r"refused|failed"):
            await trio.open_tcp_stream(bind.host, bind.port)


async def test_a_taken_port_is_named() -> None:
    with trio.fail_after(TIME):
        async with serving() as bind:
            with pytest.raises(OSError, match=rf"cannot listen on 127\.0\.0\.1:{bind.port}: .+"):
                await serve_http(echo, host=bind.host, port=bind.port)


async def test_an_unknown_host_is_named() -> None:
    with trio.fail_after(TIME), pytest.raises(OSError, match=r"cannot listen on no\.invalid:80"):
        await serve_http(echo, host="no.invalid", port=80)


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
async def test_ipv6_is_served_too() -> None:
    async def serve(task_status: trio.TaskStatus[Bind]) -> None:
        await serve_http(echo, host="::1", port=0, task_status=task_status)

    with trio.fail_after(TIME):
        async with trio.open_nursery() as nursery:
            try:
                bind = await nursery.start(serve)
            except* OSError:
                pytest.skip("no IPv6 address here")
            async with connected(bind) as client:
                assert await client.ask(GET) == (200, b"GET /a")
            nursery.cancel_scope.cancel()
