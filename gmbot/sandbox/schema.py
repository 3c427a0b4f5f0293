"""The strict reading of the Bot API: what a request, an answer and an update may look like.

`schema.json` lists all methods and types; each is compiled once into a check (see `checks`).
"""

import functools
import importlib.resources
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from gmbot.sandbox.checks import SCALARS, Check, Upload, array, constant, either, record, tagged


class Arguments(msgspec.Struct):
    """Parameters as they arrived: texts of a form or query, values of a JSON body, files."""

    texts: dict[str, str] = {}
    values: dict[str, Any] = {}
    files: dict[str, Upload] = {}
    is_utf8: bool = True


class Method:
    """A method of the Bot API: how its parameters are read and checked, and what it returns."""

    __slots__ = ("_params", "_required", "check_result", "name")

    def __init__(self, name: str, params: Mapping[str, "_Field"], returns: Check) -> None:
        self.name = name
        self.check_result = returns
        self._params = params
        self._required = frozenset(key for key, field in params.items() if field.required)

    def read(self, given: Arguments) -> dict[str, Any]:
        """Decode the parameters: texts to the types of the API, and JSON where it is serialised.

        What cannot be decoded or is unknown stays as it is, for `check` to see.
        """
        params: dict[str, Any] = {}
        for key, text in given.texts.items():
            field = self._params.get(key)
            params[key] = text if field is None else field.decode(text)
        for key, value in given.values.items():
            field = self._params.get(key)
            serialised = field is not None and field.is_structured and type(value) is str
            params[key] = _decode_json(value) if serialised else value
        params.update((key, file) for key, file in given.files.items() if key in self._params)
        return params

    def check(self, params: Mapping[str, Any], parts: Iterable[str] = ()) -> str | None:
        """Say what is wrong with decoded parameters. `parts` are the names of uploaded files."""
        for key, value in params.items():
            field = self._params.get(key)
            if field is None:
                return f"unknown parameter {key}"
            if value is None:
                return f"parameter {key}: null; an optional parameter is left out"
            problem = field.check(value)
            if problem is not None:
                return f"parameter {key}{problem}"
        if not self._required <= params.keys():
            return f"missing parameter {min(self._required - params.keys())}"
        for name in parts:
            if name not in params and f"attach://{name}" not in repr(params):
                return f"file {name} belongs to no parameter"
        return None


class Schema:
    """All methods, by name in lower case, and all types."""

    def __init__(self, source: Mapping[str, Any]) -> None:
        types = source["types"]
        self._types: dict[str, Check] = dict(SCALARS)
        for name, entry in types.items():
            if "subtypes" in entry:
                self._types[name] = self._union(name, entry["subtypes"], types)
            elif name not in SCALARS:
                self._types[name] = self._record(name, entry["fields"])
        self.methods: Mapping[str, Method] = {
            name.lower(): Method(
                name, self._fields(entry["fields"]), self._expression(entry["returns"])
            )
            for name, entry in source["methods"].items()
        }
        self.update_kinds = frozenset(types["Update"]["fields"]) - {"update_id"}

    def check_type(self, expression: str, value: Any) -> str | None:
        """Check a value against a type such as `Message` or `Array of ChatMember`."""
        return self._expression(expression)(value)

    def check_update(self, update: Any) -> str | None:
        """Check an update: exactly one thing happened in it, and all of it is well formed."""
        problem = self._types["Update"](update)
        if problem is None and len(update) != 2:  # noqa: PLR2004  # update_id and what happened
            return f": expected one kind of update, got {sorted(update.keys() - {'update_id'})}"
        return problem

    def _record(self, name: str, fields: Mapping[str, str]) -> Check:
        known = self._fields(fields)
        required = frozenset(key for key, field in known.items() if field.required)
        return record(name, {key: field.check for key, field in known.items()}, required)

    def _union(self, name: str, subtypes: list[str], types: Mapping[str, Any]) -> Check:
        tag = ""
        by_tag: dict[str | int, list[str]] = {}
        untagged: list[str] = []
        for subtype in subtypes:
            constants = _constants(types.get(subtype, {}).get("fields", {}))
            if not constants:
                untagged.append(subtype)
            for key, value in constants.items():
                tag = key
                by_tag.setdefault(value, []).append(subtype)
        return tagged(
            name,
            tag,
            {value: self._either(names) for value, names in by_tag.items()},
            self._either(untagged) if untagged else None,
        )

    def _fields(self, fields: Mapping[str, str]) -> dict[str, "_Field"]:
        return {
            key: _Field(
                expression.removesuffix("?"),
                self._expression(expression.removesuffix("?")),
                required=not expression.endswith("?"),
            )
            for key, expression in fields.items()
        }

    def _either(self, names: list[str]) -> Check:
        return either(" or ".join(names), [self._expression(name) for name in names])

    def _expression(self, text: str) -> Check:
        if "|" in text:
            return self._either(text.split("|"))
        if text.startswith("Array of "):
            return array(self._expression(text.removeprefix("Array of ")))
        if "=" in text:
            return constant(_value(text))
        if text in SCALARS:
            return SCALARS[text]
        return functools.partial(self._check_named, text)

    def _check_named(self, name: str, value: Any) -> str | None:
        # Looked up when called: types refer to each other, and to themselves.
        return self._types[name](value)


@functools.cache
def bot_api() -> Schema:
    """Return the schema that this package ships."""
    file = importlib.resources.files("gmbot.sandbox") / "schema.json"
    return Schema(json.loads(file.read_bytes()))


class _Field:
    """A field of a type or a parameter of a method: its check, and how a text of it is read."""

    __slots__ = ("_names", "check", "is_structured", "required")

    def __init__(self, expression: str, check: Check, *, required: bool) -> None:
        self._names = expression.split("|")
        self.check = check
        self.required = required
        self.is_structured = not any(name in SCALARS for name in self._names)

    def decode(self, text: str) -> Any:
        if self.is_structured:
            return _decode_json(text)
        for name in self._names:
            value = _DECODERS[name](text) if name in _DECODERS else None
            if value is not None:
                return value
        return text


def _constants(fields: Mapping[str, str]) -> dict[str, str | int]:
    return {key: _value(expression) for key, expression in fields.items() if "=" in expression}


def _value(expression: str) -> str | int:
    kind, _, value = expression.partition("=")
    return int(value) if kind == "Integer" else value


def _decode_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _decode_integer(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?[0-9]{1,19}", text) else None


def _decode_float(text: str) -> float | None:
    return float(text) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text) else None


def _decode_boolean(text: str) -> bool | None:
    return _BOOLEANS.get(text.lower())


# Source: td/telegram-bot-api, to_bool.
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_DECODERS: Mapping[str, Callable[[str], Any]] = {
    "Integer": _decode_integer,
    "Float": _decode_float,
    "Boolean": _decode_boolean,
}
