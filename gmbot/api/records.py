"""What the client tells its observers: frozen records, turned into metrics and log lines elsewhere.

An observer is a plain function, called synchronously; it must not raise and must not block.
Fields that may become metric labels come from closed sets (`method`, enums).
"""

from collections.abc import Callable
from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """How one attempt on the wire ended, or why there was none."""

    OK = "ok"
    REFUSED = "refused"  # a 4xx other than 429
    FLOOD = "flood"  # 429
    UNAVAILABLE = "unavailable"  # 5xx, or no Bot API answer
    NETWORK = "network"  # no answer at all
    CIRCUIT_OPEN = "circuit_open"  # nothing was sent
    CANCELLED = "cancelled"


class CallRecord(msgspec.Struct, frozen=True):
    """One attempt of one call. `waited` in the limiter and `took` on the wire, in seconds."""

    method: str
    outcome: Outcome
    attempt: int  # 1 for the first
    waited: float
    took: float


class BreakerRecord(msgspec.Struct, frozen=True):
    """A circuit breaker changed its state."""

    name: str
    state: str  # closed, open, half_open


class FreezeRecord(msgspec.Struct, frozen=True):
    """Telegram answered 429: calls of this kind (in this chat, where one is named) wait."""

    method: str
    retry_after: float
    chat_id: int | None


class MigrationRecord(msgspec.Struct, frozen=True):
    """A call named a basic group that has become a supergroup, with another id."""

    chat_id: int
    new_chat_id: int


class MalformedUpdate(msgspec.Struct, frozen=True):
    """An update that could not be read; it was left out, the rest of its batch was not."""

    update_id: int | None
    reason: str


class SourceEvent(StrEnum):
    """What happened to the source of updates as a whole."""

    STARTED = "started"
    CONFLICT = "conflict"  # 409: another instance polls with this token
    WEBHOOK_DELETED = "webhook_deleted"
    FAILING = "failing"
    RESUMED = "resumed"
    STOPPED = "stopped"


class SourceRecord(msgspec.Struct, frozen=True):
    """The source of updates changed its condition; said once for each change."""

    event: SourceEvent
    detail: str = ""


Record = (
    CallRecord | BreakerRecord | FreezeRecord | MigrationRecord | MalformedUpdate | SourceRecord
)
Observer = Callable[[Record], None]


def ignore(_record: Record) -> None:
    """Observe nothing."""
