"""What every failure boundary needs: to write down what follows, whatever it takes."""

from collections.abc import Awaitable, Callable

import structlog
import trio

from gmbot.flows.verdict import DATABASE_AWAY, Failure
from gmbot.storage.errors import StorageError
from gmbot.telemetry import events

# Seconds between two tries to write while the database is away.
WRITE_AGAIN = 1.0

log = structlog.get_logger()


async def insist(write: Callable[[], Awaitable[object]]) -> None:
    """Write until the database takes it.

    What it refuses for good (a mistake of ours, or junk) would hold its caller for ever: recorded.
    """
    while True:
        try:
            await write()
        except DATABASE_AWAY:
            await trio.sleep(WRITE_AGAIN)
        except StorageError:
            log.exception(events.FLOW_FAILED, failure=Failure.POISON)
            return
        else:
            return
