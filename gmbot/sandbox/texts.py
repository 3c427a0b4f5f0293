"""Texts as Telegram takes them: limits, blanks, entities found by themselves, UTF-16 offsets."""

import re
from typing import Final

from gmbot.sandbox import errors
from gmbot.sandbox.markup import Entities, read_html, span, utf16_length

# Source: MessageEntity.cpp. "message is too long" counts characters after parsing, "text is too
# long" bytes before it.
LONGEST_TEXT: Final = 4096
LONGEST_CAPTION: Final = 1024
_LONGEST_SOURCE: Final = 32768

_FOUND: Final = (
    ("url", re.compile(r"(?:https?://|\bt\.me/)[^\s<>\"]+")),
    ("mention", re.compile(r"(?<![\w@])@[A-Za-z0-9_]{4,32}\b")),
    (
        "bot_command",
        re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])", re.ASCII),
    ),
    ("hashtag", re.compile(r"(?<!\w)#\w*[^\W\d]\w*")),
)
# Entities in which nothing is looked for.
_CLOSED: Final = frozenset({"code", "pre", "text_link", "text_mention"})


def read(text: str, parse_mode: str, *, longest: int, too_long: str) -> tuple[str, Entities]:
    """Read the text of a message, or a caption; return what is shown and its entities.

    Raises TelegramError in the server's words. MarkdownV2 and Markdown are not simulated.
    """
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise errors.refusal(errors.NOT_UTF8) from None
    if size > _LONGEST_SOURCE:
        raise errors.refusal(errors.TEXT_TOO_LONG)
    if parse_mode.lower() == "html":
        shown, marked = read_html(text)
    elif parse_mode.lower() in {"", "none"}:
        shown, marked = text, []
    else:
        raise errors.refusal(errors.UNSUPPORTED_PARSE_MODE)
    shown, marked = _strip(shown, marked)
    if len(shown) > longest:
        raise errors.refusal(too_long)
    return shown, with_found(shown, marked)


def with_found(text: str, marked: Entities) -> Entities:
    """Add the entities that Telegram finds by itself: commands, mentions, addresses, hashtags."""
    entities = list(marked)
    taken = [span(entity) for entity in marked if entity["type"] in _CLOSED]
    for kind, pattern in _FOUND:
        for match in pattern.finditer(text):
            offset = utf16_length(text[: match.start()])
            length = utf16_length(match[0])
            if all(offset + length <= start or offset >= end for start, end in taken):
                entities.append({"type": kind, "offset": offset, "length": length})
                taken.append((offset, offset + length))
    return sorted(entities, key=lambda entity: (entity["offset"], -entity["length"]))


def _strip(text: str, entities: Entities) -> tuple[str, Entities]:
    """Take blanks off both ends, as the server does, and move the entities along."""
    shown = text.strip()
    cut = utf16_length(text[: len(text) - len(text.lstrip())])
    end = utf16_length(shown)
    kept = []
    for entity in entities:
        first, last = span(entity)
        first, last = max(first - cut, 0), min(last - cut, end)
        if first < last:
            kept.append(entity | {"offset": first, "length": last - first})
    return shown, kept
