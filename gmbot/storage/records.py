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
    """A channel that people must be in; `username` without the @, None for a private one.

    One that is `hidden` the bot cannot look into: nobody is asked to be in it until it can again.
    """

    channel_id: int
    title: str
    username: str | None
    invite_link: str | None
    hidden: bool = False


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


class ProtectionRequest(msgspec.Struct, frozen=True):
    """A /protect that waits until its basic group has become a supergroup.

    `channel_ids` are channels that were found good when it was asked for.
    """

    group_id: int
    owner: Owner
    channel_ids: tuple[int, ...]


class RestrictionState(StrEnum):
    """How far a restriction has come."""

    WANTED = "wanted"  # written down, perhaps not yet muted
    HELD = "held"  # muted by us
    RELEASING = "releasing"  # being given back, perhaps already is


class Restriction(msgspec.Struct, frozen=True):
    """Whom we hold in a group, and what the person had before.

    `version` and `since` are set by the storage: the one is only ever compared, the other is when
    the record was written. `before` holds every `can_*` of an earlier restriction, None where there
    was none; `until_date` is when that one would have ended.
    """

    group_id: int
    user_id: int
    name: str
    state: RestrictionState
    version: int
    before: dict[str, bool] | None
    until_date: int | None
    since: float = 0.0


class NoticeState(StrEnum):
    """Whether a notice is known to stand in the group."""

    SENDING = "sending"
    LIVE = "live"


class Named(msgspec.Struct, frozen=True, array_like=True):
    """Somebody in a notice: a person, or (`user_id` below 0) a chat in whose name somebody wrote.

    `is_new`: they have just joined, and are welcomed. `missing` are the ids of the channels that
    they lack; none where these are all of the group's, or not known.
    """

    user_id: int
    name: str
    is_new: bool = False
    missing: tuple[int, ...] = ()


class Notice(msgspec.Struct, frozen=True):
    """The one live notice of a group; `people` are those it names, oldest first.

    `version` is 0 for one that is not stored yet, else as the storage returned it.
    """

    group_id: int
    message_id: int | None
    people: tuple[Named, ...]
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


class Sighting(msgspec.Struct, frozen=True):
    """When a person was last seen in a group."""

    group_id: int
    user_id: int
    seen_at: float


class Job(msgspec.Struct, frozen=True):
    """Long work that goes on after the flow that asked for it, in any instance.

    Of one `kind` and `key` there is one at a time: asked for again, its `version` grows, and it is
    done once more. `payload` is a JSON object. `attempts` counts failures of its own; it is not due
    before `available_at`.
    """

    kind: str
    key: str
    payload: dict[str, Any]
    version: int
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
