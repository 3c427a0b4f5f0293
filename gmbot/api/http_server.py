"""A small HTTP/1.1 server: h11 on trio streams, with a bound on everything a stranger can use up.

One task a connection, one request at a time in it; pipelined requests wait their turn unread.
"""

import email.utils
import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

import h11
import msgspec
import trio

from gmbot.config import Bind

_logger = logging.getLogger(__name__)


class Request(msgspec.Struct, frozen=True):
    """A whole request; `path` and `query` as sent, names of `headers` in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


class Response(msgspec.Struct, frozen=True):
    """What is answered; the body's length, the date and the connection's end are added."""

    status: int
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: tuple[tuple[str, str], ...] = ()


class ServerLimits(msgspec.Struct, frozen=True):
    """Bounds in bytes and seconds.

    The defaults fit Telegram (at most 100 connections a webhook, an update below 1 MiB) and a
    monitoring system that asks every few seconds over one connection.
    """

    connections: int = 128
    head_bytes: int = 16 * 1024
    body_bytes: int = 1024 * 1024
    read_timeout: float = 10.0  # from a request's first byte to its last, or from connecting
    idle_timeout: float = 75.0  # between two requests; longer than what balancers keep (60)
    write_timeout: float = 10.0  # for one whole response


Handler = Callable[[Request], Awaitable[Response]]


async def serve_http(
    handler: Handler,
    *,
    host: str,
    port: int,
    limits: ServerLimits = ServerLimits(),  # noqa: B008  frozen
    task_status: trio.TaskStatus[Bind] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled, which closes listeners and connections at once.

    Starts with the bound address. Raises OSError, with the address in its text, where it cannot be
    bound. An exception of the handler is logged and answered with 500.
    """
    where = Bind(host, port)
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {where}: {error.strerror}") from None
    bound = listeners[0].socket.getsockname()
    crowd = _Crowd(handler, limits)
    task_status.started(Bind(bound[0], bound[1]))
    await trio.serve_listeners(crowd.serve, listeners)


class _Crowd:
    """All connections of a server; at the bound a new one takes the place of the idlest."""

    def __init__(self, handler: Handler, limits: ServerLimits) -> None:
        self._handler = handler
        self._limits = limits
        self._open = 0
        # Connections without a whole request, the one that waits longest first.
        self._waiting: dict[trio.CancelScope, None] = {}

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one connection to its end."""
        async with stream:
            if self._open >= self._limits.connections and not self._evict():
                return
            self._open += 1
            scope = trio.CancelScope()
            try:
                with scope:
                    await self._converse(_Connection(stream, self._limits), scope)
            except (trio.BrokenResourceError, h11.LocalProtocolError) as error:
                _logger.debug("connection ended: %s", type(error).__name__)
            finally:
                self._open -= 1
                self._waiting.pop(scope, None)

    def _evict(self) -> bool:
        if not self._waiting:
            return False
        oldest = next(iter(self._waiting))
        del self._waiting[oldest]
        oldest.cancel()
        return True

    async def _converse(self, connection: "_Connection", scope: trio.CancelScope) -> None:
        while True:
            self._waiting[scope] = None
            try:
                request = await connection.receive()
            except _RefusedError as refusal:
                await connection.refuse(refusal.status)
                request = None
            if request is None:
                return
            self._waiting.pop(scope, None)
            response = await self._respond(request)
            if not await connection.send(request, response):
                return

    async def _respond(self, request: Request) -> Response:
        try:
            return await self._handler(request)
        except Exception:
            _logger.exception("handler failed")
            return Response(HTTPStatus.INTERNAL_SERVER_ERROR, b"internal error\n")


class _RefusedError(Exception):
    """The request cannot be taken; the connection ends with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


_CHUNK = 16 * 1024  # bytes read at once
_LINGER = 1.0  # seconds; closing with unread bytes resets the connection and loses our answer


