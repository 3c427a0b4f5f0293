"""What is kept: frozen records, the same for every database.

Ids are Telegram's, up to 64 bits with sign. Times are seconds since 1970, in whose clock the caller
counts. Text that no database can hold (unpaired surrogates, NUL) is replaced by U+FFFD when it is
written: read back, it may differ from what was given.
"""

from enum import StrEnum
from typing import Any

import msgspec


class Owner(msgspec.Struct, frozen=True):
    """Who set a group's protection up."""

    user_id: int
    username: str | None


class Channel(msgspec.Struct, frozen=True):
    """A channel that people must be in; `username` without the @, None for a private one."""

    channel_id: int
    title: str
    username: str | None
    invite_link: str | None


class Group(msgspec.Struct, frozen=True):
    """A guarded group; `params` is a JSON object with what the group has set."""

    group_id: int
    owner_id: int
    title: str
    enabled: bool = True
    params: dict[str, Any] = {}


class ProtectedGroup(msgspec.Struct, frozen=True):
    """A group with the channels it requires, in the order in which they were linked."""

    group: Group
    channels: tuple[Channel, ...]


class RestrictionState(StrEnum):
    """How far a restriction has come."""

    WANTED = "wanted"  # written down, perhaps not yet muted
    HELD = "held"  # muted by us
    RELEASING = "releasing"  # being given back, perhaps already is


class Restriction(msgspec.Struct, frozen=True):
    """Whom we hold in a group, and what the person had before.

    `version` is set by the storage and only ever compared. `before` holds every `can_*` of an
    earlier restriction, None where there was none; `until_date` is when that one would have ended.
    """

    group_id: int
    user_id: int
    name: str
    state: RestrictionState
    version: int
    before: dict[str, bool] | None
    until_date: int | None


class NoticeState(StrEnum):
    """Whether a notice is known to stand in the group."""

    SENDING = "sending"
    LIVE = "live"


class Notice(msgspec.Struct, frozen=True):
    """The one live notice of a group; `people` are (user_id, name), oldest first.

    `version` is 0 for one that is not stored yet, else as the storage returned it.
    """

    group_id: int
    message_id: int | None
    people: tuple[tuple[int, str], ...]
    state: NoticeState
    version: int
    expires_at: float


class PendingUpdate(msgspec.Struct, frozen=True):
    """An update that was acknowledged before its flow had ended; `payload` is as Telegram sent it.

    `attempts` counts failures of the flow's own; the update is not due before `available_at`.
    """

    update_id: int
    payload: bytes
    attempts: int
    available_at: float


class QueryRecord(msgspec.Struct, frozen=True):
    """One query, for observers: `query` is a method's name of `Storage`, `took` is in seconds.

    `ok` is False where it failed or its caller gave up waiting. A query that the circuit breaker
    refused was never asked and makes no record.
    """

    query: str
    took: float
    ok: bool
