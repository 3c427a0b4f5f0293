"""Which group wants which channels: every message asks, so the answer is in memory.

All enabled groups are held (some 10,000 take a few MiB); the storage stays the truth, and what
changes is written there first.
"""

from collections.abc import Sequence

import msgspec
import trio

from gmbot.storage.protocol import Storage
from gmbot.storage.records import Channel, Group, Owner, ProtectedGroup


class Policy(msgspec.Struct, frozen=True):
    """What one group wants: people must be in all of `channels`."""

    group_id: int
    title: str
    channels: tuple[Channel, ...]
    channel_ids: frozenset[int]


class Policies:
    """The policies of all guarded groups."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._changing = trio.Lock()  # so that what was read last is held last
        self._groups: dict[int, Policy] = {}
        self._groups_of: dict[int, set[int]] = {}  # by channel id
        self._channels: dict[int, Channel] = {}

    async def load(self) -> None:
        """Read all groups from the storage. Raises StorageError."""
        for protected in await self._storage.protected_groups():
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

    @property
    def active(self) -> int:
        """How many groups are guarded."""
        return len(self._groups)

    async def protect(self, owner: Owner, group: Group, channels: Sequence[Channel]) -> Policy:
        """Make a group want these channels too. Repeating it is harmless. Raises StorageError."""
        async with self._changing:
            await self._storage.protect(owner, group, channels)
            protected = await self._storage.protected_group(group.group_id)
            if protected is None:
                raise RuntimeError("a group that was just written is not there")
            return self._hold(protected)

    def _hold(self, protected: ProtectedGroup) -> Policy:
        group_id = protected.group.group_id
        policy = Policy(
            group_id,
            protected.group.title,
            protected.channels,
            frozenset(channel.channel_id for channel in protected.channels),
        )
        self._forget(group_id)
        self._groups[group_id] = policy
        for channel in policy.channels:
            self._groups_of.setdefault(channel.channel_id, set()).add(group_id)
            self._channels[channel.channel_id] = channel
        return policy

    def _forget(self, group_id: int) -> None:
        policy = self._groups.pop(group_id, None)
        for channel_id in policy.channel_ids if policy else ():
            groups = self._groups_of[channel_id]
            groups.discard(group_id)
            if not groups:
                del self._groups_of[channel_id]
                del self._channels[channel_id]
