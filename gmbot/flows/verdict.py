"""What follows from a flow that failed: tried again, when, or given up. Pure."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from gmbot.api.errors import CircuitOpen, NetworkFailure, RetryAfter, ServerUnavailable
from gmbot.guard.membership import MembershipUnknown
from gmbot.storage.errors import StorageUnavailable, StorageUnusable

# Seconds until a person whose membership is in doubt is looked at again; then they are left alone.
DOUBT = (5.0, 30.0, 120.0, 600.0)
# Seconds until a flow whose dependency was away is tried again; this counts no attempt.
AWAY = 5.0
# Seconds until a flow that failed by itself is tried again; then its update is given up as poison.
POISON = (1.0, 5.0, 30.0, 120.0)


class Failure(StrEnum):
    """Why a flow did not end well."""

    DOUBT = "doubt"  # a membership could not be found out
    AWAY = "away"  # something it depends on does not answer
    POISON = "poison"  # its own error


class Verdict(msgspec.Struct, frozen=True):
    """What is to be done with an update whose flow failed; `delay` None: give it up."""

    failure: Failure
    attempts: int
    delay: float | None


def judge(errors: Sequence[Exception], attempts: int) -> Verdict:
    """Decide what follows from a flow's failure after so many counted attempts. Pure.

    Poison is a flow's own error: a dependency that is away counts nothing.
    """
    if any(isinstance(error, MembershipUnknown) for error in errors):
        return _next(attempts, DOUBT, Failure.DOUBT)
    if all(isinstance(error, _AWAY) for error in errors):
        return put_off(attempts)
    return _next(attempts, POISON, Failure.POISON)


def put_off(attempts: int) -> Verdict:
    """Decide for a flow that waits for something: later, and it counts no attempt."""
    return Verdict(Failure.AWAY, attempts, AWAY)


def leaves(error: Exception) -> list[Exception]:
    """Return the errors that a group holds, or the error itself."""
    if isinstance(error, ExceptionGroup):
        return [leaf for part in error.exceptions for leaf in leaves(part)]
    return [error]


DATABASE_AWAY = (StorageUnavailable, StorageUnusable)
_AWAY = (NetworkFailure, ServerUnavailable, CircuitOpen, RetryAfter, *DATABASE_AWAY)


def _next(attempts: int, schedule: tuple[float, ...], failure: Failure) -> Verdict:
    delay = schedule[attempts] if attempts < len(schedule) else None
    return Verdict(failure, attempts + 1, delay)
