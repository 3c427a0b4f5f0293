"""What a group has set, apart from its channels: pure, any JSON in, something valid out."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

# What the bot can speak, by language code (ISO 639-1).
LANGUAGES = ("en", "de", "es", "fr", "pt", "ru", "uk", "it")

SHORTEST_NOTICE, LONGEST_NOTICE = 60, 3600  # seconds
MOST_WARNINGS = 10
LONGEST_TEXT = 500  # characters of a group's own words


class Params(msgspec.Struct, frozen=True):
    """What a group has set, or the defaults."""

    notice_seconds: int = 300  # how long a notice stands
    warnings: int = 0  # messages that are deleted with a warning before the first mute
    trust_added: bool = False  # whether people whom an admin adds need no channel
    requests_count: bool = False  # whether asking to be let into a private channel counts as in
    language: str = "en"
    text: str | None = None  # the group's own words for its notices, plain text


def params_of(raw: Mapping[str, Any]) -> Params:
    """Return what stored JSON says; what is unknown or not valid is as if it were not there."""
    good = {name: raw[name] for name, is_valid in _VALID.items() if is_valid(raw.get(name))}
    return Params(**good)


def to_raw(params: Params) -> dict[str, Any]:
    """Return what differs from the defaults, as JSON to store."""
    default = Params()
    return {
        name: value
        for name, value in msgspec.structs.asdict(params).items()
        if value != getattr(default, name)
    }


def is_text(value: object) -> bool:
    """Whether a group's own words can be these."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= LONGEST_TEXT
        and value == value.strip()
        and not any(char == "\0" or "\ud800" <= char <= "\udfff" for char in value)
    )


def _is_whole(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


_VALID: Mapping[str, Callable[[object], bool]] = MappingProxyType(
    {
        "notice_seconds": lambda value: _is_whole(value, SHORTEST_NOTICE, LONGEST_NOTICE),
        "warnings": lambda value: _is_whole(value, 0, MOST_WARNINGS),
        "trust_added": lambda value: isinstance(value, bool),
        "requests_count": lambda value: isinstance(value, bool),
        "language": lambda value: isinstance(value, str) and value in LANGUAGES,
        "text": is_text,
    }
)
