import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmbot.api.records import MalformedUpdate
from gmbot.api.source import Received, read_update
from gmbot.api.types import Update

CHAT = {"id": -1001, "type": "supergroup", "title": ""}
MESSAGE = {"message_id": 1, "date": 1, "chat": CHAT, "text": "hello"}


def dump(value: Any) -> bytes:
    return json.dumps(value).encode()


def test_an_update_is_kept_as_it_came() -> None:
    payload = dump({"update_id": 5, "message": MESSAGE, "unknown": {"x": [None]}})

    received = read_update(payload)

    assert isinstance(received, Received)
    assert received.payload == payload
    assert received.update.update_id == 5
    assert received.update.message is not None
    assert received.update.message.text == "hello"


def test_an_update_of_an_unknown_kind_is_read_as_one_in_which_nothing_happened() -> None:
    received = read_update(b'{"update_id":5,"thought":{"by":[1,2]}}')

    assert isinstance(received, Received)
    assert received.update == Update(5)


def test_a_surrogate_is_mended_and_so_is_what_is_kept() -> None:
    received = read_update(dump({"update_id": 5, "message": {**MESSAGE, "text": "a\ud83d"}}))

    assert isinstance(received, Received)
    assert received.update.message is not None
    assert received.update.message.text == "a?"
    again = read_update(received.payload)
    assert isinstance(again, Received)
    assert again.update.message is not None
    assert again.update.message.text == "a?"


@pytest.mark.parametrize(
    ("payload", "update_id"),
    [
        pytest.param(dump({"update_id": 5, "message": {"text": 1}}), 5, id="a wrong type"),
        pytest.param(dump({"update_id": 5, "message": "hello"}), 5, id="no object"),
        pytest.param(
            dump({"update_id": 5, "message": {**MESSAGE, "date": "now", "text": "\ud83d"}}),
            5,
            id="a wrong type and a surrogate",
        ),
        pytest.param(
            dump({"update_id": 5, "message": {**MESSAGE, "date": "@"}}).replace(b"@", b"\xff"),
            5,
            id="a wrong type and no UTF-8",
        ),
        pytest.param(dump({"update_id": "5", "message": MESSAGE}), None, id="id of a wrong type"),
        pytest.param(dump({"message": MESSAGE}), None, id="no id"),
        pytest.param(b'{"update_id":5,"message":{"te', None, id="cut"),
        pytest.param(b'{"update_id":5,"x":' + b"[" * 200_000, None, id="deep"),
        pytest.param(b"", None, id="empty"),
        pytest.param(b"\xff\x00", None, id="bytes"),
        pytest.param(b"[1]", None, id="a list"),
        pytest.param(b"null", None, id="null"),
    ],
)
def test_an_update_that_cannot_be_read_tells_its_id_where_it_has_one(
    payload: bytes, update_id: int | None
) -> None:
    malformed = read_update(payload)

    assert isinstance(malformed, MalformedUpdate)
    assert malformed.update_id == update_id
    assert malformed.reason


def test_the_reason_holds_nothing_of_what_people_wrote() -> None:
    malformed = read_update(dump({"update_id": 5, "message": {**MESSAGE, "date": "Secret"}}))

    assert isinstance(malformed, MalformedUpdate)
    assert malformed.reason == "Expected `int`, got `str` - at `$.message.date`"


@given(st.binary(max_size=200))
def test_any_bytes_are_an_update_or_a_malformed_one(payload: bytes) -> None:
    assert isinstance(read_update(payload), Received | MalformedUpdate)
