"""A basic group has become a supergroup and got a new id: everything follows.

Told by both chats, and by whatever call still names the old id, in any order and number.
"""

import structlog

from gmbot.guard.guard import Guard
from gmbot.storage.records import Job
from gmbot.telemetry import events

log = structlog.get_logger()


async def migrated(guard: Guard, old_id: int, new_id: int) -> None:
    """Let everything of a group follow to its new id; repeating is harmless.

    A job then looks at the bot's rights there, and completes a /protect that waited for this.
    """
    await guard.policies.migrate(old_id, new_id)
    guard.board.migrate(old_id, new_id)
    log.info(events.GROUP_MIGRATED, group_id=new_id, old_group_id=old_id)
    await guard.jobs.add("rights", new_id)


async def handle_migrate(guard: Guard, job: Job) -> None:
    """Follow a group of which a refused call told: job "migrate", key: the old id."""
    await migrated(guard, int(job.key), int(job.payload["to"]))
