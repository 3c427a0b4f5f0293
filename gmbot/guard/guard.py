"""What a flow has at hand."""

from collections.abc import Callable
from random import Random
from time import time

from gmbot.api.client import BotApi
from gmbot.api.types import User
from gmbot.cache.memory import MemoryCache, Ttl
from gmbot.guard.enforcement import Enforcement
from gmbot.guard.membership import Memberships
from gmbot.guard.notices import Board
from gmbot.guard.policies import Policies
from gmbot.guard.roles import Roles
from gmbot.telemetry.metrics import Metrics

# At most one look-up a person in 3 s, however often they press.
PRESS_TTL = Ttl(3.0, 0.0)
PRESSERS = 10_000


class Guard:
    """The rules and the state of guarding groups, for one bot."""

    def __init__(
        self,
        me: User,
        api: BotApi,
        *,
        policies: Policies,
        memberships: Memberships,
        roles: Roles,
        enforcement: Enforcement,
        board: Board,
        metrics: Metrics,
        random: Random,
        now: Callable[[], float] = time,
    ) -> None:
        self.me = me
        self.api = api
        self.policies = policies
        self.memberships = memberships
        self.roles = roles
        self.enforcement = enforcement
        self.board = board
        self.metrics = metrics
        self.now = now
        self._presses: MemoryCache[int, bool] = MemoryCache(capacity=PRESSERS, random=random)

    def may_press(self, user_id: int) -> bool:
        """Whether a person's press is looked at now; if so, the next one waits its time."""
        if self._presses.get(user_id) is not None:
            return False
        self._presses.put(user_id, True, PRESS_TTL)
        return True
