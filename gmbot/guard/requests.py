"""Who waits to be let into a private channel.

Telegram has no call that lists the requests of a channel: what is not written down when an update
tells it is not known later.
"""

from gmbot.storage.protocol import Storage


class Requests:
    """The join requests that are pending, as far as updates told of them."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    async def note(self, channel_id: int, user_id: int) -> None:
        """Write that a person waits to be let in. Raises StorageError."""
        await self._storage.save_join_request(channel_id, user_id)

    async def has(self, channel_id: int, user_id: int) -> bool:
        """Whether a person waits to be let in. Raises StorageError."""
        return await self._storage.has_join_request(channel_id, user_id)

    async def drop(self, channel_id: int, user_id: int) -> None:
        """Forget it: the person is in, went, or was banned there. Raises StorageError."""
        await self._storage.drop_join_request(channel_id, user_id)
