"""Which group wants which channels: every message asks, so the answer is in memory.

All enabled groups are held (some 10,000 take a few MiB); the storage stays the truth, and what
changes is written there first.
"""

from collections.abc import Callable, Collection, Iterable, Sequence

import msgspec
import trio

from gmbot.guard.params import Params, params_of, to_raw
from gmbot.storage.protocol import Storage
from gmbot.storage.records import Channel, Group, Owner, ProtectedGroup, ProtectionRequest

MAX_CHANNELS = 10  # a group: its notice has a button for each


class Policy(msgspec.Struct, frozen=True):
    """What one group wants: people must be in all of `channel_ids`.

    Those are the channels that the bot can look into; `channels` are all, the hidden ones too.
    """

    group_id: int
    title: str
    channels: tuple[Channel, ...]
    channel_ids: frozenset[int]
    params: Params = Params()
    owner_id: int = 0

    @classmethod
    def of(cls, protected: ProtectedGroup) -> "Policy":
        """Return what a group wants, enabled or not."""
        group, channels = protected.group, protected.channels
        return cls(
            group.group_id,
            group.title,
            channels,
            _seen(channels),
            params_of(group.params),
            group.owner_id,
        )


class Policies:
    """The policies of all guarded groups.

    `on_change` is told the id of a group that wants something else now, or is guarded no more; one
    that only got a new id does not. `on_watch` is told the id of a channel whose members we are
    told of from now on: one that came to be wanted, or to be seen. Neither may block.
    """

    def __init__(
        self,
        storage: Storage,
        *,
        on_change: Callable[[int], object] | None = None,
        on_watch: Callable[[int], object] | None = None,
    ) -> None:
        self._storage = storage
        self._on_change = on_change or _ignore
        self._on_watch = on_watch or _ignore
        self._changing = trio.Lock()  # so that what was read last is held last
        self._groups: dict[int, Policy] = {}
        self._groups_of: dict[int, set[int]] = {}  # by channel id
        self._channels: dict[int, Channel] = {}

    async def load(self) -> None:
        """Read all groups from the storage. Raises StorageError."""
        async with self._changing:
            groups = await self._storage.protected_groups()
            self._groups.clear()
            self._groups_of.clear()
            self._channels.clear()
            for protected in groups:
                self._hold(protected)

    def get(self, group_id: int) -> Policy | None:
        """Return what a group wants, or None where it is not guarded."""
        return self._groups.get(group_id)

    def is_required(self, channel_id: int) -> bool:
        """Whether any group wants this channel."""
        return channel_id in self._channels

    def channel(self, channel_id: int) -> Channel | None:
        """Return a channel that some group wants."""
        return self._channels.get(channel_id)

    def groups_of(self, channel_id: int) -> frozenset[int]:
        """Return the groups that want a channel."""
        return frozenset(self._groups_of.get(channel_id, ()))

    @property
    def active(self) -> int:
        """How many groups are guarded."""
        return len(self._groups)

    @property
    def group_ids(self) -> tuple[int, ...]:
        """The groups that are guarded."""
        return tuple(self._groups)

    async def known(self, group_id: int) -> ProtectedGroup | None:
        """Return what is written about a group, guarded or not. Raises StorageError."""
        return await self._storage.protected_group(group_id)

    async def suspended(self, *, since: float) -> list[int]:
        """Return the groups that are guarded no more, of those written to since then."""
        return await self._storage.suspended_groups(since=since)

    async def known_channel(self, channel_id: int) -> Channel | None:
        """Return what is written about a channel, required or not. Raises StorageError."""
        return await self._storage.channel(channel_id)

    # Changes. All are harmless when repeated, and raise StorageError.

    async def protect(self, owner: Owner, group: Group, channels: Sequence[Channel]) -> Policy:
        """Make a group want these channels too, and guard it.

        One that is known as hidden stays so, until `hide` says otherwise.
        """
        async with self._changing:
            await self._storage.protect(owner, group, channels)
            policy = await self._follow(group.group_id)
            if policy is None:
                raise RuntimeError("a group that was just written is not there")
            return policy

    async def unprotect(self, group_id: int, channel_ids: Collection[int]) -> Policy | None:
        """Make a group want these channels no more; None where it wants none now."""
        async with self._changing:
            await self._storage.unprotect(group_id, tuple(channel_ids))
            return await self._follow(group_id)

    async def set_enabled(self, group_id: int, *, enabled: bool) -> Policy | None:
        """Guard a group, or guard it no more."""
        async with self._changing:
            await self._storage.set_group_enabled(group_id, enabled=enabled)
            return await self._follow(group_id)

    async def set_params(self, group_id: int, params: Params) -> Policy | None:
        """Write what a group has set."""
        async with self._changing:
            await self._storage.set_params(group_id, to_raw(params))
            return await self._follow(group_id)

    async def hide(self, channel_id: int, *, hidden: bool) -> bool:
        """Write whether the bot can look into a channel; return whether that is news."""
        async with self._changing:
            is_news = await self._storage.set_channel_hidden(channel_id, hidden=hidden)
            channel = self._channels.get(channel_id)
            if channel is not None:
                self._update(msgspec.structs.replace(channel, hidden=hidden))
            return is_news

    async def rename(
        self, channel_id: int, title: str, username: str | None, link: str | None = None
    ) -> None:
        """Note a channel's present names; written only where they are news.

        `link` is an invite link, for where none is kept yet.
        """
        async with self._changing:
            channel = self._channels.get(channel_id)
            if channel is None:
                return
            link = channel.invite_link or link
            now = msgspec.structs.replace(channel, title=title, username=username, invite_link=link)
            if now != channel:
                await self._storage.rename_channel(channel_id, title, username, link)
                self._update(now)

    async def migrate(self, old_id: int, new_id: int) -> None:
        """Let a group follow to its new id."""
        async with self._changing:
            await self._storage.migrate_group(old_id, new_id)
            await self._read(old_id)
            await self._read(new_id)

    # What was asked for in a basic group, and waits until it is a supergroup.

    async def remember(self, request: ProtectionRequest) -> None:
        """Write a request in place of the group's earlier one."""
        await self._storage.save_protection_request(request)

    async def remembered(self, group_id: int) -> ProtectionRequest | None:
        """Return a group's request; one that was fulfilled by `protect` is gone."""
        return await self._storage.protection_request(group_id)

    async def forget(self, group_id: int) -> None:
        """Forget a group's request."""
        await self._storage.drop_protection_request(group_id)

    async def _follow(self, group_id: int) -> Policy | None:
        """Hold what is written about a group now, and tell where that is news."""
        before = self._groups.get(group_id)
        policy = await self._read(group_id)
        if policy != before:
            self._on_change(group_id)
        return policy

    async def _read(self, group_id: int) -> Policy | None:
        """Hold what is written about a group now."""
        protected = await self._storage.protected_group(group_id)
        if protected is None or not protected.group.enabled or not protected.channels:
            self._drop(group_id)
            return None
        return self._hold(protected)

    def _hold(self, protected: ProtectedGroup) -> Policy:
        policy = Policy.of(protected)
        earlier = self._groups.get(policy.group_id)
        self._groups[policy.group_id] = policy
        for channel in policy.channels:
            self._groups_of.setdefault(channel.channel_id, set()).add(policy.group_id)
            self._update(channel)
        if earlier is not None:
            wanted = {channel.channel_id for channel in policy.channels}
            self._unlink(policy.group_id, {c.channel_id for c in earlier.channels} - wanted)
        return policy

    def _update(self, channel: Channel) -> None:
        """Hold what is known of a channel now, in all groups that want it."""
        earlier = self._channels.get(channel.channel_id)
        self._channels[channel.channel_id] = channel
        if not channel.hidden and (earlier is None or earlier.hidden):
            self._on_watch(channel.channel_id)
        for group_id in self._groups_of[channel.channel_id]:
            policy = self._groups[group_id]
            if channel not in policy.channels:
                channels = tuple(
                    channel if c.channel_id == channel.channel_id else c for c in policy.channels
                )
                self._groups[group_id] = msgspec.structs.replace(
                    policy, channels=channels, channel_ids=_seen(channels)
                )
                self._on_change(group_id)

    def _drop(self, group_id: int) -> None:
        policy = self._groups.pop(group_id, None)
        if policy is not None:
            self._unlink(group_id, {channel.channel_id for channel in policy.channels})

    def _unlink(self, group_id: int, channel_ids: Iterable[int]) -> None:
        for channel_id in channel_ids:
            groups = self._groups_of[channel_id]
            groups.discard(group_id)
            if not groups:
                del self._groups_of[channel_id]
                del self._channels[channel_id]


def _ignore(_id: int) -> None:
    pass


def _seen(channels: Iterable[Channel]) -> frozenset[int]:
    """Return the channels that the bot can look into."""
    return frozenset(channel.channel_id for channel in channels if not channel.hidden)
