"""/start: a person asks in private where they are held, and what is missing there.

::

    in a group? ──► only where it names the bot (as adding it there does): /help
    held nowhere? ──► told so, and how the bot is set up
    else each group where they are held is looked at anew: released, or told what is missing

The button below the answer does the same again, and lets the answer say what is true then.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress

import msgspec

from gmbot.api.errors import QueryExpired, Refusal
from gmbot.api.types import CallbackQuery, InlineKeyboardMarkup, Message, User
from gmbot.flows.help import help_, set_up_buttons
from gmbot.guard import holding, wording
from gmbot.guard.guard import Guard
from gmbot.guard.holding import Settled
from gmbot.guard.membership import Verification
from gmbot.guard.policies import Policy
from gmbot.guard.wording import Answer
from gmbot.storage.records import Channel, Restriction

# Groups that are looked at for one person at once; the others come with the next press, when these
# are done with.
AT_ONCE = 20


async def start(guard: Guard, message: Message, words: tuple[str, ...]) -> None:
    """Tell a person where they are held, and release them where they need not be."""
    person = message.from_user
    if message.chat.type != "private" or person is None:
        if _names_us(message):
            await help_(guard, message, words)
        return
    places = await _look(guard, person, anew=guard.may_press(person.id))
    text, buttons = _tell(guard, places, person)
    await guard.replies.reply(message, text, buttons=buttons)


async def press_in_private(guard: Guard, query: CallbackQuery, message: Message) -> None:
    """Check a person wherever they are held, and let the message say what is true now."""
    person = query.from_user
    if not guard.may_press(person.id):
        toast = wording.answer(Answer.TOO_SOON, person.language_code)
        await _answer(guard, query, toast, alert=False)
        return
    places = await _look(guard, person, anew=True)
    toast, alert = _toast(places, person.language_code)
    await _answer(guard, query, toast, alert=alert)
    text, buttons = _tell(guard, places, person)
    with suppress(Refusal):  # it says so already, or is gone, or the person has blocked the bot
        await guard.api.edit_message_text(
            message.chat.id, message.message_id, text, buttons=buttons
        )


class Place(msgspec.Struct, frozen=True):
    """A group in which a person was held a moment ago, and what became of that."""

    title: str
    settled: Settled
    missing: tuple[Channel, ...] = ()


async def _look(guard: Guard, person: User, *, anew: bool) -> list[Place]:
    """Release a person wherever they need not be held; one look-up a channel."""
    held = (await guard.enforcement.held_of(person.id))[:AT_ONCE]
    policies = [await _policy(guard, restriction.group_id) for restriction in held]
    wanted = frozenset[int]().union(*(policy.channel_ids for policy in policies if policy))
    found = await guard.memberships.verify(wanted, person.id, anew=anew)
    return [
        await _settle(guard, restriction, policy, found)
        for restriction, policy in zip(held, policies, strict=True)
    ]


async def _policy(guard: Guard, group_id: int) -> Policy | None:
    """Return what a group wants, also where acting there has stopped."""
    policy = guard.policies.get(group_id)
    if policy is None and (known := await guard.policies.known(group_id)) is not None:
        return Policy.of(known)
    return policy


async def _settle(
    guard: Guard, restriction: Restriction, policy: Policy | None, found: Verification
) -> Place:
    if policy is None:
        return Place("", await holding.settle(guard, restriction))
    here = Verification(found.missing & policy.channel_ids, found.unknown & policy.channel_ids)
    here = await holding.count_requests(guard, policy, restriction.user_id, here)
    settled = await holding.settle(guard, restriction, here, insist=True)
    missing = tuple(c for c in policy.channels if c.channel_id in here.missing)
    return Place(policy.title, settled, missing)


def _missing(places: Sequence[Place]) -> list[Channel]:
    """Return what is missing in any of these groups, each channel once."""
    return list({c.channel_id: c for place in places for c in place.missing}.values())


def _tell(
    guard: Guard, places: Sequence[Place], person: User
) -> tuple[str, InlineKeyboardMarkup | None]:
    """Say where somebody is still held."""
    language = person.language_code
    still = [place for place in places if place.settled is not Settled.RELEASED]
    if not still:
        return wording.not_held(language), set_up_buttons(guard.me.username)
    return wording.held_in([(place.title, place.missing) for place in still], language)


# What is answered to a press, the most pressing first.
_TOASTS: Mapping[Settled, Answer] = {
    Settled.UNKNOWN: Answer.CANNOT_CHECK,
    Settled.REFUSED: Answer.CANNOT_RELEASE,
    Settled.BY_HUMANS: Answer.HELD_BY_OTHERS,
    Settled.RELEASED: Answer.RELEASED,
}


def _toast(places: Sequence[Place], language: str | None) -> tuple[str, bool]:
    """Return the answer to a press, and whether it is an alert to be confirmed."""
    missing = _missing(places)
    if missing:
        return wording.still_missing(missing, language), True
    settled = {place.settled for place in places}
    for how, answer in _TOASTS.items():
        if how in settled:
            return wording.answer(answer, language), how is not Settled.RELEASED
    return wording.answer(Answer.NOT_HELD, language), False


async def _answer(guard: Guard, query: CallbackQuery, text: str, *, alert: bool) -> None:
    with suppress(QueryExpired):
        await guard.api.answer_callback_query(query.id, text, show_alert=alert)


def _names_us(message: Message) -> bool:
    """Whether a command to this bot names it: /start@name."""
    return "@" in (message.text or "").split(maxsplit=1)[0]
