"""A small town to try the world in. Whatever the world says is checked against the Bot API."""

import copy
import random
from typing import Any

import pytest

from gmbot.sandbox.chats import Bot, Chat
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.methods import call
from gmbot.sandbox.schema import bot_api
from gmbot.sandbox.world import World

NOON = 1_800_000_000.0


class Town:
    """Ann owns a group and a channel, Bob is in the group, Zed is nowhere, `bot` is an admin."""

    def __init__(self) -> None:
        self.now = NOON
        self.updates: list[tuple[int, str, dict[str, Any]]] = []
        self.world = World(clock=lambda: self.now, on_update=self._hear, random=random.Random(7))
        self.ann = self.world.person("Ann", username="ann_owner")
        self.bob = self.world.person("Bob", "Builder", language_code="de")
        self.zed = self.world.person("Zed 🦊 <b>&")
        self.bot = self.world.bot("Guard", "guard_bot")
        self.other = self.world.bot("Other", "other_bot")
        self.group = self.world.supergroup(
            "Group", creator=self.ann, members=[self.bob], admins=[self.bot]
        )
        self.channel = self.world.channel(
            "News", username="news", creator=self.ann, admins=[self.bot]
        )

    def call(self, method: str, *, by: Any = None, **params: Any) -> Any:
        params = {
            name: value.id if isinstance(value, Chat) else value for name, value in params.items()
        }
        known = bot_api().methods[method.lower()]
        assert not (known.check(params) or "").startswith("unknown")
        result = call(self.world, (by or self.bot).id, method, params)
        problem = known.check_result(result)
        assert problem is None, f"{method}{problem}"
        return copy.deepcopy(result)

    def refused(self, method: str, *, by: Any = None, **params: Any) -> str:
        with pytest.raises(TelegramError) as caught:
            self.call(method, by=by, **params)
        return caught.value.description

    def heard(self, kind: str, bot: Bot | None = None) -> list[dict[str, Any]]:
        """Return what a bot heard since the last time, and forget all."""
        listener = (bot or self.bot).id
        heard = [
            payload for owner, what, payload in self.updates if owner == listener and what == kind
        ]
        self.updates.clear()
        return heard

    def kinds(self, bot: Bot | None = None) -> list[str]:
        listener = (bot or self.bot).id
        return [kind for owner, kind, _ in self.updates if owner == listener]

    def _hear(self, bot_id: int, kind: str, payload: dict[str, Any]) -> None:
        problem = bot_api().check_update({"update_id": 1, kind: payload})
        assert problem is None, f"{kind}{problem}"
        self.updates.append((bot_id, kind, copy.deepcopy(payload)))


@pytest.fixture
def town() -> Town:
    return Town()
