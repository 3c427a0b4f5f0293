"""Make anything fit to be written down: no secret, no broken text, no end of data."""

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any
from urllib.parse import quote

from gmbot.config import Secret

STARS = "********"

# What looks like a bot token, ours or not: 35 characters today (core.telegram.org/bots/features);
# after `bot`, as in the Bot API's URLs, the 24 that the server asks for are enough.
_BARE = r"(?<![0-9])[0-9]{3,16}(?::|%3[Aa])[A-Za-z0-9_-]{35,}"
_IN_URL = r"bot[0-9]{1,16}(?::|%3[Aa])[A-Za-z0-9_-]{24,}"

# A shorter secret cannot be hidden: it is part of ordinary words, and its stars would tell it.
_LEAST_SECRET = 4  # characters

_TEXT_LIMIT = 8 * 1024  # characters of one text; a long one keeps its two ends
_READ_LIMIT = 64 * 1024  # characters that are looked at
_ITEM_LIMIT = 100  # of one collection
_DEPTH_LIMIT = 6
_WHOLE_LIMIT = 1 << 64  # no id is longer, and a number of some thousand digits has no text

Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]


class Scrubber:
    """Replaces the secrets it knows, and what looks like a bot token, by stars."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        known = {form for secret in secrets for form in _forms(secret.reveal())}
        longest_first = sorted(known, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join([*map(re.escape, longest_first), _IN_URL, _BARE]))

    def text(self, text: str) -> str:
        """Return a text that can be encoded, is short enough and tells no secret."""
        if len(text) > _READ_LIMIT:
            text = text[: _READ_LIMIT // 2] + text[-_READ_LIMIT // 2 :]
        clean = self._pattern.sub(STARS, text)
        if not clean.isascii():
            clean = clean.encode("utf-8", "replace").decode("utf-8")
        if len(clean) > _TEXT_LIMIT:
            half = _TEXT_LIMIT // 2
            clean = f"{clean[:half]} … {clean[-half:]}"
        return clean

    def value(self, value: object, depth: int = 0) -> Plain:
        """Return the like of a value that JSON can express; what has no like becomes its repr."""
        if value is None or (isinstance(value, int) and abs(value) < _WHOLE_LIMIT):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return value
        if isinstance(value, Mapping | list | tuple | AbstractSet):
            return "…" if depth >= _DEPTH_LIMIT else self._items(value, depth + 1)
        return self.text(value if isinstance(value, str) else _describe(value))

    def _items(self, value: Mapping[Any, Any] | Iterable[Any], depth: int) -> Plain:
        if isinstance(value, Mapping):
            pairs = islice(value.items(), _ITEM_LIMIT)
            return {self.text(str(key)): self.value(each, depth) for key, each in pairs}
        return [self.value(each, depth) for each in islice(value, _ITEM_LIMIT)]


def _describe(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001  foreign code; a log line is never worth an exception
        return f"<{type(value).__name__}>"


def _forms(secret: str) -> Iterator[str]:
    """Yield the shapes a secret takes in texts: itself, in an URL, in JSON, in a repr."""
    is_token = re.fullmatch(r"[0-9]+:[A-Za-z0-9_-]{24,}", secret)
    for part in (secret, secret.partition(":")[2]) if is_token else (secret,):
        if len(part) >= _LEAST_SECRET:
            yield part
            yield quote(part)
            yield quote(part, safe="")
            yield json.dumps(part)[1:-1]
            yield json.dumps(part, ensure_ascii=False)[1:-1]
            yield repr(part)[1:-1]
