"""What was asked for in a basic group is done when it has become a supergroup."""

import structlog

from gmbot.api.limiter import Priority
from gmbot.flows.admins import SUPERGROUP, missing_rights, named
from gmbot.flows.protect import protected, set_up
from gmbot.flows.refusal import CommandRefused
from gmbot.guard.guard import Guard
from gmbot.telemetry import events

NOT_YET = (
    "This is a supergroup now, and people here were to be in a channel before they write. "
    "What I still lack as an admin: {rights}. As soon as I have it, this will be completed by "
    "itself."
)
REFUSED = "This is a supergroup now, but I cannot complete your /protect. {text}"

log = structlog.get_logger()


async def complete(guard: Guard, group_id: int) -> bool:
    """Carry out a request that waits for this group; return whether it is done.

    Where something is missing, that is said once, and the request stays. Repeating is harmless.
    Raises ApiErrors and StorageErrors.
    """
    request = await guard.policies.remembered(group_id)
    if request is None:
        return False
    chat = await guard.api.get_chat(group_id)
    if chat.type != SUPERGROUP:
        return False
    me = await guard.api.get_chat_member(group_id, guard.me.id, priority=Priority.REPLY)
    missing = missing_rights(me)
    if missing:
        await _say(guard, group_id, ",".join(missing), NOT_YET.format(rights=named(missing)))
        return False
    try:
        policy = await set_up(guard, request.owner, group_id, chat.title or "", request.channel_ids)
    except CommandRefused as refused:
        log.info(events.COMMAND_REFUSED, group_id=group_id, reason=refused.reason.value)
        what = f"{refused.reason.value}:{refused.detail}"
        await _say(guard, group_id, what, REFUSED.format(text=refused.text))
        return False
    await _say(guard, group_id, "done", protected(policy))
    return True


async def _say(guard: Guard, group_id: int, what: str, text: str) -> None:
    await guard.replies.say_once(f"completion:{group_id}:{what}", group_id, text)
