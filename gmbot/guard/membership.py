"""Is this person in? Remembered for a while, and looked up once however many ask."""

from collections.abc import Iterable
from enum import StrEnum
from functools import partial
from random import Random

import msgspec
import trio

from gmbot.api.client import BotApi
from gmbot.api.errors import ApiError, MemberNotFound, Refusal
from gmbot.api.limiter import Priority
from gmbot.cache.memory import CacheStatistics, MemoryCache, Ttl
from gmbot.telemetry.metrics import Metrics

# Times to live of the reference design, ± 15 % so that a raid's entries do not end together.
MEMBER_TTL = Ttl(600.0, 0.15)
MISSING_TTL = Ttl(60.0, 0.15)
# A channel that the bot cannot look into is not asked about again with every message; less than the
# 5 s after which a doubt is looked at again.
HIDDEN_TTL = Ttl(4.0, 0.15)

# Pairs of a channel and a person that are remembered, some 300 bytes each.
CAPACITY = 100_000


class Membership(StrEnum):
    """What is known of a person and a channel. Nobody is punished on UNKNOWN."""

    MEMBER = "member"
    MISSING = "missing"
    UNKNOWN = "unknown"


class MembershipUnknown(Exception):
    """It could not be found out whether a person is in; to be looked at again later."""

    def __init__(self, group_id: int, user_id: int, channel_ids: Iterable[int]) -> None:
        super().__init__(f"user {user_id} in channels {sorted(channel_ids)}")
        self.group_id = group_id
        self.user_id = user_id


class Verification(msgspec.Struct, frozen=True):
    """A person against all channels of a group, by channel id."""

    missing: frozenset[int]
    unknown: frozenset[int]

    @property
    def outcome(self) -> Membership:
        """MISSING where any channel is surely missing, else UNKNOWN where any is in doubt."""
        if self.missing:
            return Membership.MISSING
        return Membership.UNKNOWN if self.unknown else Membership.MEMBER


class Memberships:
    """Who is in which channel, as far as it is known and can be found out."""

    def __init__(self, api: BotApi, *, metrics: Metrics, random: Random) -> None:
        self._api = api
        self._metrics = metrics
        self._known: MemoryCache[tuple[int, int], Membership] = MemoryCache(
            capacity=CAPACITY, random=random
        )

    def is_known_member(self, channel_ids: Iterable[int], user_id: int) -> bool:
        """Whether memory alone says that a person is in all of these channels."""
        known = self._known.get
        for channel_id in channel_ids:  # a loop, not all(): this is what every message costs
            if known((channel_id, user_id)) is not Membership.MEMBER:
                return False
            self._metrics.cache_hit()
        return True

    async def verify(
        self, channel_ids: Iterable[int], user_id: int, *, anew: bool = False
    ) -> Verification:
        """Check a person against these channels, side by side; never raises an ApiError.

        `anew` looks past what is remembered, unless it is that the person is in.
        """
        found: dict[int, Membership] = {}

        async def check(channel_id: int) -> None:
            found[channel_id] = await self._check(channel_id, user_id, anew=anew)

        async with trio.open_nursery() as nursery:
            for channel_id in channel_ids:
                nursery.start_soon(check, channel_id, name=f"verify {user_id} in {channel_id}")
        return Verification(
            frozenset(c for c, m in found.items() if m is Membership.MISSING),
            frozenset(c for c, m in found.items() if m is Membership.UNKNOWN),
        )

    def note(self, channel_id: int, user_id: int, *, is_in: bool) -> None:
        """Remember what Telegram just told: newer than any look-up under way."""
        if is_in:
            self._known.put((channel_id, user_id), Membership.MEMBER, MEMBER_TTL)
        else:
            self._known.put((channel_id, user_id), Membership.MISSING, MISSING_TTL)

    def statistics(self) -> CacheStatistics:
        """Return the cache's figures."""
        return self._known.statistics()

    async def _check(self, channel_id: int, user_id: int, *, anew: bool) -> Membership:
        key = channel_id, user_id
        if anew and self._known.get(key) is not Membership.MEMBER:
            self._known.drop(key)
        known = self._known.get(key)
        if known is not None:
            self._metrics.cache_hit()
            return known
        self._metrics.cache_miss()
        return await self._known.get_or_load(key, partial(self._look_up, channel_id, user_id))

    async def _look_up(self, channel_id: int, user_id: int) -> tuple[Membership, Ttl | None]:
        try:
            member = await self._api.get_chat_member(channel_id, user_id, priority=Priority.LOOKUP)
        except MemberNotFound:
            return Membership.MISSING, MISSING_TTL
        except Refusal:
            return Membership.UNKNOWN, HIDDEN_TTL
        except ApiError:
            return Membership.UNKNOWN, None
        if member.is_in:
            return Membership.MEMBER, MEMBER_TTL
        return Membership.MISSING, MISSING_TTL
