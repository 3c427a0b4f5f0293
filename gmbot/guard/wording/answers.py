"""What a press of a button is answered with: toasts and alerts, plain text."""

from collections.abc import Sequence

from gmbot.guard.wording.catalogue import Answer
from gmbot.guard.wording.languages import catalogue_of
from gmbot.guard.wording.names import LONGEST_ANSWER, cut, title_of
from gmbot.storage.records import Channel


def answer(which: Answer, language: str | None = None) -> str:
    """Return an answer in a language (an IETF tag, as people's apps tell it)."""
    return catalogue_of(language).answers[which]


def still_missing(channels: Sequence[Channel], language: str | None = None) -> str:
    """Return the alert for somebody who pressed too early."""
    words = catalogue_of(language)
    names = words.enumerate([title_of(channel, words) for channel in channels])
    return cut(words.still_missing.format(channels=names), LONGEST_ANSWER)
