"""What a source of updates and its taker agree on; polling and webhooks are such sources."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from gmbot.api.records import MalformedUpdate
from gmbot.api.types import Update
from gmbot.api.wire import decoder, mend


class Received(msgspec.Struct, frozen=True):
    """An update and its JSON as it came, from which it can be read again later."""

    update: Update
    payload: bytes


class Sink(Protocol):
    """Who takes updates. Each is taken at least once, perhaps again after a restart."""

    def decide(self, update: Update) -> bool:
        """Return whether memory alone says that there is nothing to do. Neither waits nor fails."""
        ...

    async def accept(self, received: Received, done: Callable[[], None]) -> None:
        """Take an update to work on; wait where there is no room.

        `done` is called once, when the source may forget the update: its work has ended, or it is
        stored durably.
        """
        ...


class _OnlyId(msgspec.Struct):
    update_id: int | None = None


def read_update(raw: msgspec.Raw | bytes) -> Received | MalformedUpdate:
    """Read one update alone, so that one that cannot be read costs only itself."""
    payload = bytes(raw)
    try:
        return Received(decoder(Update).decode(payload), payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error)
    try:
        payload = mend(payload)
        return Received(decoder(Update).decode(payload), payload)
    except (ValueError, RecursionError):
        return MalformedUpdate(_id_of(payload), reason)


def _id_of(payload: bytes) -> int | None:
    try:
        only: _OnlyId = decoder(_OnlyId).decode(payload)
    except (ValueError, RecursionError):
        return None
    return only.update_id
