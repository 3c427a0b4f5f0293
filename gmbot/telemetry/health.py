"""How the process is: what `/live`, `/ready` and `/health` say. Rules only; times are handed in."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

HEARTBEAT_LIMIT = 30.0  # seconds without a beat; the app beats every second


class Status(StrEnum):
    """The whole, or one part of it."""

    OK = "ok"
    DEGRADED = "degraded"  # something is missing that the bot can do without
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Check:
    """What is known of a dependency; `latency` is in seconds."""

    status: Status
    latency: float | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All checks at one moment; `uptime` is in seconds."""

    status: Status
    checks: Mapping[str, Check]
    uptime: float


class Health:
    """Collects what the app finds out.

    `required` names what the bot cannot work without, `optional` what it can. A check that was
    never set is down: nothing is healthy before it was looked at.
    """

    def __init__(
        self, *, now: float, required: Iterable[str], optional: Iterable[str] = ()
    ) -> None:
        self.ready = False
        self._started = now
        self._beat = now
        self._required = frozenset(required)
        self._checks = {name: Check(Status.DOWN) for name in (*self._required, *optional)}

    def set(self, name: str, *, ok: bool, latency: float | None = None) -> None:
        """Note the state of a dependency. Raises KeyError for one that was not named before."""
        if name not in self._checks:
            raise KeyError(name)
        self._checks[name] = Check(Status.OK if ok else Status.DOWN, latency)

    def beat(self, now: float) -> None:
        """Note that the app's own loop still turns."""
        self._beat = now

    def alive(self, now: float) -> bool:
        """Whether the app's loop turned lately; if not, only a restart helps."""
        return now - self._beat < HEARTBEAT_LIMIT

    def report(self, now: float) -> Report:
        """Sum everything up."""
        failing = {name for name, check in self._checks.items() if check.status is Status.DOWN}
        if failing & self._required:
            status = Status.DOWN
        else:
            status = Status.DEGRADED if failing else Status.OK
        checks = dict(sorted(self._checks.items()))
        return Report(status, checks, now - self._started)
