import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmbot.api.errors import (
    ApiError,
    BadRequest,
    ChatMigrated,
    Conflict,
    Forbidden,
    Refusal,
    RetryAfter,
    ServerUnavailable,
    Unauthorized,
)
from gmbot.api.source import Received, read_update
from gmbot.api.transport import Answer
from gmbot.api.types import ChatMember, InlineKeyboardButton, InlineKeyboardMarkup, Message, User
from gmbot.api.wire import decode_result, encode, mend, open_envelope

DEEP = b"[" * 200_000 + b"]" * 200_000
HTML = b"<html><body><h1>502 Bad Gateway</h1>https://host/bot1:SECRET/getMe</body></html>"


def answer(value: Any, status: int = 200, retry_after: float | None = None) -> Answer:
    return Answer(status, json.dumps(value).encode(), retry_after)


def refused(code: int, description: str = "words", **parameters: Any) -> dict[str, Any]:
    told = {"parameters": parameters} if parameters else {}
    return {"ok": False, "error_code": code, "description": description, **told}


def test_parameters_that_are_none_are_left_out() -> None:
    body = encode({"chat_id": -1, "text": None, "flag": False, "list": [], "zero": 0, "empty": ""})

    assert json.loads(body) == {"chat_id": -1, "flag": False, "list": [], "zero": 0, "empty": ""}


def test_optional_fields_of_what_is_sent_are_left_out_too() -> None:
    buttons = InlineKeyboardMarkup(((InlineKeyboardButton("Check", callback_data="v"),),))

    sent = json.loads(encode({"reply_markup": buttons}))

    assert sent["reply_markup"]["inline_keyboard"] == [[{"text": "Check", "callback_data": "v"}]]


@given(st.dictionaries(st.text(max_size=8), st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_what_is_sent_is_what_was_given_without_nothing(params: dict[str, int | None]) -> None:
    assert json.loads(encode(params)) == {k: v for k, v in params.items() if v is not None}


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        pytest.param(True, bool, id="boolean"),
        pytest.param([], list[msgspec.Raw], id="nothing new"),
        pytest.param({"id": 7, "first_name": "A", "new": [1]}, User, id="object"),
    ],
)
def test_a_result_comes_back_typed(result: Any, kind: Any) -> None:
    raw = open_envelope("getMe", answer({"ok": True, "result": result, "since": "10.9"}))

    assert isinstance(decode_result("getMe", raw, kind), kind if isinstance(kind, type) else list)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(HTML, 502, id="html"),
        pytest.param(HTML, 200, id="html with 200"),
        pytest.param(HTML, 403, id="html with 403"),
        pytest.param(HTML, 404, id="html with 404"),
        pytest.param(HTML, 409, id="html with 409"),
        pytest.param(b"", 200, id="empty"),
        pytest.param(b"", 500, id="empty 500"),
        pytest.param(b"", 502, id="empty 502"),
        pytest.param(b'{"ok":true,"resu', 200, id="cut"),
        pytest.param(b'{"ok":true,"result":{"text":"\\ud83d', 200, id="cut after a surrogate"),
        pytest.param(b'{"ok":true,"result":1}{', 200, id="more than one"),
        pytest.param(b"\x00\xff\xfe\x80", 200, id="bytes"),
        pytest.param(b"null", 200, id="null"),
        pytest.param(b"[]", 200, id="a list"),
        pytest.param(b"{}", 200, id="an empty object"),
        pytest.param(b'{"ok":"yes","result":1}', 200, id="a wrong type"),
        pytest.param(b'{"ok":true,"result":NaN}', 200, id="no JSON"),
        pytest.param(DEEP, 200, id="deep"),
        pytest.param(b'{"ok":true,"result":' + DEEP + b"}", 200, id="deep result"),
        pytest.param(b'{"ok":false}', 200, id="a no without a reason"),
        pytest.param(b'{"ok":false,"error_code":302}', 302, id="a redirection"),
        pytest.param(b'{"ok":false,"error_code":600}', 200, id="a code that does not exist"),
        pytest.param(b'{"ok":false,"error_code":500,"description":"Internal"}', 500, id="500"),
        pytest.param(b'{"ok":false,"description":"restart"}', 503, id="no code but a status"),
        pytest.param(b'{"ok":false,"error_code":502,"description":"x"}', 200, id="502 inside 200"),
    ],
)
def test_what_is_no_answer_of_the_bot_api_is_a_server_that_is_not_there(
    body: bytes, status: int
) -> None:
    with pytest.raises(ServerUnavailable) as caught:
        open_envelope("getMe", Answer(status, body))

    assert "SECRET" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize("status", [400, 413, 415, 431, 501, 505])
