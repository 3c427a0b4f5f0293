"""The wire: one POST with one answer. What HTTP library does it is nobody else's business."""

import importlib
import re
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Protocol
from urllib.parse import SplitResult, urlsplit

import msgspec
import trio

from gmbot.api.errors import NetworkFailure
from gmbot.config import Secret


class Answer(msgspec.Struct, frozen=True):
    """What came back, unread: HTTP status, body and the header `Retry-After` in seconds."""

    status: int
    body: bytes
    retry_after: float | None = None


class Transport(Protocol):
    """A pool of connections to one Bot API server, for one token."""

    async def post(self, method: str, body: bytes, *, read_timeout: float) -> Answer:
        """Send a JSON body to `{base}/bot{token}/{method}` and return the answer, whatever it says.

        Raises NetworkFailure where no whole answer arrived. `read_timeout` is in seconds and counts
        from the moment the request is out, and anew with each piece of the answer that arrives: it
        bounds silence. What bounds the whole, the wait for a free connection included, is the
        caller's deadline. Cancelling gives the connection up, never its slot.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...


class Timeouts(msgspec.Struct, frozen=True):
    """Seconds for a connection to stand (TCP and TLS), and for the server to take a request."""

    connect: float = 10.0
    write: float = 15.0


# Without `identity` the libraries would ask for compressed answers.
_HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "accept": "application/json",
        "accept-encoding": "identity",
        "connection": "keep-alive",
        "content-type": "application/json",
        "user-agent": "GMBot",
    }
)


class Endpoint(msgspec.Struct, frozen=True):
    """All that a pool needs to know. `prefix` holds the token: never show it."""

    prefix: str
    connections: int
    ssl_context: ssl.SSLContext
    timeouts: Timeouts

    @property
    def url(self) -> SplitResult:
        """The parts of `prefix`."""
        return urlsplit(self.prefix)

    @property
    def headers(self) -> dict[str, str]:
        """What goes with every request, whatever its method and its body."""
        return {"host": self.url.netloc.rpartition("@")[2], **_HEADERS}


class TransportMissingError(Exception):
    """The library of this transport is not installed."""


class AnswerTooLongError(Exception):
    """The answer is longer than MAX_ANSWER."""


DEFAULT_TIMEOUTS = Timeouts()

# Each module has a `Pool(endpoint: Endpoint)`, and is imported only where it is chosen.
TRANSPORTS: Mapping[str, str] = MappingProxyType(
    {"httpx": "gmbot.api.transport_httpx", "asks": "gmbot.api.transport_asks"}
)

# An idle connection older than this is not used again: what stands between may have forgotten it
# without a word. Seconds; the public server itself keeps one for about 500.
KEEP_IDLE = 60.0

# Bytes. The longest answer of the Bot API, that of getUpdates, ends near 4 MiB.
MAX_ANSWER = 16 * 1024 * 1024


@asynccontextmanager
async def open_transport(
    name: str,
    *,
    base_url: str,
    token: Secret,
    connections: int,
    ssl_context: ssl.SSLContext | None = None,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> AsyncIterator[Transport]:
    """Open the transport called `name`, one of TRANSPORTS, and close it at the end.

    At most `connections` requests are under way at a time. Without an `ssl_context` the authorities
    of the system and of certifi are trusted. Raises TransportMissingError.
    """
    pool_type = _load(name)
    pool = pool_type(
        Endpoint(
            prefix=f"{base_url.rstrip('/')}/bot{token.reveal()}/",
            connections=connections,
            ssl_context=ssl_context or default_ssl_context(),
            timeouts=timeouts,
        )
    )
    try:
        yield pool
    finally:
        with trio.CancelScope(shield=True):
            await pool.aclose()


def _load(name: str) -> Callable[[Endpoint], Transport]:
    try:
        module = importlib.import_module(TRANSPORTS[name])
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        raise TransportMissingError(
            f"the transport {name!r} needs the package {package!r}, which is not installed"
        ) from error
    pool_type: Callable[[Endpoint], Transport] = module.Pool
    return pool_type


@cache
def default_ssl_context() -> ssl.SSLContext:
    """Trust the system's authorities and certifi's: slim containers come without the former.

    Made once, since reading the authorities takes some 40 ms.
    """
    context = ssl.create_default_context()
    certifi = importlib.import_module("certifi")
    context.load_verify_locations(certifi.where())
    return context


class Phase(StrEnum):
    """How far a request got."""

    CONNECT = "connect"
    WRITE = "write"
    READ = "read"


def network_failure(
    method: str, phase: Phase, error: Exception, *, timed_out: bool = False
) -> NetworkFailure:
    """Name what went wrong in words that hold no URL: the system's own, or a type's name.

    From the first byte written the request may have been processed, whatever happened then: HTTP
    leaves open what a server did before it closed a connection.
    """
    reason = "timed out" if timed_out else f"failed: {_reason(error)}"
    return NetworkFailure(method, f"{phase} {reason}", sent=phase is not Phase.CONNECT)


def _reason(error: BaseException) -> str:
    """Find what the system or OpenSSL said below the libraries' own exceptions."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        elif isinstance(cause, ssl.SSLCertVerificationError):
            return f"certificate refused: {cause.verify_message}"
        elif isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        else:
            cause = cause.__cause__ or cause.__context__
    return type(error).__name__


_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def retry_after(value: str | None) -> float | None:
    """Read the header `Retry-After`; None unless it is a plain, non-negative number of seconds."""
    if value is None or not _SECONDS.fullmatch(value.strip()):
        return None
    return float(value)
