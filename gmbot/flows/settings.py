"""/settings: what a group has set, shown and changed by a panel of buttons.

::

    /settings           ──► sender an admin who may restrict? ──► the panel
    /settings text …    ──► the same ──► the group's own words are set, or taken away
    a press             ──► a button of ours, below a panel? ──► presser an admin who may restrict,
                            now? ──► set already? ──► written ──► the panel follows, a toast

Nothing is kept in memory: a panel works for as long as it stands, and for whoever is an admin when
they press. Who is none costs the group no message.
"""

from contextlib import suppress
from html import escape

import msgspec
import structlog

from gmbot.api.errors import (
    ChatMigrated,
    QueryExpired,
    Refusal,
    RetryAfter,
    Unauthorized,
)
from gmbot.api.types import CallbackQuery, Message
from gmbot.flows import panel
from gmbot.flows.admins import BASIC_GROUP, RESTRICT, SUPERGROUP, require_admin
from gmbot.flows.panel import PREFIX, Change
from gmbot.flows.refusal import CommandRefused, refuse
from gmbot.guard import wording
from gmbot.guard.guard import Guard
from gmbot.guard.params import LONGEST_TEXT, Params, is_text, params_of, to_raw
from gmbot.guard.wording import Answer
from gmbot.storage.records import ProtectedGroup
from gmbot.telemetry import events

__all__ = ["PREFIX", "press", "settings"]

SAVED = "Saved."
SET_ALREADY = "This is set already."
NOT_PROTECTED = "This group is not protected yet. Write /protect @channel first."
TOO_LONG = f"These words are too long: a notice has room for {LONGEST_TEXT} characters of them."
NOT_SHOWN = "Words that hold characters which cannot be shown are not taken."
WORDS_SET = "Notices in this group will say from now on:\n\n{text}"
WORDS_GONE = "Notices in this group will use my own words from now on."

log = structlog.get_logger()


async def settings(guard: Guard, message: Message, words: tuple[str, ...]) -> None:
    """Show the panel; with `text`, set the group's own words for its notices."""
    group_id = message.chat.id
    try:
        await require_admin(guard, message)
    except CommandRefused as refused:
        await refuse(guard, message, refused)
        return
    known = await guard.policies.known(group_id)
    if known is None:
        await guard.replies.reply(message, NOT_PROTECTED)
    elif words and words[0].lower() == "text":
        await guard.replies.reply(message, await _set_text(guard, known, message))
    else:
        params = params_of(known.group.params)
        text, buttons = escape(panel.text_of(params)), panel.buttons_of(params)
        await guard.replies.reply(message, text, buttons=buttons)


async def press(guard: Guard, query: CallbackQuery) -> None:
    """Do what a press of a panel's button asks for, and answer it."""
    change, message = panel.read(query.data), query.message
    if change is None or message is None or not _is_panel(message):
        toast = wording.answer(Answer.STALE, query.from_user.language_code)
    else:
        toast = await _judge(guard, query, change, message)
    with suppress(QueryExpired):
        await guard.api.answer_callback_query(query.id, toast, show_alert=False)


def _is_panel(message: Message) -> bool:
    """Whether a press can have come from a panel, and not from another message of the bot's."""
    return message.chat.type in {BASIC_GROUP, SUPERGROUP} and panel.is_panel(message.text)


async def _judge(guard: Guard, query: CallbackQuery, change: Change, message: Message) -> str:
    refusal = await _refusal(guard, query, message.chat.id)
    if refusal is not None:
        return wording.answer(refusal, query.from_user.language_code)
    known = await guard.policies.known(message.chat.id)
    if known is None:
        return NOT_PROTECTED
    before = params_of(known.group.params)
    after = change.of(before)
    if after != before:
        await _write(guard, known, after)
    await _show(guard, message, after, is_news=after != before)
    return SET_ALREADY if after == before else SAVED


async def _refusal(guard: Guard, query: CallbackQuery, group_id: int) -> Answer | None:
    """Return why a press changes nothing; who was no admin lately is looked up now and then."""
    person = query.from_user
    if not guard.roles.is_known_admin(group_id, person.id) and not guard.may_press(person.id):
        return Answer.TOO_SOON
    try:
        member = await guard.roles.standing(group_id, person.id)
    except (RetryAfter, ChatMigrated, Unauthorized):
        raise
    except Refusal:  # we are no admin any more, and may not see who is one
        return Answer.CANNOT_CHECK
    return None if member.may(RESTRICT) else Answer.ADMINS_ONLY


async def _write(guard: Guard, known: ProtectedGroup, params: Params) -> None:
    """Write what a group has set; who is held only for what counts now, is looked at again."""
    group_id, before = known.group.group_id, params_of(known.group.params)
    await guard.policies.set_params(group_id, params)
    log.info(events.SETTINGS_CHANGED, group_id=group_id, params=to_raw(params))
    if params.requests_count and not before.requests_count:
        await guard.jobs.add("recheck", group_id, {"scope": "held", "progress": False})


async def _show(guard: Guard, message: Message, params: Params, *, is_news: bool) -> None:
    """Let a panel say what is set, where it does not."""
    text = panel.text_of(params)
    if not is_news and message.text in {None, text}:
        return
    try:
        await guard.api.edit_message_text(
            message.chat.id,
            message.message_id,
            escape(text),
            buttons=panel.buttons_of(params),
        )
    except (RetryAfter, ChatMigrated, Unauthorized):
        raise
    except Refusal:
        pass  # it says so already, or is gone


async def _set_text(guard: Guard, known: ProtectedGroup, message: Message) -> str:
    """Set the group's own words, with their lines as they were written; return the reply."""
    _command, _text, *rest = (message.text or "").split(maxsplit=2)
    text = rest[0].strip() if rest else None
    if text is not None and not is_text(text):
        return TOO_LONG if len(text) > LONGEST_TEXT else NOT_SHOWN
    before = params_of(known.group.params)
    params = msgspec.structs.replace(before, text=text)
    if params != before:
        await _write(guard, known, params)
    return WORDS_GONE if text is None else WORDS_SET.format(text=escape(text))
