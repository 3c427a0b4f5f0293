"""Requests by httpx, through its transport: a client above it would add redirects and cookies.

The client would also log each URL. What the transport's own library logs (addresses, and headers
of answers, which may quote the URL) is refused at its loggers: a filter on a logger stays whatever
configuration comes later.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx
import trio

from gmbot.api.transport import (
    KEEP_IDLE,
    MAX_ANSWER,
    Answer,
    AnswerTooLongError,
    Endpoint,
    Phase,
    network_failure,
    retry_after,
)

_PHASES: dict[type[Exception], Phase] = {
    httpx.ConnectError: Phase.CONNECT,
    httpx.ConnectTimeout: Phase.CONNECT,
    httpx.WriteTimeout: Phase.WRITE,
}

_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11")


class Pool:
    """Connections kept by httpx.

    Its pool loses slots to requests that are cancelled while they wait for a connection (httpcore
    issue 1093): a limiter of the pool's size stands in front, so that none ever waits in there.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        _silence()
        self._endpoint = endpoint
        self._headers = endpoint.headers
        self._slots = trio.CapacityLimiter(endpoint.connections)
        self._http = httpx.AsyncHTTPTransport(
            verify=endpoint.ssl_context,
            trust_env=False,
            limits=httpx.Limits(
                max_connections=endpoint.connections,
                max_keepalive_connections=endpoint.connections,
                keepalive_expiry=KEEP_IDLE,
            ),
        )

    async def post(self, method: str, body: bytes, *, read_timeout: float) -> Answer:
        """Do as Transport says."""
        timeouts = self._endpoint.timeouts
        request = httpx.Request(
            "POST",
            self._endpoint.prefix + method,
            headers={**self._headers, "content-length": str(len(body))},
            stream=_Body(body),
            extensions={
                "timeout": {
                    "connect": timeouts.connect,
                    "write": timeouts.write,
                    "read": read_timeout,
                },
                "trace": _Handshake(),
            },
        )
        async with self._slots:
            try:
                return await self._exchange(request)
            except Exception as error:  # noqa: BLE001 - whatever it is, it may hold the URL
                phase = _PHASES.get(type(error), Phase.READ)
                timed_out = isinstance(error, httpx.TimeoutException)
                failure = network_failure(method, phase, error, timed_out=timed_out)
        # Raised out here, it has no context.
        raise failure

    async def aclose(self) -> None:
        """Do as Transport says."""
        await self._http.aclose()

    async def _exchange(self, request: httpx.Request) -> Answer:
        response = await self._http.handle_async_request(request)
        body = bytearray()
        # An async generator left in the middle is a leak: cancelled, it ends itself.
        with trio.CancelScope() as reading:
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > MAX_ANSWER:
                    reading.cancel()
        if len(body) > MAX_ANSWER:
            raise AnswerTooLongError
        return Answer(
            response.status_code, bytes(body), retry_after(response.headers.get("retry-after"))
        )


class _Body(httpx.AsyncByteStream):
    """A body in one piece. httpx's own is a generator, left in the middle where sending fails."""

    def __init__(self, body: bytes) -> None:
        self._pieces = [body]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop()


class _Handshake:
    """Closes a connection whose handshake was cancelled, which httpcore leaves to the collector."""

    def __init__(self) -> None:
        self._connection: Any = None

    async def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.complete":
            self._connection = info["return_value"]
        elif event == "connection.start_tls.failed":
            await self._connection.aclose()


def _silence() -> None:
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_refuse)


def _refuse(_record: logging.LogRecord) -> bool:
    return False
