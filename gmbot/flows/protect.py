"""/protect @channel: what a group requires.

::

    in a group? ──► sender an admin who may restrict? ──► bot an admin who may restrict and delete?
    ──► channels named, found, channels? ──► bot an admin there? ──► not too many? ──► links made
    ──► owner, group, channels and links in one transaction ──► success

Each "no" is refused with what is wrong and what to do, and then nothing was changed. A basic
group's request is remembered, and completed when the group has become a supergroup.
"""

from collections.abc import Sequence

import structlog

from gmbot.api.types import Message
from gmbot.flows.admins import (
    BASIC_GROUP,
    require_admin,
    require_rights,
)
from gmbot.flows.channels import (
    as_named,
    as_record,
    find_all,
    listed,
    name_of,
    named_in,
    title_of,
)
from gmbot.flows.refusal import CommandRefused, Reason, refusals_told, refuse
from gmbot.flows.sight import regained
from gmbot.guard.guard import Guard
from gmbot.guard.policies import Policy
from gmbot.storage.records import Group, Owner, ProtectedGroup, ProtectionRequest
from gmbot.telemetry import events

REMEMBERED = (
    "This is a basic group, and Telegram lets bots mute people in supergroups only. "
    "I keep in mind that who writes here has to be in {channels}. Make this group a supergroup "
    "(for instance by switching “Chat history for new members” to visible) and me an admin with "
    "the rights “Ban users” and “Delete messages”: then it will be completed by itself."
)

log = structlog.get_logger()


async def protect(guard: Guard, message: Message, words: tuple[str, ...]) -> None:
    """Carry out /protect and reply."""
    try:
        owner = await require_admin(guard, message)
        names = named_in(message, words)
        with refusals_told():
            if message.chat.type == BASIC_GROUP:
                text = await _ask_for(guard, message, owner, names)
            else:
                text = await _protect_or_tell(guard, message, owner, names)
    except CommandRefused as refused:
        await refuse(guard, message, refused)
    else:
        await guard.replies.reply(message, text)


async def set_up(
    guard: Guard, owner: Owner, group_id: int, title: str, names: Sequence[int | str]
) -> Policy:
    """Make a supergroup in which the bot has its rights require these channels too.

    All are checked first. A link that was made where another one's failed, or the writing did, is
    not kept: the next try makes its own. Raises CommandRefused, ApiErrors and StorageErrors.
    """
    known = await guard.policies.known(group_id)
    found = await find_all(guard, names, _linked(known))
    channels = [await as_record(guard, one) for one in found]
    # Whoever hears of our rights a moment later finds the group guarded: that needs no words.
    await guard.replies.pass_over(guarded_again(group_id))
    policy = await guard.policies.protect(owner, Group(group_id, owner.user_id, title), channels)
    for one in found:
        if one.was_hidden:
            await regained(guard, one.chat.id)
    log.info(events.GROUP_PROTECTED, group_id=group_id, channel_ids=sorted(policy.channel_ids))
    return policy


def guarded_again(group_id: int) -> str:
    """Return the key under which it is said that the bot has its rights again."""
    return f"rights back:{group_id}"


def protected(policy: Policy) -> str:
    """Return the reply to a /protect that worked."""
    return f"This group is protected: who writes here has to be in {listed(policy.channels)}."


async def _protect_or_tell(
    guard: Guard, message: Message, owner: Owner, names: Sequence[int | str]
) -> str:
    group_id = message.chat.id
    if not names:
        known = await guard.policies.known(group_id)
        if known is not None and known.channels:
            return _state(known)
        request = await guard.policies.remembered(group_id)
        if request is None:
            raise CommandRefused(Reason.NO_CHANNEL_NAMED)
        names = request.channel_ids
    await require_rights(guard, group_id)
    return protected(await set_up(guard, owner, group_id, message.chat.title or "", names))


async def _ask_for(guard: Guard, message: Message, owner: Owner, names: Sequence[int | str]) -> str:
    """Remember what a basic group wants, on top of what it has asked for already."""
    group_id = message.chat.id
    earlier = await guard.policies.remembered(group_id)
    if not names and earlier is None:
        raise CommandRefused(Reason.NO_CHANNEL_NAMED)
    asked = () if earlier is None else earlier.channel_ids
    found = await find_all(guard, (*asked, *names), ())
    ids = tuple(one.chat.id for one in found)
    if names:
        await guard.policies.remember(ProtectionRequest(group_id, owner, ids))
        log.info(events.PROTECTION_REMEMBERED, group_id=group_id, channel_ids=sorted(ids))
    return REMEMBERED.format(channels=listed([as_named(one) for one in found]))


def _linked(known: ProtectedGroup | None) -> frozenset[int]:
    return frozenset(c.channel_id for c in known.channels) if known else frozenset()


def _state(known: ProtectedGroup) -> str:
    """Tell what is required, and how to change it."""
    channels = "\n".join(
        f"• <b>{title_of(channel)}</b> (<code>{name_of(channel)}</code>)"
        for channel in known.channels
    )
    if known.group.enabled:
        state = "Who writes here has to be in:"
        again = ""
    else:
        state = "This group is not protected at present. Who writes here would have to be in:"
        again = f"To protect it again: <code>/protect {name_of(known.channels[0])}</code>\n"
    return (
        f"{state}\n{channels}\n{again}To require more: <code>/protect @channel</code>\n"
        "To require less: <code>/unprotect @channel</code>"
    )
