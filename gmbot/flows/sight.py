"""Which channels the bot can look into, and what follows when that changes.

::

    no admin there any more? ──► hidden: nobody is asked to be in it, each group is told once
    admin again? ──► asked for again
    either way: whoever is held in those groups is looked at

Its standing is asked for each time: what tells of a change may come late, twice and in any order.
Where the network fails, nothing is decided.
"""

from collections.abc import Iterable
from contextlib import suppress
from html import escape

import structlog
import trio

from gmbot.api.errors import (
    BadRequest,
    ChatNotFound,
    Forbidden,
    MemberNotFound,
    NotEnoughRights,
)
from gmbot.api.limiter import Priority
from gmbot.api.types import Chat, ChatMemberUpdated
from gmbot.flows.channels import new_link
from gmbot.guard.guard import Guard
from gmbot.storage.errors import StorageError
from gmbot.storage.records import Channel, Job
from gmbot.telemetry import events

log = structlog.get_logger()

# Seconds between two looks at a hidden channel: word of its return may be lost, and Telegram may
# have refused a look only for a while.
LOOK_EVERY = 600.0

HIDDEN = (
    "I cannot see any more who is in <b>{title}</b>: I am no admin there. "
    "Until I am one again, nobody here needs to be in it."
)


async def in_channel(guard: Guard, change: ChatMemberUpdated) -> None:
    """Act on a change of the bot's own standing in a required channel."""
    if not change.old_chat_member.is_admin:
        # Who joined or left meanwhile was not heard, whether that it was lost was noticed or not.
        guard.memberships.forget_channel(change.chat.id)
        await guard.jobs.add("tell", change.chat.id)
    await _look(guard, change.chat.id)


async def regained(guard: Guard, channel_id: int) -> None:
    """Ask anew for a channel that is known as hidden, and in which the bot was just found able."""
    await _turn(guard, channel_id, sees=True)


async def unlinked(guard: Guard, group_id: int, channel_ids: Iterable[int]) -> None:
    """Let what was said in a group of channels out of sight be said anew: they are its no more."""
    for channel_id in channel_ids:
        await guard.replies.forget(_hidden(channel_id, group_id))


async def handle_sight(guard: Guard, job: Job) -> None:
    """Look whether the bot still sees a channel and what it is called: job "sight", key: its id."""
    await _look(guard, int(job.key))


async def handle_tell(guard: Guard, job: Job) -> None:
    """Bring all groups in line with what the bot sees of a channel: job "tell", key: its id.

    They are told where it is out of sight, each once.
    """
    channel_id = int(job.key)
    if guard.policies.channel(channel_id) is None:
        return
    sees = await _sees(guard, channel_id)
    await _note(guard, channel_id, sees=sees)
    for group_id in sorted(guard.policies.groups_of(channel_id)):
        channel = guard.policies.channel(channel_id)
        if channel is None or channel.hidden is sees:
            return  # it has changed meanwhile, and this job was asked for anew
        await guard.jobs.add("recheck", group_id, {"scope": "held"})
        key = _hidden(channel_id, group_id)
        if sees:
            await guard.replies.forget(key)
        else:
            text = HIDDEN.format(title=_title(channel))
            await guard.replies.say_once(key, group_id, text, priority=Priority.BACKGROUND)


async def keep_looking(guard: Guard) -> None:
    """Look at hidden channels again every few minutes, until cancelled."""
    while True:
        await trio.sleep(LOOK_EVERY)
        with suppress(StorageError):  # its observers say why
            await look_again(guard)


async def look_again(guard: Guard) -> None:
    """Ask for a look at every hidden channel: what told that it can be seen may be lost."""
    hidden = {
        channel.channel_id
        for group_id in guard.policies.group_ids
        if (policy := guard.policies.get(group_id)) is not None
        for channel in policy.channels
        if channel.hidden
    }
    for channel_id in sorted(hidden):
        await guard.jobs.add("sight", channel_id)


def is_renamed(guard: Guard, chat: Chat) -> bool:
    """Whether an update names a required channel otherwise than it is known."""
    channel = guard.policies.channel(chat.id)
    return channel is not None and (channel.title, channel.username) != (
        chat.title or "",
        chat.username,
    )


async def _look(guard: Guard, channel_id: int) -> None:
    channel = guard.policies.channel(channel_id)
    if channel is None:
        return
    sees = await _sees(guard, channel_id)
    if sees is channel.hidden:
        await _turn(guard, channel_id, sees=sees)
    if sees:
        chat = await guard.api.get_chat(channel_id, priority=Priority.BACKGROUND)
        link = None
        if not (chat.username or channel.invite_link):  # made private since: people need a way in
            link = await new_link(guard, channel_id)
        await guard.policies.rename(channel_id, chat.title or "", chat.username, link)


async def _sees(guard: Guard, channel_id: int) -> bool:
    """Whether Telegram tells the bot who is in. Raises an ApiError where that is in doubt."""
    try:
        me = await guard.api.get_chat_member(channel_id, guard.me.id)
    except (Forbidden, ChatNotFound, MemberNotFound, NotEnoughRights, BadRequest):
        return False
    return me.is_admin


async def _turn(guard: Guard, channel_id: int, *, sees: bool) -> None:
    # Asked for first: cut off in between, it still goes on from there.
    await guard.jobs.add("tell", channel_id)
    await _note(guard, channel_id, sees=sees)


async def _note(guard: Guard, channel_id: int, *, sees: bool) -> None:
    if await guard.policies.hide(channel_id, hidden=not sees):
        event = events.CHANNEL_REGAINED if sees else events.CHANNEL_LOST
        log.info(event, channel_id=channel_id)


def _hidden(channel_id: int, group_id: int) -> str:
    return f"hidden:{channel_id}:{group_id}"


def _title(channel: Channel) -> str:
    return escape(channel.title or f"@{channel.username or channel.channel_id}")
