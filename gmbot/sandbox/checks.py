"""Checks of decoded JSON: functions that return None, or the first thing wrong with a value.

A problem is a path below the value and words, such as `.chat.id: expected Integer, got 'x'`.
Integers have up to 64 bits; a boolean is no integer; null fits nothing, since the Bot API leaves an
absent field out.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

Check = Callable[[Any], str | None]


class Upload(msgspec.Struct, frozen=True):
    """A file that came with a multipart request; `size` is in bytes."""

    filename: str
    size: int


def record(name: str, fields: Mapping[str, Check], required: frozenset[str]) -> Check:
    """Check an object with these fields and no others."""

    def check(value: Any) -> str | None:
        if type(value) is not dict:
            return _expected(name, value)
        for key, item in value.items():
            field = fields.get(key)
            if field is None:
                return f".{key}: unknown field of {name}"
            problem = field(item)
            if problem is not None:
                return f".{key}{problem}"
        if not required <= value.keys():
            return f".{min(required - value.keys())}: missing in {name}"
        return None

    return check


def array(item: Check) -> Check:
    """Check an array of such items."""

    def check(value: Any) -> str | None:
        if type(value) is not list:
            return _expected("Array", value)
        for index, element in enumerate(value):
            problem = item(element)
            if problem is not None:
                return f"[{index}]{problem}"
        return None

    return check


def constant(wanted: str | int) -> Check:
    """Check that a field which tells types apart has the value it always has."""

    def check(value: Any) -> str | None:
        is_same = type(value) is type(wanted) and value == wanted
        return None if is_same else _expected(repr(wanted), value)

    return check


def either(name: str, checks: Sequence[Check]) -> Check:
    """Check a value that fits one of several types and does not say which."""
    if len(checks) == 1:
        return checks[0]

    def check(value: Any) -> str | None:
        problems = []
        for one in checks:
            problem = one(value)
            if problem is None:
                return None
            problems.append(problem)
        # The type that got furthest is the one that was meant.
        furthest = max(problems, key=lambda problem: problem.index(": "))
        return _expected(name, value) if furthest.startswith(":") else furthest

    return check


def tagged(name: str, tag: str, by_tag: Mapping[Any, Check], otherwise: Check | None) -> Check:
    """Check a value whose field `tag` says which of several types it is."""

    def check(value: Any) -> str | None:
        said = value.get(tag) if type(value) is dict else None
        known = by_tag.get(said) if isinstance(said, str | int) else None
        if known is not None:
            return known(value)
        if otherwise is not None:
            return otherwise(value)
        return _expected(f"{name} told by {tag}", value)

    return check


def _integer(value: Any) -> str | None:
    if type(value) is int and -(2**63) <= value < 2**63:
        return None
    return _expected("Integer", value)


def _float(value: Any) -> str | None:
    return None if type(value) in {int, float} else _expected("Float", value)


def _string(value: Any) -> str | None:
    return None if type(value) is str else _expected("String", value)


def _boolean(value: Any) -> str | None:
    return None if type(value) is bool else _expected("Boolean", value)


def _input_file(value: Any) -> str | None:
    return None if isinstance(value, str | Upload) else _expected("InputFile", value)


SCALARS: Mapping[str, Check] = {
    "Integer": _integer,
    "Float": _float,
    "String": _string,
    "Boolean": _boolean,
    "InputFile": _input_file,
}

_SHOWN = 80  # characters of a wrong value that a problem quotes


def _expected(what: str, value: Any) -> str:
    shown = repr(value)
    return f": expected {what}, got {shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '…'}"
