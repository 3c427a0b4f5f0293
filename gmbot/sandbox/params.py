"""Parameters of a method as they arrive: JSON types, or strings from a form or query.

One place turns them into what they mean, as the server does: what is no number is 0, what is not
"true", "yes" or "1" is false.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from gmbot.sandbox import errors

_INTEGER: Final = re.compile(r"\s*(-?[0-9]+)\s*")
_TRUE: Final = frozenset({"true", "yes", "1"})


class Params:
    """The parameters of one call, read by name and kind."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def integer(self, name: str) -> int:
        """Return an integer; 0 where it is missing or none."""
        return _integer(self._values.get(name, 0))

    def boolean(self, name: str) -> bool:
        """Return a boolean; False where it is missing."""
        value = self._values.get(name, False)
        if isinstance(value, str):
            return value.strip().lower() in _TRUE
        return bool(value)

    def text(self, name: str) -> str:
        """Return a string; empty where it is missing."""
        return str(self._values.get(name, ""))

    def reference(self, name: str) -> int | str:
        """Return a chat's id, or its @username; 0 stands for what is neither.

        Raises TelegramError where it is missing.
        """
        value = self._values.get(name, "")
        if value == "":
            raise errors.refusal(errors.CHAT_ID_EMPTY)
        if isinstance(value, str) and value.startswith("@"):
            return value
        return _integer(value)

    def parsed(self, name: str, *, not_json: str) -> Any:
        """Return a JSON value, None where it is missing. Raises TelegramError with `not_json`."""
        value = self._values.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError:
            raise errors.refusal(not_json) from None


def _integer(value: Any) -> int:
    if isinstance(value, str):
        match = _INTEGER.fullmatch(value)
        return int(match[1]) if match is not None else 0
    return value if isinstance(value, int) else 0
