"""Records to store, and short words for what many tests ask of a storage."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from gmbot.storage.protocol import Storage
from gmbot.storage.records import (
    Channel,
    Group,
    Named,
    Notice,
    NoticeState,
    Owner,
    PendingUpdate,
    Restriction,
    RestrictionState,
)

# Opens the database of that name, made on first use; names of one test do not meet another's.
OpenStorage = Callable[[str], AbstractAsyncContextManager[Storage]]

OWNER = Owner(7, "owner")
NEWS = Channel(-1001, "News", "news", "https://t.me/news")
CLUB = Channel(-1002, "Club", None, "https://t.me/+secret")
GROUP = Group(-100, 7, "Chat")

LOWEST, HIGHEST = -(2**63), 2**63 - 1


def wanted(group_id: int = -100, user_id: int = 5, **others: Any) -> Restriction:
    fields = {"name": "Ann", "before": None, "until_date": None, **others}
    return Restriction(group_id, user_id, state=RestrictionState.WANTED, version=0, **fields)


def unsent(group_id: int = -100, **others: Any) -> Notice:
    fields = {"message_id": None, "people": (Named(5, "Ann"),), "expires_at": 60.5, **others}
    return Notice(group_id, **{"state": NoticeState.SENDING, "version": 0, **fields})


def live(group_id: int = -100, *user_ids: int) -> Notice:
    people = tuple(Named(user_id, "Ann") for user_id in user_ids)
    return unsent(group_id, people=people, message_id=11, state=NoticeState.LIVE)


def due(update_id: int, available_at: float = 10.0) -> PendingUpdate:
    return PendingUpdate(update_id, b"{}", 0, available_at)


async def want(storage: Storage, restriction: Restriction) -> Restriction:
    """Write somebody down who is not pardoned; return the record that stands."""
    stands = await storage.want_restriction(restriction)
    assert stands is not None
    return stands[0]


async def claim(
    storage: Storage,
    instance: str = "a",
    *,
    now: float = 20.0,
    until: float = 30.0,
    limit: int = 10,
) -> list[int]:
    """Claim updates; return their ids."""
    claimed = await storage.claim_updates(instance=instance, now=now, until=until, limit=limit)
    return [update.update_id for update in claimed]
