"""/status: how a group's protection stands, looked at now.

Where what is seen differs from what is written down, because word of a change never came, the rules
for such a change are asked to look too.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from html import escape, unescape
from typing import Any

from gmbot.api.errors import Refusal
from gmbot.api.limiter import Priority
from gmbot.api.types import ChatMember, Message
from gmbot.flows.admins import INVITE, missing_rights, named, require_admin
from gmbot.flows.refusal import CommandRefused, refusals_told, refuse
from gmbot.guard.guard import Guard
from gmbot.guard.params import params_of, to_raw
from gmbot.guard.wording.names import LONGEST_MESSAGE, length, short
from gmbot.storage.records import Channel, Group, ProtectedGroup, Restriction, RestrictionState

NAMED = 20  # people who are named before the others are counted
_ROOM = 40  # characters for "and N more"
_DAY = 24 * 3600.0  # seconds

_STATES: Mapping[RestrictionState, str] = {
    RestrictionState.WANTED: " (about to be muted)",
    RestrictionState.HELD: ", {since}",
    RestrictionState.RELEASING: " (about to be released)",
}

_PARAMS: Mapping[str, Callable[[Any], str]] = {
    "notice_seconds": lambda seconds: f"a notice stands for {seconds} s",
    "warnings": lambda count: f"messages deleted with a warning before the first mute: {count}",
    "trust_added": lambda _: "people whom an admin adds need no channel",
    "requests_count": lambda _: "who has asked to be let into a private channel counts as in",
    "language": lambda code: f"language: {escape(code)}",
    "text": lambda text: f"own words for the notice: “{escape(text)}”",
}


async def status(guard: Guard, message: Message, words: tuple[str, ...]) -> None:
    """Tell an admin of a group how its protection stands."""
    del words
    try:
        await require_admin(guard, message)
        with refusals_told():
            report = await _report(guard, message.chat.id)
    except CommandRefused as refused:
        await refuse(guard, message, refused)
    else:
        await guard.replies.reply(message, report)


async def _report(guard: Guard, group_id: int) -> str:
    known = await guard.policies.known(group_id)
    me = await guard.api.get_chat_member(group_id, guard.me.id, priority=Priority.REPLY)
    lacking = missing_rights(me)
    if known is not None and known.channels and known.group.enabled == bool(lacking):
        await guard.jobs.add("rights", group_id)
    request = await guard.policies.remembered(group_id)
    lines = [_headline(known, is_asked_for=request is not None), _rights(me, lacking)]
    if known is not None and known.channels:
        lines += ["", "<b>Channels</b>"]
        lines += [await _channel(guard, channel) for channel in known.channels]
        lines += _settings(known.group)
    held = await guard.enforcement.held_in(group_id)
    lines += ["", *people_in(held, LONGEST_MESSAGE - shown(lines), guard.now())]
    return "\n".join(lines)


def _headline(known: ProtectedGroup | None, *, is_asked_for: bool) -> str:
    if known is None or not known.channels:
        if is_asked_for:
            return (
                "<b>This group is not protected yet.</b> It will be as soon as it is a supergroup "
                "in which I am an admin with the rights “Ban users” and “Delete messages”."
            )
        return (
            "<b>This group is not protected.</b> To let only members of a channel write here, "
            "write <code>/protect @channel</code>."
        )
    if not known.group.enabled:
        return (
            "<b>Protection has stopped.</b> It goes on as soon as I am an admin here with the "
            "rights “Ban users” and “Delete messages”."
        )
    return "<b>This group is protected.</b>"


def _rights(me: ChatMember, lacking: tuple[str, ...]) -> str:
    if not me.is_admin:
        return "I am no admin here."
    if lacking:
        return f"What I lack here as an admin: {named(lacking)}."
    return "I have the rights I need here."


async def _channel(guard: Guard, channel: Channel) -> str:
    """Say whether the bot can look into a channel."""
    me = await _bot_in(guard, channel.channel_id)
    is_seen = me is not None and me.is_admin
    if is_seen == channel.hidden:
        await guard.jobs.add("sight", channel.channel_id)
    if me is None or not is_seen:
        seen = "I am no admin there and cannot see who is in, so nobody is asked to be"
    elif channel.username is None and not me.may(INVITE):
        seen = "I see who is in, but may not make an invite link"
    else:
        seen = "I see who is in"
    name = escape(short(channel.title)) or "Untitled"
    public = f" (@{channel.username})" if channel.username else ""
    return f"• {name}{public}: {seen}."


async def _bot_in(guard: Guard, channel_id: int) -> ChatMember | None:
    try:
        return await guard.api.get_chat_member(channel_id, guard.me.id, priority=Priority.REPLY)
    except Refusal:
        return None


def _settings(group: Group) -> list[str]:
    changed = to_raw(params_of(group.params))
    if not changed:
        return []
    return ["", "<b>Settings</b>", *(f"• {_PARAMS[name](changed[name])}" for name in changed)]


def people_in(held: list[Restriction], room: int, now: float) -> list[str]:
    """Return who is held, in at most so many characters that are shown.

    `now` is in seconds since 1970.
    """
    if not held:
        return ["Nobody is muted by me here."]
    lines = [f"<b>Muted by me: {len(held)}</b>"]
    for restriction in held[:NAMED]:
        line = _person(restriction, now)
        if shown([*lines, line]) > room - _ROOM:
            break
        lines.append(line)
    unnamed = len(held) - len(lines) + 1
    return [*lines, f"and {unnamed} more"] if unnamed else lines


def since(then: float, now: float) -> str:
    """Return since when something is so, of which a day ago tells enough."""
    days = int((now - then) / _DAY)
    if days < 1:
        return f"since {datetime.fromtimestamp(then, UTC):%H:%M} UTC"
    return f"for {days} days" if days > 1 else "for 1 day"


def _person(restriction: Restriction, now: float) -> str:
    name = escape(short(restriction.name)) or "Somebody"
    link = f'<a href="tg://user?id={restriction.user_id}">{name}</a>'
    how = _STATES[restriction.state].format(since=since(restriction.since, now))
    return f"• {link}{how}"


_TAG = re.compile(r"<[^>]+>")


def shown(lines: Iterable[str]) -> int:
    """Count the characters that are shown of these lines; what people wrote is escaped in them."""
    return sum(length(unescape(_TAG.sub("", line))) + 1 for line in lines)
