"""How long a transport waits, and what is left behind where somebody stops waiting."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from gmbot.api.transport import Answer, Timeouts, Transport

if TYPE_CHECKING:
    from tests.api.conftest import FailureOf, Opener, Peer, Script, Serve

MIB = 1024 * 1024
SHORT = 0.2  # seconds, for a time-out that a test waits for


async def post(transport: Transport) -> Answer:
    return await transport.post("getMe", b"{}", read_timeout=30.0)


# ---- time


async def _wait_closed(peer: Peer) -> None:
    await peer.wait_closed()


async def _stop_in_body(peer: Peer) -> None:
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
    await peer.wait_closed()


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux drops what a full queue cannot hold"
)
async def test_a_connection_that_does_not_come_about_in_time_is_a_failure_before_sending(
    opened: Opener,
    failure_of: FailureOf,
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
    serve: Serve, opened: Opener, failure_of: FailureOf
) -> None:
    server = await serve(_wait_closed, scheme="https", reads=False)

    async with opened(base_url=server.url, timeouts=Timeouts(connect=SHORT)) as transport:
        failure = await failure_of(transport)
        await server.until(lambda server: server.open == 0)

    assert (failure.detail, failure.sent) == ("connect timed out", False)


async def test_a_server_that_does_not_take_a_request_in_time_is_a_failure_after_sending(
    serve: Serve, opened: Opener, failure_of: FailureOf
) -> None:
    async def read_nothing(_peer: Peer) -> None:
        await trio.sleep_forever()

    server = await serve(read_nothing, reads=False, receive_buffer=4096)

    async with opened(base_url=server.url, timeouts=Timeouts(write=SHORT)) as transport:
        failure = await failure_of(transport, b"x" * (16 * MIB))

    assert (failure.detail, failure.sent) == ("write timed out", True)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(_wait_closed, id="before the answer"),
        pytest.param(_stop_in_body, id="in the body"),
    ],
)
async def test_silence_for_longer_than_the_call_allows_is_a_failure_after_sending(
    serve: Serve, opened: Opener, failure_of: FailureOf, script: Script
) -> None:
    server = await serve(script)

    async with opened(base_url=server.url) as transport:
        failure = await failure_of(transport, read_timeout=SHORT)
        await server.until(lambda server: server.open == 0)

    assert (failure.detail, failure.sent) == ("read timed out", True)


async def test_an_answer_that_came_too_late_is_not_taken_for_the_next_one(
    serve: Serve, opened: Opener
) -> None:
    async def answer_second_late(peer: Peer) -> None:
        number = len(server.requests)
        if number == 2:
            await server.until_asked(3)
        await peer.answer(200, b"%d" % number)

    server = await serve(answer_second_late)

    async with opened(base_url=server.url) as transport:
        first = await post(transport)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(post, transport)
            await server.until_asked(2)
            nursery.cancel_scope.cancel()
        third = await post(transport)

    assert (first.body, third.body) == (b"1", b"3")
    assert [request.connection for request in server.requests] == [1, 1, 2]


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
        answer = await transport.post("getMe", b"{}", read_timeout=0.6)

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


async def test_a_request_cancelled_as_a_connection_gets_free_leaves_no_slot_behind(
    serve: Serve, opened: Opener
) -> None:
    async def answer_and_close(peer: Peer) -> None:
        await peer.answer(200, b"{}", "connection: close")
        await peer.close()

    server = await serve(answer_and_close)

    async with opened(base_url=server.url, connections=1) as transport:
        for steps in (*range(2, 60), *range(2, 60)):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(post, transport)
                await trio.lowlevel.checkpoint()
                waiting = await nursery.start(_post_until_cancelled, transport)
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
                waiting.cancel()
        last = await post(transport)

    assert last.status == 200


async def _post_until_cancelled(
    transport: Transport, *, task_status: trio.TaskStatus[trio.CancelScope]
) -> None:
    with trio.CancelScope() as scope:
        task_status.started(scope)
        await post(transport)


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