def test_an_error_of_the_http_layer_is_about_the_request(status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        open_envelope("getMe", Answer(status, b""))

    assert caught.value.code == status


@pytest.mark.parametrize(
    ("given_answer", "kind", "code"),
    [
        pytest.param(answer(refused(400), 400), BadRequest, 400, id="400"),
        pytest.param(answer(refused(401), 401), Unauthorized, 401, id="401"),
        pytest.param(answer(refused(403), 403), Forbidden, 403, id="403"),
        pytest.param(answer(refused(409), 409), Conflict, 409, id="409"),
        pytest.param(answer(refused(404, "Not Found"), 404), Unauthorized, 404, id="404"),
        pytest.param(answer({"ok": False}, 403), Forbidden, 403, id="only a status"),
        pytest.param(answer(refused(403), 200), Forbidden, 403, id="only a code"),
    ],
)
def test_a_refusal_is_named_by_its_code_or_else_its_status(
    given_answer: Answer, kind: type[Refusal], code: int
) -> None:
    with pytest.raises(kind) as caught:
        open_envelope("getMe", given_answer)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("given_answer", "waits"),
    [
        pytest.param(answer(refused(429, retry_after=9), 429, 4), 9, id="parameters win"),
        pytest.param(answer(refused(429, retry_after=0), 429, 4), 0, id="a zero is told too"),
        pytest.param(answer(refused(429), 429, 4), 4, id="header only"),
        pytest.param(answer(refused(429, retry_after=9), 429), 9, id="parameters only"),
        pytest.param(answer(refused(429), 429), 1, id="neither"),
        pytest.param(answer(refused(429, retry_after=2**40), 429), 2**40, id="for ever"),
        pytest.param(Answer(429, HTML, 4), 4, id="a proxy's, with header"),
        pytest.param(Answer(429, b""), 1, id="empty"),
    ],
)
def test_a_429_is_obeyed_whoever_says_it(given_answer: Answer, waits: float) -> None:
    with pytest.raises(RetryAfter) as caught:
        open_envelope("getMe", given_answer)

    assert caught.value.retry_after == waits
    assert "SECRET" not in str(caught.value)


def test_a_migration_tells_the_new_id() -> None:
    with pytest.raises(ChatMigrated) as caught:
        open_envelope("getMe", answer(refused(400, migrate_to_chat_id=-(10**15)), 400))

    assert caught.value.new_chat_id == -(10**15)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        pytest.param(b"", User, id="no result"),
        pytest.param(b"true", User, id="another type"),
        pytest.param(b'{"first_name":"Secret name"}', User, id="no id"),
        pytest.param(b'{"id":"Secret name"}', User, id="a wrong type"),
        pytest.param(b'{"status":"Secret name"}', ChatMember, id="no user"),
        pytest.param(b'{"id":1,"x":' + DEEP + b"}", User, id="deep"),
        pytest.param(b'{"id":1,"first_name":"\xff"}', User, id="no UTF-8"),
    ],
)
def test_an_unexpected_result_is_a_server_that_is_not_there_and_its_values_stay_unsaid(
    raw: bytes, kind: type
) -> None:
    with pytest.raises(ServerUnavailable, match="unexpected result") as caught:
        decode_result("getMe", raw, kind)

    assert "Secret" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


def update(update_id: int, text: str) -> dict[str, Any]:
    chat = {"id": -100, "type": "supergroup"}
    return {
        "update_id": update_id,
        "message": {"message_id": update_id, "date": 1, "chat": chat, "text": text},
    }


def texts(body: bytes) -> list[str | None]:
    raws = decode_result(
        "getUpdates", open_envelope("getUpdates", Answer(200, body)), list[msgspec.Raw]
    )
    found = [read_update(raw) for raw in raws]
    return [
        item.update.message.text if isinstance(item, Received) and item.update.message else None
        for item in found
    ]


def test_one_unpaired_surrogate_among_a_hundred_updates_costs_one_character() -> None:
    updates = [update(i, f"text {i} \N{PARTY POPPER}") for i in range(100)]
    updates[50]["message"]["text"] = "half \ud83d of it"

    found = texts(json.dumps({"ok": True, "result": updates}).encode())

    assert found[50] == "half ? of it"
    assert found[:50] + found[51:] == [f"text {i} \N{PARTY POPPER}" for i in range(100) if i != 50]


def test_invalid_utf8_costs_the_characters_that_are_invalid() -> None:
    body = json.dumps({"ok": True, "result": [update(1, "good"), update(2, "b@d")]}).encode()

    assert texts(body.replace(b"@", b"\xff")) == ["good", "b\N{REPLACEMENT CHARACTER}d"]


def test_a_surrogate_in_an_error_does_not_hide_the_error() -> None:
    with pytest.raises(Forbidden):
        open_envelope("sendMessage", answer(refused(403, "Forbidden: \udc00"), 403))


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=20,
    )
)
def test_mending_what_is_whole_changes_nothing(value: Any) -> None:
    assert json.loads(mend(json.dumps(value).encode())) == value


# What json.dumps writes of these is an unpaired surrogate, or by chance a pair.
BROKEN = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=20)


@given(BROKEN)
def test_mending_makes_any_text_readable_and_keeps_what_was(text: str) -> None:
    mended = msgspec.json.decode(mend(json.dumps([text]).encode()))

    paired = json.loads(json.dumps(text))  # a pair is one character
    assert mended == ["".join("?" if "\ud800" <= c <= "\udfff" else c for c in paired)]


@given(st.binary(max_size=200), st.sampled_from([200, 302, 400, 403, 429, 500, 502]))
def test_any_bytes_are_a_result_or_one_of_our_errors(body: bytes, status: int) -> None:
    with suppress(ApiError):
        assert isinstance(
            decode_result("getMe", open_envelope("getMe", Answer(status, body)), User), User
        )


def test_a_message_in_sight_of_the_bot_only_in_part_is_read() -> None:
    raw = b'{"message_id":1,"date":0,"chat":{"id":1,"type":"private"}}'

    assert decode_result("editMessageText", raw, Message).date == 0
