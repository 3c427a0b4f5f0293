"""Names and titles as they are shown: short, in one line, and harmless to the text around them.

Telegram counts in UTF-16 code units. A message holds up to 4,096, a toast or an alert up to 200
(core.telegram.org/bots/api#sendmessage, #answercallbackquery).
"""

from html import escape
from unicodedata import category

from gmbot.guard.wording.catalogue import Catalogue
from gmbot.storage.records import Channel, Named

LONGEST_NAME = 64  # characters of a name that are shown
LONGEST_MESSAGE = 4096
LONGEST_ANSWER = 200
LONGEST_BUTTON = 64  # more is not shown on a telephone

# Marks that would turn the direction of the text around a name (Unicode TR 9).
_BIDI = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)))


def person(named: Named, words: Catalogue) -> str:
    """Return a mention of a person, as HTML."""
    name = escape(short(named.name) or words.somebody)
    return f'<a href="tg://user?id={named.user_id}">{name}</a>'


def bold(title: str, words: str) -> str:
    """Return a chat's title, as HTML, or `words` where it shows nothing."""
    return f"<b>{escape(short(title) or words)}</b>"


def title_of(channel: Channel, words: Catalogue) -> str:
    """Return what a channel is called, as plain text."""
    named = f"@{channel.username}" if channel.username else words.channel
    return short(channel.title) or named


def short(text: str) -> str:
    """Return a name in one line of up to 64 characters; empty where it shows nothing."""
    text = " ".join(text.translate(_BIDI).split())
    if not any(category(char)[0] in "LNPS" for char in text):
        return ""
    return text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"


def cut(text: str, longest: int) -> str:
    """Return as much of a text as fits into so many UTF-16 code units."""
    if length(text) <= longest:
        return text
    text = text[: longest - 1]
    while length(text) >= longest:
        text = text[:-1]
    return f"{text}…"


def length(text: str) -> int:
    """Count UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2
