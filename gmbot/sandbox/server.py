"""An HTTP/1.1 server on trio and h11: it reads requests, hands them on, and sends the replies.

Errors of this layer (400, 413, 431, 501, 505) have an empty body and close the connection.
"""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from http.client import responses
from typing import Final

import h11
import msgspec
import trio

from gmbot.sandbox.arguments import HttpError
from gmbot.sandbox.replies import Reply
from gmbot.sandbox.sockets import is_readable, reset

MAX_BODY: Final = 50 << 20  # bytes; the largest file a bot may upload
MAX_HEADERS: Final = 1 << 16  # bytes
IDLE: Final = 500.0  # seconds until the public server closes an unused connection


class Request(msgspec.Struct, frozen=True):
    """One request: `method` is the HTTP verb, `path` and `query` are percent-encoded."""

    method: str
    path: str
    query: str
    content_type: str
    body: bytes
    headers: Sequence[tuple[bytes, bytes]] = ()  # names in lower case


Handler = Callable[[Request], Awaitable[Reply]]


class Server:
    """Serves a handler on loopback and knows its connections.

    `connections` counts those that were ever opened: it shows whether a client reuses them.
    """

    def __init__(self, handler: Handler, *, idle: float = IDLE) -> None:
        self.connections = 0
        self.idle = idle
        self._handler = handler
        self._idlers: set[trio.CancelScope] = set()

    async def run(
        self,
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        task_status: trio.TaskStatus[tuple[str, int]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Listen on 127.0.0.1 until cancelled; reports the address once connections are taken."""
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
        host, bound = listeners[0].socket.getsockname()[:2]

        async def serve(stream: trio.SocketStream) -> None:
            await self._serve(stream, tls)

        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, serve, listeners)
            task_status.started((host, bound))

    def close_idle(self) -> None:
        """Close the connections on which no request is under way, as a server may at any time."""
        for scope in self._idlers:
            scope.cancel()

    async def _serve(self, wire: trio.SocketStream, tls: ssl.SSLContext | None) -> None:
        self.connections += 1
        stream: trio.abc.Stream = wire
        if tls is not None:
            stream = trio.SSLStream(wire, tls, server_side=True, https_compatible=True)
        try:
            async with stream:
                await _Conversation(stream, wire, self._handler, self._idlers, self.idle).run()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client went away, or a fault reset it


class _Conversation:
    """One connection: one request at a time, one after another."""

    def __init__(
        self,
        stream: trio.abc.Stream,
        wire: trio.SocketStream,
        handler: Handler,
        idlers: set[trio.CancelScope],
        idle: float,
    ) -> None:
        self._stream = stream
        self._wire = wire
        self._handler = handler
        self._idlers = idlers
        self._idle = idle
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEADERS)

    async def run(self) -> None:
        try:
            while (head := await self._wait_head()) is not None:
                request = await self._read(head)
                reply = await self._handler(request)
                await self._send(reply)
                if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                    return
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as problem:
            await self._refuse(problem.error_status_hint)
        except HttpError as problem:
            await self._refuse(problem.status)

    async def _wait_head(self) -> h11.Request | None:
        with trio.move_on_after(self._idle) as scope:
            self._idlers.add(scope)
            try:
                event = await self._next_event()
            finally:
                self._idlers.discard(scope)
            if isinstance(event, h11.Request):
                if event.http_version not in {b"1.0", b"1.1"}:
                    raise HttpError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
                if event.method not in {b"GET", b"POST"}:
                    raise HttpError(HTTPStatus.NOT_IMPLEMENTED)
                return event
        return None

    async def _read(self, head: h11.Request) -> Request:
        content_type = ""
        for name, value in head.headers:
            if name == b"content-type":
                content_type = value.decode("latin-1")
            elif name == b"content-length" and int(value) > MAX_BODY:
                raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        body = bytearray()
        while isinstance(event := await self._next_event(), h11.Data):
            body += event.data
            if len(body) > MAX_BODY:
                raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        path, _, query = head.target.decode("latin-1").partition("?")
        return Request(head.method.decode(), path, query, content_type, bytes(body), head.headers)

    async def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(bytes(await self._stream.receive_some()))
        return event

    async def _send(self, reply: Reply) -> None:
        if reply.cut is not None and reply.cut < 0:
            reset(self._wire)
            return
        headers = [
            (b"content-type", reply.content_type.encode()),
            (b"content-length", str(len(reply.body)).encode()),
        ]
        if reply.retry_after is not None:
            headers.append((b"retry-after", str(reply.retry_after).encode()))
        reason = responses.get(reply.status, "").encode()
        head = h11.Response(status_code=reply.status, headers=headers, reason=reason)
        out = self._http.send(head) or b""
        if reply.cut is not None:
            await self._stream.send_all(out + reply.body[: reply.cut])
            reset(self._wire)
            return
        out += self._http.send(h11.Data(data=reply.body)) or b""
        out += self._http.send(h11.EndOfMessage()) or b""
        # Nothing is due from the client now: what can be read is its good-bye.
        is_abandoned = reply.sent is not None and is_readable(self._wire)
        await self._stream.send_all(out)
        if reply.sent is not None and not is_abandoned:
            reply.sent()

    async def _refuse(self, status: int) -> None:
        out = b""
        response = h11.Response(
            status_code=status,
            headers=[(b"content-length", b"0"), (b"connection", b"close")],
            reason=responses[status].encode(),
        )
        for event in (response, h11.EndOfMessage()):
            out += self._http.send(event) or b""
        await self._stream.send_all(out)
        await self._linger()

    async def _linger(self) -> None:
        # Closing while the client still sends would reset the connection and lose the answer.
        await self._wire.send_eof()
        with trio.move_on_after(1):
            while await self._wire.receive_some():
                pass
