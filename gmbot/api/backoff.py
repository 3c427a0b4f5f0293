"""How long to wait before trying again."""

from random import Random

import msgspec

_STEEPEST = 64  # doublings; more would leave every maximum behind, and at last the floats


class Backoff(msgspec.Struct, frozen=True):
    """Exponential backoff with jitter, in seconds; at most `attempts` tries."""

    base: float = 0.5
    maximum: float = 30.0
    jitter: float = 0.25
    attempts: int = 3

    def delay(self, attempt: int, random: Random) -> float:
        """Return `min(base · 2^attempt, maximum)` ± jitter, never negative; `attempt` from 0."""
        delay = min(self.base * 2.0 ** min(attempt, _STEEPEST), self.maximum)
        return max(0.0, delay + random.uniform(-self.jitter, self.jitter))
