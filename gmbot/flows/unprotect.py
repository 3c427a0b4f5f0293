"""/unprotect [@channel…]: unlinks channels, and lets go whoever lacks none any more.

A channel is found by what is written about it: it need not exist any more.
"""

from collections.abc import Iterable, Sequence
from html import escape

import structlog

from gmbot.api.types import Message
from gmbot.flows.admins import BASIC_GROUP, require_admin
from gmbot.flows.channels import find_chat, listed, named_in
from gmbot.flows.refusal import CommandRefused, Reason, refusals_told, refuse
from gmbot.flows.sight import unlinked
from gmbot.guard.guard import Guard
from gmbot.storage.records import Channel, ProtectionRequest
from gmbot.telemetry import events

log = structlog.get_logger()


async def unprotect(guard: Guard, message: Message, words: tuple[str, ...]) -> None:
    """Carry out /unprotect and reply."""
    try:
        await require_admin(guard, message)
        names = named_in(message, words)
        if message.chat.type == BASIC_GROUP:
            with refusals_told():
                text = await _forget(guard, message.chat.id, names)
        else:
            text = await _unlink(guard, message.chat.id, names)
    except CommandRefused as refused:
        await refuse(guard, message, refused)
    else:
        await guard.replies.reply(message, text)


async def _unlink(guard: Guard, group_id: int, names: Sequence[int | str]) -> str:
    known = await guard.policies.known(group_id)
    if known is None:
        raise CommandRefused(Reason.NONE_REQUIRED)
    gone, absent = pick(known.channels, names)
    if gone:
        gone_ids = {channel.channel_id for channel in gone}
        await guard.policies.unprotect(group_id, gone_ids)
        await unlinked(guard, group_id, gone_ids)
        log.info(events.GROUP_UNPROTECTED, group_id=group_id, channel_ids=sorted(gone_ids))
    # Also where nothing was left to unlink: an earlier run may have been cut off before this.
    await guard.jobs.add("recheck", group_id, {"scope": "held", "progress": False})
    if not gone:
        if not known.channels:
            raise CommandRefused(Reason.NONE_REQUIRED)
        raise CommandRefused(Reason.NOT_REQUIRED, ", ".join(map(str, absent)))
    return _said(gone, [c for c in known.channels if c not in gone], absent)


def pick(
    linked: Iterable[Channel], names: Sequence[int | str]
) -> tuple[list[Channel], list[int | str]]:
    """Return the channels that these names mean (all where there are none), and the other names."""
    if not names:
        return list(linked), []
    by_name: dict[int | str, Channel] = {}
    for channel in linked:
        by_name[channel.channel_id] = channel
        if channel.username:
            by_name[f"@{channel.username.lower()}"] = channel
    keys = [name.lower() if isinstance(name, str) else name for name in names]
    picked = {c.channel_id: c for key in keys if (c := by_name.get(key)) is not None}
    absent = [name for name, key in zip(names, keys, strict=True) if key not in by_name]
    return list(picked.values()), absent


async def _forget(guard: Guard, group_id: int, names: Sequence[int | str]) -> str:
    """Take back what a basic group has asked for."""
    request = await guard.policies.remembered(group_id)
    if request is None:
        raise CommandRefused(Reason.NONE_REQUIRED)
    ids = {name if isinstance(name, int) else (await find_chat(guard, name)).id for name in names}
    left = tuple(i for i in request.channel_ids if i not in ids) if names else ()
    if left == request.channel_ids:
        raise CommandRefused(Reason.NOT_REQUIRED, ", ".join(map(str, names)))
    if left:
        await guard.policies.remember(ProtectionRequest(group_id, request.owner, left))
        return "I keep the others of these channels in mind until this is a supergroup."
    await guard.policies.forget(group_id)
    return "I have forgotten that people here should be in a channel."


def _said(gone: Sequence[Channel], left: Sequence[Channel], absent: Sequence[int | str]) -> str:
    sentences = [f"No longer required here: {listed(gone)}."]
    if absent:
        sentences.append(f"Was not required: {escape(', '.join(map(str, absent)))}.")
    if left:
        sentences.append(f"Still required: {listed(left)}.")
        sentences.append("Whom I muted and who lacks nothing any more is being released.")
    else:
        sentences.append("Everybody can write here, and whom I muted is being released.")
    return " ".join(sentences)
