"""The wire: one POST with one answer. What HTTP library does it is nobody else's business."""

from typing import Protocol

import msgspec


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
        from the moment the request is out. Cancelling gives the connection up, never its slot.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections."""
        ...