class _Connection:
    """Requests in, responses out: h11 knows the protocol, this knows the deadlines."""

    def __init__(self, stream: trio.SocketStream, limits: ServerLimits) -> None:
        self._stream = stream
        self._limits = limits
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.head_bytes)
        self._patience = limits.read_timeout  # for a request's first byte

    async def receive(self) -> Request | None:
        """Read a whole request; None where there will be none. Raises _RefusedError."""
        begun = self._has_bytes()
        patience = self._limits.read_timeout if begun else self._patience
        with trio.move_on_after(patience) as scope:
            if not begun:
                await self._read_some()
                scope.deadline = trio.current_time() + self._limits.read_timeout
            return await self._assemble()
        if self._has_bytes() or self._h11.their_state is not h11.IDLE:
            raise _RefusedError(HTTPStatus.REQUEST_TIMEOUT)
        return None

    async def send(self, request: Request, response: Response) -> bool:
        """Send a response. Returns whether the connection may go on."""
        body = b"" if request.method == "HEAD" else response.body
        if not await self._send(response, body) or self._h11.our_state is not h11.DONE:
            return False
        self._h11.start_next_cycle()
        self._patience = self._limits.idle_timeout
        return True

    async def refuse(self, status: int) -> None:
        """Answer what is no acceptable request, and make sure that the answer arrives."""
        close = (("connection", "close"),)
        await self._send(Response(status, headers=close), b"")
        with trio.move_on_after(_LINGER):
            await self._stream.send_eof()
            while await self._stream.receive_some(_CHUNK):
                pass

    async def _assemble(self) -> Request | None:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = self._next_event()
            if isinstance(event, h11.Request):
                head = event
                self._check(head)
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > self._limits.body_bytes:
                    raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            elif head is not None and isinstance(event, h11.EndOfMessage):
                return _request(head, bytes(body))
            elif event is h11.NEED_DATA:
                if self._h11.they_are_waiting_for_100_continue:
                    go_on = h11.InformationalResponse(status_code=HTTPStatus.CONTINUE, headers=[])
                    await self._stream.send_all(self._h11.send(go_on) or b"")
                await self._read_some()
            else:
                return None

    def _next_event(self) -> object:
        try:
            return self._h11.next_event()
        except h11.RemoteProtocolError as error:
            raise _RefusedError(error.error_status_hint) from None

    def _check(self, head: h11.Request) -> None:
        for name, value in head.headers:
            if name == b"content-length" and int(value) > self._limits.body_bytes:
                raise _RefusedError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
            if name == b"expect" and value.lower() != b"100-continue":
                raise _RefusedError(HTTPStatus.EXPECTATION_FAILED)

    async def _read_some(self) -> None:
        self._h11.receive_data(await self._stream.receive_some(_CHUNK))

    def _has_bytes(self) -> bool:
        return bool(self._h11.trailing_data[0])

    async def _send(self, response: Response, body: bytes) -> bool:
        headers = [
            ("date", email.utils.formatdate(usegmt=True)),
            ("content-type", response.content_type),
            ("content-length", str(len(response.body))),
            *response.headers,
        ]
        status = int(response.status)
        data = [
            self._h11.send(h11.Response(status_code=status, headers=headers)),
            self._h11.send(h11.Data(data=body)),
            self._h11.send(h11.EndOfMessage()),
        ]
        with trio.move_on_after(self._limits.write_timeout) as scope:
            await self._stream.send_all(b"".join(part or b"" for part in data))
        return not scope.cancelled_caught


def _request(head: h11.Request, body: bytes) -> Request:
    target = head.target.decode("ascii")
    if not target.startswith("/"):  # absolute, as a proxy sends it; or something for a proxy
        try:
            parts = urlsplit(target)
        except ValueError:
            raise _RefusedError(HTTPStatus.BAD_REQUEST) from None
        if not parts.netloc:
            raise _RefusedError(HTTPStatus.BAD_REQUEST)
        target = f"{parts.path or '/'}?{parts.query}"
    path, _, query = target.partition("?")
    headers: dict[str, str] = {}
    for name, value in head.headers:
        key, text = name.decode("ascii"), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return Request(head.method.decode("ascii"), path, query, headers, body)
