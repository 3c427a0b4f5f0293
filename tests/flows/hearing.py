"""What the bot hears of the simulated world: updates that get lost, and updates that come again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.guard.town import Town


@contextmanager
def unheard(town: Town) -> Iterator[None]:
    """Lose all updates that come up in this block."""
    hear, town.world.on_update = town.world.on_update, lambda *_: None
    yield
    town.world.on_update = hear


class Echo:
    """Remembers the last change of the bot's own standing, and tells of it once more."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._hear = town.world.on_update
        self.last: dict[str, Any] = {}
        town.world.on_update = self._remember

    def again(self, payload: dict[str, Any] | None = None) -> None:
        """Tell of the last change, or of an earlier one."""
        self._town.world.tell(self._town.telegram.bot, "my_chat_member", payload or self.last)

    def _remember(self, bot_id: int, kind: str, payload: dict[str, Any]) -> None:
        if kind == "my_chat_member":
            self.last = payload
        self._hear(bot_id, kind, payload)
