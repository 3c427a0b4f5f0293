"""A scripted HTTP server on loopback: it reads requests, and the test says what happens then."""

from __future__ import annotations

import logging
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, Protocol

import msgspec
import pytest
import trio
import trustme

from gmbot.api.errors import NetworkFailure
from gmbot.api.transport import TRANSPORTS, Transport, open_transport
from gmbot.config import Secret

if TYPE_CHECKING:
    Script = Callable[["Peer"], Awaitable[None]]
    Opener = Callable[..., AbstractAsyncContextManager[Transport]]

TOKEN = "123456789:AAsecret-of-the-tests_0123456789abcd"


class Request(msgspec.Struct, frozen=True):
    verb: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


class Peer:
    """The server's end of one connection."""

    def __init__(self, stream: trio.abc.Stream, number: int) -> None:
        self.number = number
        self.target = ""
        self._stream = stream
        self._buffer = bytearray()

    async def read_head(self) -> tuple[str, str, dict[str, str]] | None:
        while b"\r\n\r\n" not in self._buffer:
            if not await self._fill():
                return None
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        self._buffer[:] = rest
        first, *lines = head.decode("ascii").split("\r\n")
        verb, self.target, version = first.split(" ")
        assert version == "HTTP/1.1"
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        return verb, self.target, headers

    async def read_body(self, length: int) -> bytes:
        while len(self._buffer) < length:
            if not await self._fill():
                raise trio.BrokenResourceError
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    async def answer(
        self, status: int = 200, body: bytes = b'{"ok":true}', *headers: str, length: bool = True
    ) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", *headers]
        if length:
            lines.append(f"content-length: {len(body)}")
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def send(self, data: bytes) -> None:
        await self._stream.send_all(data)

    async def wait_closed(self) -> None:
        """Say nothing until the client goes."""
        while await self._fill():
            pass

    async def close(self) -> None:
        await self._stream.aclose()

    async def reset(self) -> None:
        assert isinstance(self._stream, trio.SocketStream)
        self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self._stream.aclose()

    async def _fill(self) -> bool:
        data = await self._stream.receive_some()
        self._buffer += data
        return bool(data)


class Server:
    """Runs a script for each request, or for each connection where it is not to read by itself."""

    def __init__(self, scheme: str, script: Script, *, reads: bool) -> None:
        self.requests: list[Request] = []
        self.accepted = 0
        self.open = 0
        self.most_open = 0
        self.busy = 0
        self.most_busy = 0
        self.url = ""
        self._scheme = scheme
        self._script = script
        self._reads = reads
        self._changes = trio.lowlevel.ParkingLot()

    async def until(self, condition: Callable[[Server], bool]) -> None:
        while not condition(self):
            await self._changes.park()

    async def until_asked(self, times: int) -> None:
        await self.until(lambda server: len(server.requests) == times)

    async def run(
        self,
        listener: trio.SocketListener,
        tls: ssl.SSLContext | None,
        *,
        task_status: trio.TaskStatus[None],
    ) -> None:
        port = listener.socket.getsockname()[1]
        self.url = f"{self._scheme}://127.0.0.1:{port}"
        outer: trio.abc.Listener[trio.abc.Stream] = (
            listener if tls is None else trio.SSLListener(listener, tls, https_compatible=True)
        )
        task_status.started()
        await trio.serve_listeners(self._serve, [outer])

    async def _serve(self, stream: trio.abc.Stream) -> None:
        self.accepted += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self._changes.unpark_all()
        peer = Peer(stream, self.accepted)
        try:
            if self._reads:
                while await self._answer_one(peer):
                    pass
            else:
                await self._script(peer)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            self.open -= 1
            self._changes.unpark_all()

    async def _answer_one(self, peer: Peer) -> bool:
        head = await peer.read_head()
        if head is None:
            return False
        body = await peer.read_body(int(head[2].get("content-length", "0")))
        self.requests.append(Request(*head, body=body, connection=peer.number))
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        self._changes.unpark_all()
        try:
            await self._script(peer)
        finally:
            self.busy -= 1
            self._changes.unpark_all()
        return True


async def _say_ok(peer: Peer) -> None:
    await peer.answer()


class Serve:
    """Starts servers that live as long as the test."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

    async def __call__(
        self,
        script: Script = _say_ok,
        *,
        scheme: str = "http",
        tls: ssl.SSLContext | None = None,
        reads: bool = True,
        receive_buffer: int | None = None,
    ) -> Server:
        server = Server(scheme, script, reads=reads)
        listener = trio.socket.socket()
        if receive_buffer is not None:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        await self._nursery.start(server.run, trio.SocketListener(listener), tls)
        return server


class Authority:
    """A certificate authority made for the tests; `trusting` is a client that trusts it."""

    def __init__(self) -> None:
        self._root = trustme.CA()
        self.trusting = ssl.create_default_context()
        self._root.configure_trust(self.trusting)

    def server_for(self, names: Iterable[str]) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._root.issue_cert(*names).configure_cert(context)
        return context


@pytest.fixture
async def serve(nursery: trio.Nursery) -> Serve:
    nursery.start_soon(_lose_patience)
    return Serve(nursery)


async def _lose_patience() -> None:
    await trio.sleep(30)
    raise trio.TooSlowError


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def token() -> str:
    return TOKEN


@pytest.fixture(params=list(TRANSPORTS))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opened(name: str, caplog: pytest.LogCaptureFixture) -> Iterator[Opener]:
    """Open the transport in question; the token must not be in the log afterwards."""
    for logger in ("", "httpx", "httpcore", "httpcore.http11", "httpcore.connection", "asks"):
        caplog.set_level(logging.DEBUG, logger=logger)
    yield partial(open_transport, name, token=Secret(TOKEN), connections=2)
    for record in caplog.get_records("call"):
        assert TOKEN not in f"{record.getMessage()} {vars(record)}"


class FailureOf(Protocol):
    async def __call__(
        self, transport: Transport, body: bytes = b"{}", *, read_timeout: float = 30.0
    ) -> NetworkFailure: ...


@pytest.fixture
def failure_of() -> FailureOf:
    """Return the failure of a call, having looked for the token in all that hangs on it."""

    async def fail(
        transport: Transport, body: bytes = b"{}", *, read_timeout: float = 30.0
    ) -> NetworkFailure:
        with pytest.raises(NetworkFailure) as caught:
            await transport.post("getMe", body, read_timeout=read_timeout)
        for error in _chain(caught.value):
            shown = f"{error} {error!r} {vars(error)}"
            assert TOKEN not in shown
            assert "://" not in shown
        assert caught.value.__context__ is caught.value.__cause__ is None
        return caught.value

    return fail


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    if error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for inner in error.exceptions:
                yield from _chain(inner)
        yield from _chain(error.__cause__)
        yield from _chain(error.__context__)
