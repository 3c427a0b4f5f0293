"""The panel of a group's settings: what it says, its buttons, and what their data mean. Pure.

Data are under the client's control: only what the panel itself offers is understood.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from gmbot.api.types import InlineKeyboardButton, InlineKeyboardMarkup
from gmbot.guard.params import LANGUAGES, Params
from gmbot.guard.wording import CATALOGUES

PREFIX = "set:"

TITLE = "Settings of this group"
_IN_A_ROW = 5  # buttons whose labels a telephone still shows

_OWN_WORDS = (
    "Own words for the notice: {own}\n"
    "To set them: /settings text and the words. {{people}} and {{channels}} stand for the names. "
    "To do without: /settings text"
)


class Choice(msgspec.Struct, frozen=True):
    """A value that a setting can take, as a button says it and as the text does."""

    value: int | str  # switches are 0 and 1
    label: str
    words: str


class Setting(msgspec.Struct, frozen=True):
    """A field of Params that the panel can change."""

    field: str
    title: str
    choices: tuple[Choice, ...]


_SETTINGS = (
    Setting(
        "notice_seconds",
        "A notice stands for",
        tuple(Choice(60 * n, f"{n} min", f"{n} min") for n in (1, 5, 15, 60)),
    ),
    Setting(
        "warnings",
        "Warnings before the first mute",
        tuple(Choice(n, f"⚠ {n}", str(n)) for n in (0, 1, 2, 3, 5)),
    ),
    Setting(
        "trust_added",
        "Whom an admin adds",
        (
            Choice(0, "Added: checked", "has to be in the channels too"),
            Choice(1, "Added: trusted", "need not be in the channels"),
        ),
    ),
    Setting(
        "requests_count",
        "Who has asked to be let into a private channel",
        (
            Choice(0, "Asked: not enough", "has to be let in first"),
            Choice(1, "Asked: enough", "counts as being in"),
        ),
    ),
    Setting(
        "language",
        "Language",
        tuple(Choice(code, CATALOGUES[code].name, CATALOGUES[code].name) for code in LANGUAGES),
    ),
)


class Change(msgspec.Struct, frozen=True):
    """What a press asks for."""

    field: str
    value: int | str

    def of(self, params: Params) -> Params:
        """Return what a group has set after this change."""
        value = self.value
        if isinstance(getattr(params, self.field), bool):
            value = bool(value)
        changes: dict[str, Any] = {self.field: value}
        return msgspec.structs.replace(params, **changes)


def _data(setting: Setting, choice: Choice) -> str:
    return f"{PREFIX}{setting.field}:{choice.value}"


_CHANGES: Mapping[str, Change] = MappingProxyType(
    {
        _data(setting, choice): Change(setting.field, choice.value)
        for setting in _SETTINGS
        for choice in setting.choices
    }
)


def read(data: str | None) -> Change | None:
    """Return what a button's data ask for; None where no panel has such a button."""
    return _CHANGES.get(data or "")


def is_panel(text: str | None) -> bool:
    """Whether a message of the bot's is a panel; also one that can no longer be seen may be."""
    return text is None or text.startswith(TITLE)


def text_of(params: Params) -> str:
    """Return what the panel says, as plain text."""
    lines = (f"{n}. {s.title}: {_state(s, params)}" for n, s in enumerate(_SETTINGS, start=1))
    own = _OWN_WORDS.format(own="none" if params.text is None else f"\n{params.text}\n")
    return "\n".join((TITLE, "", *lines, "", own))


def buttons_of(params: Params) -> InlineKeyboardMarkup:
    """Return a button for each choice; those that are set bear a tick."""
    return InlineKeyboardMarkup(tuple(_rows(params)))


def _rows(params: Params) -> Iterator[tuple[InlineKeyboardButton, ...]]:
    for setting in _SETTINGS:
        current = getattr(params, setting.field)
        buttons = [
            InlineKeyboardButton(
                f"✓ {choice.label}" if choice.value == current else choice.label,
                callback_data=_data(setting, choice),
            )
            for choice in setting.choices
        ]
        width = _IN_A_ROW if len(buttons) <= _IN_A_ROW else _IN_A_ROW - 1
        for start in range(0, len(buttons), width):
            yield tuple(buttons[start : start + width])


def _state(setting: Setting, params: Params) -> str:
    current = getattr(params, setting.field)
    for choice in setting.choices:
        if choice.value == current:
            return choice.words
    return f"{current} s" if setting.field == "notice_seconds" else str(current)
