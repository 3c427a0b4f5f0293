"""The four ways to pass parameters: query, urlencoded form, multipart form, JSON.

Raises `HttpError` for what the HTTP layer of the server refuses, before any method is looked at.
"""

import json
import re
from urllib.parse import parse_qsl

import msgspec

from gmbot.sandbox.checks import Upload
from gmbot.sandbox.schema import Arguments

MAX_PARAMETERS = 1 << 20  # bytes of all parameters together; source: td/net/HttpReader

_LENIENT = "surrogateescape"  # keeps bytes that are no UTF-8, so that `_text` can find them


class HttpError(Exception):
    """The HTTP layer refuses with this status, an empty body and a closed connection."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def parse_arguments(query: str, content_type: str, body: bytes) -> Arguments:
    """Read the parameters of a request; those of the body win over those of the query."""
    arguments = Arguments()
    if query:
        _urlencoded(query.encode(), arguments)
    if not body:
        return arguments
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        _limit(len(body))
        _json_object(body, arguments)
    elif kind == "application/x-www-form-urlencoded":
        _limit(len(body))
        _urlencoded(body, arguments)
    elif kind == "multipart/form-data":
        _multipart(body, content_type, arguments)
    else:
        raise HttpError(415)
    return arguments


def _json_object(body: bytes, arguments: Arguments) -> None:
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError:
        # The standard library accepts unpaired surrogates, which are refused later, in words.
        arguments.is_utf8 = False
        try:
            value = json.loads(body)
        except ValueError:
            raise HttpError(400) from None
    if not isinstance(value, dict):
        raise HttpError(400)
    arguments.values = value


def _urlencoded(body: bytes, arguments: Arguments) -> None:
    text = body.decode(errors=_LENIENT)
    for key, value in parse_qsl(text, keep_blank_values=True, errors=_LENIENT):
        arguments.texts[key] = _text(value.encode(errors=_LENIENT), arguments)


def _multipart(body: bytes, content_type: str, arguments: Arguments) -> None:
    boundary = re.search(r'boundary="?([^";]+)', content_type)
    if boundary is None:
        raise HttpError(400)
    pieces = (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode())
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):  # noqa: PLR2004  # preamble and end
        raise HttpError(400)
    total = 0
    for piece in pieces[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        names = dict(re.findall(r'\b(name|filename)="([^"]*)"', head.decode("utf-8", "replace")))
        if "name" not in names:
            raise HttpError(400)
        if "filename" in names:
            arguments.files[names["name"]] = Upload(names["filename"], len(content))
            continue
        total += len(content)
        _limit(total)
        arguments.texts[names["name"]] = _text(content, arguments)


def _text(raw: bytes, arguments: Arguments) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        arguments.is_utf8 = False
        return raw.decode(errors="replace")


def _limit(size: int) -> None:
    if size > MAX_PARAMETERS:
        raise HttpError(413)
