"""Requests by asks: its RequestProcessor writes the request and reads the answer.

Its Session is left aside. It may send a POST twice, takes a kept connection without looking whether
the server closed it, and its timeouts cannot tell writing from reading. The connections are trio's
own, so that it does not matter either which anyio asks finds.
"""

import ssl
from contextlib import suppress
from typing import Any

import h11
import msgspec
import trio
from asks.request_object import RequestProcessor

from gmbot.api.transport import (
    KEEP_IDLE,
    MAX_ANSWER,
    Answer,
    AnswerTooLongError,
    Endpoint,
    Phase,
    Timeouts,
    network_failure,
    retry_after,
)

# Bytes asked of a connection at a time.
_PIECE = 65_536


class Pool:
    """Connections of our own; all that bounds them is the limiter."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._server = _server(endpoint)
        self._headers = endpoint.headers
        self._slots = trio.CapacityLimiter(endpoint.connections)
        self._idle: list[_Connection] = []
        self._busy: set[_Connection] = set()

    async def post(self, method: str, body: bytes, *, read_timeout: float) -> Answer:
        """Do as Transport says."""
        async with self._slots:
            connection = self._take()
            try:
                if connection is None:
                    connection = await self._open()
                return await self._exchange(connection, method, body, read_timeout)
            except Exception as error:  # noqa: BLE001 - whatever it is, it may hold the URL
                phase = Phase.CONNECT if connection is None else connection.phase
                timed_out = isinstance(error, trio.TooSlowError)
                failure = network_failure(method, phase, error, timed_out=timed_out)
            finally:
                if connection is not None:
                    self._give_back(connection)
        # Raised out here, it has no context.
        raise failure

    async def aclose(self) -> None:
        """Do as Transport says."""
        for connection in (*self._idle, *self._busy):
            connection.close()
        self._idle.clear()

    async def _exchange(
        self, connection: "_Connection", method: str, body: bytes, read_timeout: float
    ) -> Answer:
        connection.begin(read_timeout)
        self._busy.add(connection)
        request = _Request(
            None,  # its session: asks needs one to follow redirects only
            "POST",
            self._endpoint.prefix + method,
            str(self._server.port),
            headers=self._headers,
            data=body,
            encoding="utf-8",
            sock=connection,
        )
        _, response = await request.make_request()
        return Answer(
            response.status_code,
            bytes(response.content),
            retry_after(response.headers.get("retry-after")),
        )

    def _take(self) -> "_Connection | None":
        """Take the idle connection used last of those that still stand."""
        while self._idle:
            connection = self._idle.pop()
            if connection.stands():
                return connection
            connection.close()
        return None

    def _give_back(self, connection: "_Connection") -> None:
        self._busy.discard(connection)
        if connection.is_reusable:
            self._idle.append(connection)
        else:
            connection.close()

    async def _open(self) -> "_Connection":
        server, timeouts = self._server, self._endpoint.timeouts
        with trio.fail_after(timeouts.connect):
            tcp = await trio.open_tcp_stream(server.host, server.port)
            if server.ssl_context is None:
                return _Connection(tcp, tcp, timeouts)
            tls = trio.SSLStream(
                tcp, server.ssl_context, server_hostname=server.host, https_compatible=True
            )
            try:
                await tls.do_handshake()
            except BaseException:
                tcp.socket.close()
                raise
            return _Connection(tls, tcp, timeouts)


class _Server(msgspec.Struct, frozen=True):
    """Where to connect; `ssl_context` is None for plain HTTP."""

    host: str
    port: int
    ssl_context: ssl.SSLContext | None


def _server(endpoint: Endpoint) -> _Server:
    url = endpoint.url
    is_tls = url.scheme == "https"
    return _Server(
        host=url.hostname or "",
        port=url.port or (443 if is_tls else 80),
        ssl_context=endpoint.ssl_context if is_tls else None,
    )


class _Request(RequestProcessor):  # type: ignore[misc]  # asks has no types
    """One exchange without what a client of pages does around it: redirects, cookies, guesses."""

    sock: "_Connection"

    async def _request_io(self, request: Any, body: Any, protocol: h11.Connection) -> Any:
        await self._send(request, body, protocol)
        response = await self._catch_response(protocol)
        if protocol.our_state is h11.DONE and protocol.their_state is h11.DONE:
            self.sock.keep()
        return response


class _Connection:
    """A trio stream in the shape of what asks calls a socket; knows how far its request got."""

    def __init__(self, stream: trio.abc.Stream, tcp: trio.SocketStream, timeouts: Timeouts) -> None:
        self.phase = Phase.WRITE
        self.is_reusable = False
        self._stream = stream
        self._socket = tcp.socket
        self._timeouts = timeouts
        self._read_timeout = 0.0
        self._received = 0
        self._expires_at = 0.0

    def begin(self, read_timeout: float) -> None:
        """Get ready for an exchange; until it is complete, the connection is good for no other."""
        self.phase = Phase.WRITE
        self.is_reusable = False
        self._read_timeout = read_timeout
        self._received = 0

    async def send(self, data: bytes) -> None:
        """Send all of it, or what the server takes: it may refuse a body and answer at once."""
        self.phase = Phase.WRITE
        with trio.fail_after(self._timeouts.write), suppress(trio.BrokenResourceError):
            await self._stream.send_all(data)

    async def receive(self) -> bytes:
        """Receive a piece, empty at the end."""
        self.phase = Phase.READ
        with trio.fail_after(self._read_timeout):
            piece = await self._stream.receive_some(_PIECE)
        self._received += len(piece)
        if self._received > MAX_ANSWER:
            raise AnswerTooLongError
        return bytes(piece)

    def keep(self) -> None:
        """Declare the exchange complete: another may follow on this connection."""
        self.is_reusable = True
        self._expires_at = trio.current_time() + KEEP_IDLE

    def stands(self) -> bool:
        """Whether an idle connection can be used: one with something to read was closed."""
        return trio.current_time() < self._expires_at and not self._socket.is_readable()

    def close(self) -> None:
        """Close without a word and without a pause, so that nothing can cut it short."""
        self._socket.close()
