"""What the bot says to the members of a group, in their languages. Pure.

Names, titles and a group's own words come in as people wrote them, and are escaped.
"""

from gmbot.guard.wording.answers import answer, still_missing
from gmbot.guard.wording.buttons import VERIFY, link_to
from gmbot.guard.wording.catalogue import Answer
from gmbot.guard.wording.digest import NAMED, notice
from gmbot.guard.wording.languages import CATALOGUES
from gmbot.guard.wording.names import LONGEST_ANSWER, LONGEST_BUTTON, LONGEST_MESSAGE
from gmbot.guard.wording.private import held_in, not_held

__all__ = [
    "CATALOGUES",
    "LONGEST_ANSWER",
    "LONGEST_BUTTON",
    "LONGEST_MESSAGE",
    "NAMED",
    "VERIFY",
    "Answer",
    "answer",
    "held_in",
    "link_to",
    "not_held",
    "notice",
    "still_missing",
]
