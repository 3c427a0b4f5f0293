"""The Bot API's JSON: parameters to a request body, an answer's body to a result or an error."""

import json
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec

from gmbot.api.errors import BadRequest, Refusal, ServerUnavailable, refusal
from gmbot.api.transport import Answer
from gmbot.api.types import decode_hook

T = TypeVar("T")

# Errors of the server's HTTP layer have an empty body (tdlib/telegram-bot-api, HttpConnection.cpp).
# These are about the request itself, so that repeating it would not help.
_HTTP_LAYER = frozenset({400, 413, 415, 431, 501, 505})

# Codes with which Telegram says no. What says another is not Telegram, or is not well.
_REFUSALS = range(HTTPStatus.BAD_REQUEST, HTTPStatus.INTERNAL_SERVER_ERROR)


class _Parameters(msgspec.Struct, frozen=True):
    retry_after: float | None = None
    migrate_to_chat_id: int | None = None


class _Envelope(msgspec.Struct, frozen=True):
    ok: bool
    result: msgspec.Raw = msgspec.Raw()
    error_code: int = 0
    description: str = ""
    parameters: _Parameters = _Parameters()


_ENVELOPE = msgspec.json.Decoder(_Envelope)


def encode(params: Mapping[str, object]) -> bytes:
    """Return the request body, without parameters that are None: null would be sent as text."""
    return msgspec.json.encode({name: value for name, value in params.items() if value is not None})


def open_envelope(method: str, answer: Answer) -> msgspec.Raw:
    """Return the undecoded result of an answer.

    Raises the Refusal that it tells, or ServerUnavailable where it is a 5xx or no Bot API answer
    (a proxy's HTML, an empty or a cut body). A 429 is obeyed, whoever says it.
    """
    if not answer.body and answer.status in _HTTP_LAYER:
        raise BadRequest(method, answer.status, "refused by the server's HTTP layer")
    envelope = _read(answer.body)
    if envelope is None:
        raise _no_answer(method, answer)
    if not envelope.ok:
        raise _error(method, answer, envelope)
    return envelope.result


def decode_result(method: str, raw: msgspec.Raw | bytes, kind: type[T]) -> T:
    """Decode a result. Raises ServerUnavailable where it is not of the expected type."""
    try:
        result: T = decoder(kind).decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The text of msgspec's error names a path and types, never a value.
        detail = f"unexpected result: {error}"
    else:
        return result
    raise ServerUnavailable(method, HTTPStatus.OK, detail)


def decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """Return the one decoder for a type."""
    known = _DECODERS.get(kind)
    if known is None:
        known = _DECODERS[kind] = msgspec.json.Decoder(kind, dec_hook=decode_hook)
    return known


_DECODERS: dict[Any, msgspec.json.Decoder[Any]] = {}


def mend(body: bytes) -> bytes:
    """Return the same JSON with every unpaired surrogate replaced by a question mark.

    msgspec refuses a whole answer for one of them, and people's names and texts do hold them.
    Raises ValueError or RecursionError where it is no JSON.
    """
    parsed = json.loads(body.decode("utf-8", "replace"))
    return json.dumps(parsed, ensure_ascii=False).encode("utf-8", "replace")


def _read(body: bytes) -> _Envelope | None:
    """Return None where it is no answer. The errors in between hold the body: none is chained."""
    with suppress(ValueError, RecursionError):
        return _ENVELOPE.decode(body)
    with suppress(ValueError, RecursionError):
        return _ENVELOPE.decode(mend(body))
    return None


def _no_answer(method: str, answer: Answer) -> Refusal | ServerUnavailable:
    detail = "the answer is not the Bot API's"
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return refusal(method, answer.status, detail, retry_after=answer.retry_after)
    return ServerUnavailable(method, answer.status, detail)


def _error(method: str, answer: Answer, envelope: _Envelope) -> Refusal | ServerUnavailable:
    code = envelope.error_code or answer.status
    if code not in _REFUSALS:
        return ServerUnavailable(method, code, envelope.description)
    retry_after = envelope.parameters.retry_after
    return refusal(
        method,
        code,
        envelope.description,
        retry_after=answer.retry_after if retry_after is None else retry_after,
        migrate_to_chat_id=envelope.parameters.migrate_to_chat_id,
    )
