"""Token buckets: pure arithmetic on `now`; all times in seconds.

A bucket of `burst` tokens that is refilled at `refill` spends at most burst + refill · T in any
window T. So for at most N in any window T, burst and refill · T share N between them.

The state is not a number of tokens but a time: `ready_at`, from which on a token is there (the
generic cell rate algorithm, ITU-T I.371). "May I?" and "when may I?" are then one comparison, and
no rounding can wake somebody an instant too early who would then ask again for ever. Each spending
may round by half an ulp; one too many in a window would take an error of a whole interval.
"""

import msgspec


class Rate(msgspec.Struct, frozen=True):
    """How a bucket is filled: `burst` tokens hold in it, `refill` come back a second."""

    burst: int
    refill: float


def at_most(limit: float, window: float, parts: int) -> Rate:
    """Share `limit` a `window` (seconds): one of `parts` is burst, the rest comes back steadily.

    Never more than `limit` in any window of that length. A limit too small to share, below 2, is
    one token and half the limit: what comes back must stay above nothing.
    """
    burst = max(1, int(limit // parts))
    return Rate(burst, max(limit - burst, limit / 2) / window)


class Bucket:
    """Tokens of one rate. A new one holds `tokens`: a process before this may have spent the rest.

    `ready_at` is the time from which a token is there; only then may one be spent.
    """

    __slots__ = ("_interval", "_last_spent", "_rate", "_slack", "ready_at")

    def __init__(self, rate: Rate, now: float, tokens: int = 1) -> None:
        self._set_rate(rate)
        self._last_spent = now
        self.ready_at = now + (1 - tokens) * self._interval

    def spend(self, now: float) -> None:
        """Take one token. The caller has compared `ready_at`."""
        self.ready_at = max(self.ready_at, now - self._slack) + self._interval
        self._last_spent = now

    def give_back(self, spent_at: float) -> None:
        """Put one token back that was taken at `spent_at` and not used.

        Never leaves more than if it had not been taken: while it was out, the bucket may have run
        over, by at most the refill between that taking and the last one. So that much is kept.
        """
        kept = self._last_spent - spent_at
        self.ready_at = min(self.ready_at, self.ready_at - self._interval + kept)

    def tokens(self, now: float) -> float:
        """Tell how many tokens are there, parts of one included."""
        return min(float(self._rate.burst), 1 + (now - self.ready_at) / self._interval)

    def _set_rate(self, rate: Rate) -> None:
        self._rate = rate
        self._interval = 1 / rate.refill
        self._slack = (rate.burst - 1) * self._interval


# From nothing to the ceiling. Telegram names no number; this is long enough that one bulk job does
# not run into the limit every few seconds, and short enough that a flood soon is forgotten.
RECOVERY = 120.0
FLOOR = 1.0  # a second; with less, a mute would come too late to be of use
_ONE_EVENT = 1.0  # seconds; calls in flight together are told together
_PARTS = 10


class AdaptingBucket(Bucket):
    """At most `ceiling` a second, halved when told so, growing back over `RECOVERY`.

    Growth counts from the next spending on, so tokens never come faster than the rate they were
    promised at.
    """

    __slots__ = ("_ceiling", "_limit", "_since", "_slowed_at")

    def __init__(self, ceiling: float, now: float) -> None:
        self._ceiling = self._limit = ceiling
        self._since = now
        self._slowed_at = float("-inf")
        super().__init__(at_most(ceiling, 1, _PARTS), now)

    def limit(self, now: float) -> float:
        """Tell how many a second there may be now."""
        return min(self._ceiling, self._limit + self._ceiling * (now - self._since) / RECOVERY)

    def spend(self, now: float) -> None:
        """Take one token. The caller has compared `ready_at`."""
        if self._limit < self._ceiling:
            self._set_limit(self.limit(now), now)
        super().spend(now)

    def slow_down(self, now: float) -> None:
        """Halve the limit, once for all that is told within a second; `FLOOR` is the least."""
        if now < self._slowed_at + _ONE_EVENT:
            return
        self._slowed_at = now
        self._set_limit(max(min(FLOOR, self._ceiling), self.limit(now) / 2), now)

    def _set_limit(self, limit: float, now: float) -> None:
        tokens = self.tokens(now)
        self._limit, self._since = limit, now
        self._set_rate(at_most(limit, 1, _PARTS))
        self.ready_at = now + (1 - tokens) * self._interval
