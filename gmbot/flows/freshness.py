"""Whether what an update tells is still so, or has to be looked up."""

from gmbot.guard.guard import Guard

# Seconds. Less than the first delay after which an update is looked at again, more than a flow's
# patience; Telegram counts an update's time in whole seconds.
FRESH = 5.0


def is_fresh(guard: Guard, date: int) -> bool:
    """Whether an update of this `date` (seconds since 1970) is taken at its word."""
    return guard.now() - date < FRESH
