"""Is this person in? Remembered for a while, and looked up once however many ask."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from enum import StrEnum
from functools import partial
from random import Random

import msgspec
import trio

from gmbot.api.client import BotApi
from gmbot.api.errors import ApiError, MemberNotFound, Refusal, RetryAfter, Unauthorized
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
TOLD = 10_000

# Look-ups of background priority in flight, of all batches together: a third of the connections to
# the Bot API, so that those of flows find one free.
AT_ONCE = 20
# Channels that were told to be hidden lately.
HIDDEN = 10_000


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
    """Who is in which channel, as far as it is known and can be found out.

    `on_hidden` is told the id of a channel that Telegram does not let us look into, at most once in
    a few seconds.
    """

    def __init__(
        self,
        api: BotApi,
        *,
        metrics: Metrics,
        random: Random,
        on_hidden: Callable[[int], None] | None = None,
    ) -> None:
        self._api = api
        self._metrics = metrics
        self._on_hidden = on_hidden
        self._known: MemoryCache[tuple[int, int], Membership] = MemoryCache(
            capacity=CAPACITY, random=random
        )
        # Updates come one by one, so few of them are ever in question.
        self._latest: MemoryCache[tuple[int, int], tuple[int, int]] = MemoryCache(
            capacity=TOLD, random=random
        )
        self._told: MemoryCache[int, bool] = MemoryCache(capacity=HIDDEN, random=random)
        self._background = trio.CapacityLimiter(AT_ONCE)
        self._waiting: dict[tuple[int, int], list[Priority]] = {}  # for look-ups under way

    def is_known_member(self, channel_ids: Iterable[int], user_id: int) -> bool:
        """Whether memory alone says that a person is in all of these channels."""
        known = self._known.get
        for channel_id in channel_ids:  # a loop, not all(): this is what every message costs
            if known((channel_id, user_id)) is not Membership.MEMBER:
                return False
            self._metrics.cache_hit()
        return True

    async def verify(
        self,
        channel_ids: Iterable[int],
        user_id: int,
        *,
        anew: bool = False,
        priority: Priority = Priority.LOOKUP,
    ) -> Verification:
        """Check a person against these channels, side by side; never raises an ApiError.

        `anew` looks past what is remembered, unless it is that the person is in.
        """
        found: dict[int, Membership] = {}

        async def check(channel_id: int) -> None:
            found[channel_id] = await self._check(channel_id, user_id, priority, anew=anew)

        async with trio.open_nursery() as nursery:
            for channel_id in channel_ids:
                nursery.start_soon(check, channel_id, name=f"verify {user_id} in {channel_id}")
        return _verification(found)

    @asynccontextmanager
    async def verify_many(
        self,
        people: Iterable[int],
        channel_ids: Iterable[int],
        *,
        anew: bool = False,
        priority: Priority = Priority.BACKGROUND,
        at_once: int = AT_ONCE,
    ) -> AsyncIterator[trio.MemoryReceiveChannel[tuple[int, Verification]]]:
        """Check many people against these channels; never raises an ApiError.

        Gives each person once, as (user_id, verification), in the order in which they are found
        out, with at most `at_once` look-ups in flight, and no further ones while nobody takes the
        results. What the block raises comes in a group::

            async with memberships.verify_many(people, channel_ids) as verified:
                async for user_id, verification in verified:
        """
        if at_once < 1:
            raise ValueError(f"at_once {at_once} is less than 1")
        channels = tuple(channel_ids)
        todo = dict.fromkeys(people)
        queue = iter(todo)
        send, receive = trio.open_memory_channel[tuple[int, Verification]](0)

        async def work(results: trio.MemorySendChannel[tuple[int, Verification]]) -> None:
            async with results:
                for user_id in queue:
                    # One channel after the other: a worker is one look-up in flight.
                    found = {
                        c: await self._check(c, user_id, priority, anew=anew) for c in channels
                    }
                    await results.send((user_id, _verification(found)))

        async with receive, trio.open_nursery() as nursery:
            async with send:
                for number in range(min(at_once, len(todo))):
                    nursery.start_soon(work, send.clone(), name=f"verify many {number}")
            yield receive
            nursery.cancel_scope.cancel()

    def note(
        self, channel_id: int, user_id: int, *, is_in: bool, when: tuple[int, int] | None = None
    ) -> None:
        """Remember what Telegram just told: newer than any look-up under way.

        `when` orders what is told, by the date and the id of an update: an old one that is given
        again changes nothing.
        """
        key = channel_id, user_id
        if when is not None:
            told = self._latest.get(key)
            if told is not None and when < told:
                return
            self._latest.put(key, when, MEMBER_TTL)
        if is_in:
            self._known.put(key, Membership.MEMBER, MEMBER_TTL)
        else:
            self._known.put(key, Membership.MISSING, MISSING_TTL)

    def forget_channel(self, channel_id: int) -> None:
        """Forget who is in a channel, and who is not; look-ups under way begin anew."""
        self._known.drop_all(lambda key: key[0] == channel_id)

    def statistics(self) -> CacheStatistics:
        """Return the cache's figures."""
        return self._known.statistics()

    async def _check(
        self, channel_id: int, user_id: int, priority: Priority, *, anew: bool
    ) -> Membership:
        key = channel_id, user_id
        if anew and self._known.get(key) is not Membership.MEMBER:
            self._known.drop(key)
        known = self._known.get(key)
        if known is not None:
            self._metrics.cache_hit()
            return known
        self._metrics.cache_miss()
        if priority < Priority.BACKGROUND:
            return await self._find_out(key, priority)
        async with self._background:
            return await self._find_out(key, priority)

    async def _find_out(self, key: tuple[int, int], priority: Priority) -> Membership:
        waiting = self._waiting.setdefault(key, [])
        if waiting and priority < min(waiting):
            # The look-up under way may stand far behind in the limiter: begun anew, further ahead.
            self._known.drop(key)
        waiting.append(priority)
        try:
            return await self._known.get_or_load(key, partial(self._look_up, *key))
        finally:
            waiting.remove(priority)
            if not waiting:
                del self._waiting[key]

    async def _look_up(self, channel_id: int, user_id: int) -> tuple[Membership, Ttl | None]:
        priority = min(self._waiting[channel_id, user_id])
        try:
            member = await self._api.get_chat_member(channel_id, user_id, priority=priority)
        except MemberNotFound:
            return Membership.MISSING, MISSING_TTL
        except Refusal as error:
            self._note_refusal(channel_id, error)
            return Membership.UNKNOWN, HIDDEN_TTL
        except ApiError:
            return Membership.UNKNOWN, None
        if member.is_in:
            return Membership.MEMBER, MEMBER_TTL
        return Membership.MISSING, MISSING_TTL

    def _note_refusal(self, channel_id: int, error: Refusal) -> None:
        if isinstance(error, RetryAfter | Unauthorized):  # says nothing about the channel
            return
        if self._on_hidden is not None and self._told.get(channel_id) is None:
            self._told.put(channel_id, True, HIDDEN_TTL)
            self._on_hidden(channel_id)


def _verification(found: Mapping[int, Membership]) -> Verification:
    return Verification(
        frozenset(c for c, m in found.items() if m is Membership.MISSING),
        frozenset(c for c, m in found.items() if m is Membership.UNKNOWN),
    )
