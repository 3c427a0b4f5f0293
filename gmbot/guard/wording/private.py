"""What the bot tells a person in private: where they are held, and what is missing there."""

from collections.abc import Sequence

from gmbot.api.types import InlineKeyboardMarkup
from gmbot.guard.wording.buttons import join_and_verify
from gmbot.guard.wording.catalogue import Catalogue
from gmbot.guard.wording.languages import catalogue_of
from gmbot.guard.wording.names import LONGEST_MESSAGE, bold, length, title_of
from gmbot.storage.records import Channel

Place = tuple[str, Sequence[Channel]]  # a group's title, and the channels that are missing there


def held_in(
    groups: Sequence[Place], language: str | None = None
) -> tuple[str, InlineKeyboardMarkup]:
    """Return as HTML where a person is held, with buttons to change that.

    Groups that do not fit any more are left to the next time.
    """
    words = catalogue_of(language)
    text = words.held.format(button=words.verify)
    for group in groups:
        longer = f"{text}\n• {_line(group, words)}"
        if length(longer) > LONGEST_MESSAGE:
            break
        text = longer
    missing = {c.channel_id: c for _title, channels in groups for c in channels if not c.hidden}
    return text, join_and_verify(missing.values(), words)


def not_held(language: str | None = None) -> str:
    """Return as HTML that there is nothing to do, and how a group of one's own is guarded."""
    return catalogue_of(language).not_held


def _line(group: Place, words: Catalogue) -> str:
    title, channels = group
    name = bold(title, words.group)
    asked = [bold(title_of(c, words), words.channel) for c in channels if not c.hidden]
    if not asked:
        return words.held_otherwise.format(group=name)
    return words.held_in.format(group=name, channels=words.enumerate(asked))
