import importlib.resources
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmbot.sandbox.checks import Upload
from gmbot.sandbox.methods import METHODS
from gmbot.sandbox.schema import Arguments, bot_api

SOURCE = json.loads((importlib.resources.files("gmbot.sandbox") / "schema.json").read_bytes())
TYPES: dict[str, Any] = SOURCE["types"]
RECORDS = sorted(name for name, entry in TYPES.items() if entry.get("fields"))
SCALARS = {"Integer": 2**52, "Float": 0.5, "String": "text", "Boolean": False, "InputFile": "id"}

CHAT = {"id": -1001, "type": "supergroup", "title": "Group"}
ANN = {"id": 5_000_000_001, "is_bot": False, "first_name": "Ann"}
MESSAGE = {"message_id": 1, "date": 1_700_000_000, "chat": CHAT, "from": ANN, "text": "hi"}
SEND = bot_api().methods["sendmessage"]


def example(expression: str) -> Any:
    """Make the smallest value of a type."""
    expression = expression.partition("|")[0]
    if expression.startswith("Array of "):
        return [example(expression.removeprefix("Array of "))]
    base, _, constant = expression.partition("=")
    if constant:
        return int(constant) if base == "Integer" else constant
    if base in SCALARS:
        return SCALARS[base]
    if "subtypes" in TYPES[base]:
        return example(TYPES[base]["subtypes"][0])
    fields = TYPES[base]["fields"]
    return {key: example(kind) for key, kind in fields.items() if not kind.endswith("?")}


@pytest.mark.parametrize("name", sorted(TYPES))
def test_the_smallest_value_of_a_type_fits_it(name: str) -> None:
    assert bot_api().check_type(name, example(name)) is None


@pytest.mark.parametrize("name", RECORDS)
def test_a_type_misses_each_required_field_and_knows_no_other(name: str) -> None:
    value = example(name)

    for key in value:
        without = {other: item for other, item in value.items() if other != key}
        assert bot_api().check_type(name, without) is not None, key
        assert bot_api().check_type(name, {**value, key: None}) is not None, key
    assert bot_api().check_type(name, {**value, "unheard_of": 1}) is not None
    assert bot_api().check_type(name, [value]) is not None


def test_every_simulated_method_is_one_of_the_bot_api() -> None:
    assert {name.lower() for name in METHODS} <= bot_api().methods.keys()


@pytest.mark.parametrize(
    ("kind", "value", "problem"),
    [
        pytest.param("Integer", True, "expected Integer", id="a boolean is no integer"),
        pytest.param("Integer", 2**63, "expected Integer", id="65 bits"),
        pytest.param("Float", "1", "expected Float", id="text is no float"),
        pytest.param("Boolean", 1, "expected Boolean", id="one is not true"),
        pytest.param("String", "x" * 500, None, id="a long text"),
        pytest.param("Array of Integer", [1, "2"], "[1]: expected Integer", id="in an array"),
        pytest.param("ChatMember", {"status": "vip", "user": ANN}, "told by status", id="status"),
        pytest.param("ChatMember", {"status": ["left"], "user": ANN}, "told by status", id="list"),
        pytest.param("ChatMember", "left", "told by status", id="no object"),
        pytest.param("ChatMember", {"status": "left", "user": ANN}, None, id="left"),
        pytest.param("ChatMember", {"status": "kicked", "user": ANN}, "until_date", id="kicked"),
        pytest.param("MaybeInaccessibleMessage", MESSAGE, None, id="a message"),
        pytest.param(
            "MaybeInaccessibleMessage",
            {"message_id": 1, "date": 0, "chat": CHAT},
            None,
            id="an inaccessible message",
        ),
        pytest.param(
            "MaybeInaccessibleMessage",
            {**MESSAGE, "date": 0},
            "unknown field of InaccessibleMessage",
            id="date 0 says that nothing else is known",
        ),
        pytest.param(
            "InaccessibleMessage",
            {"message_id": 1, "date": False, "chat": CHAT},
            "expected 0",
            id="false is not zero",
        ),
        pytest.param("RichText", ["a", {"type": "bold", "text": ["b"]}], None, id="nested text"),
        pytest.param("RichText", ["a", {"type": "bold", "text": [5]}], "[1].text[0]", id="deep"),
        pytest.param("Integer|String", 1.5, "expected Integer or String", id="either"),
    ],
)
def test_a_value_fits_its_type_or_the_problem_says_where_not(
    kind: str, value: Any, problem: str | None
) -> None:
    found = bot_api().check_type(kind, value)

    assert found is None if problem is None else problem in (found or "")


def test_a_problem_quotes_no_more_than_the_beginning_of_a_long_value() -> None:
    problem = bot_api().check_type("Integer", "x" * 10_000)

    assert problem is not None
    assert len(problem) < 200


@pytest.mark.parametrize(
    ("update", "problem"),
    [
        pytest.param({"update_id": 1, "message": MESSAGE}, None, id="a message"),
        pytest.param({"update_id": 1}, "one kind", id="nothing happened"),
        pytest.param(
            {"update_id": 1, "message": MESSAGE, "edited_message": MESSAGE}, "one kind", id="two"
        ),
        pytest.param({"message": MESSAGE}, "update_id: missing", id="no id"),
        pytest.param({"update_id": 1, "gossip": {}}, ".gossip: unknown", id="unknown kind"),
        pytest.param(
            {"update_id": 1, "message": {**MESSAGE, "chat": {"id": "x", "type": "group"}}},
            ".message.chat.id: expected Integer, got 'x'",
            id="wrong type within",
        ),
    ],
)
def test_an_update_is_read_strictly(update: dict[str, Any], problem: str | None) -> None:
    found = bot_api().check_update(update)

    assert found is None if problem is None else problem in (found or "")


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        pytest.param({"chat_id": 1, "text": "hi"}, None, id="well formed"),
        pytest.param({"chat_id": "@group", "text": "hi"}, None, id="by username"),
        pytest.param({"chat_id": 1}, "missing parameter text", id="missing"),
        pytest.param({"chat_id": 1, "text": "", "txet": ""}, "unknown parameter txet", id="typo"),
        pytest.param({"chat_id": 1, "text": 5}, "parameter text: expected String", id="type"),
        pytest.param(
            {"chat_id": 1, "text": "", "parse_mode": None}, "parameter parse_mode: null", id="null"
        ),
        pytest.param(
            {"chat_id": 1, "text": "", "reply_markup": '{"force_reply":true}'}, None, id="json text"
        ),
        pytest.param(
            {"chat_id": 1, "text": "", "reply_markup": "{"}, "reply_markup: expected", id="no json"
        ),
        pytest.param(
            {"chat_id": 1, "text": "", "reply_markup": {"inline_keyboard": [[{"text": 1}]]}},
            "reply_markup.inline_keyboard[0][0].text: expected String",
            id="the keyboard that was meant",
        ),
    ],
)
def test_a_json_body_is_read_strictly(params: dict[str, Any], problem: str | None) -> None:
    found = SEND.check(SEND.read(Arguments(values=params)))

    assert found is None if problem is None else problem in (found or "")


def test_texts_of_a_form_become_the_types_of_the_api() -> None:
    texts = {
        "chat_id": "-1001",
        "text": "5",
        "protect_content": "True",
        "disable_notification": "0",
        "message_thread_id": "7",
        "reply_parameters": '{"message_id":3}',
    }

    params = SEND.read(Arguments(texts=texts))

    assert params == {
        "chat_id": -1001,
        "text": "5",
        "protect_content": True,
        "disable_notification": False,
        "message_thread_id": 7,
        "reply_parameters": {"message_id": 3},
    }
    assert SEND.check(params) is None


@pytest.mark.parametrize(
    ("key", "text"),
    [("message_thread_id", "seven"), ("protect_content", "maybe"), ("unheard_of", "x")],
)
def test_a_text_that_cannot_be_read_is_a_problem(key: str, text: str) -> None:
    params = SEND.read(Arguments(texts={"chat_id": "1", "text": "hi", key: text}))

    assert key in (SEND.check(params) or "")


def test_floats_are_read_from_forms() -> None:
    method = bot_api().methods["sendlocation"]

    params = method.read(Arguments(texts={"chat_id": "1", "latitude": "-5.5", "longitude": "x"}))

    assert params["latitude"] == -5.5
    assert "longitude" in (method.check(params) or "")


def test_an_uploaded_file_is_a_parameter_or_named_by_one() -> None:
    method = bot_api().methods["sendphoto"]
    file = Upload("cat.jpg", 3)

    direct = method.read(Arguments(texts={"chat_id": "1"}, files={"photo": file}))
    attached = method.read(
        Arguments(texts={"chat_id": "1", "photo": "attach://a1"}, files={"a1": file})
    )

    assert direct["photo"] == file
    assert method.check(direct, ["photo"]) is None
    assert method.check(attached, ["a1"]) is None
    assert method.check(attached, ["a1", "stray"]) == "file stray belongs to no parameter"
    assert "expected InputFile" in (method.check({"chat_id": 1, "photo": 5}) or "")


def test_a_result_is_checked_against_what_the_method_returns() -> None:
    edit = bot_api().methods["editmessagetext"]

    assert edit.check_result(True) is None
    assert edit.check_result(MESSAGE) is None
    assert edit.check_result("done") is not None


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_64_bit_id_passes_a_form_unchanged(number: int) -> None:
    params = SEND.read(Arguments(texts={"chat_id": str(number), "text": str(number)}))

    assert params == {"chat_id": number, "text": str(number)}
    assert SEND.check(params) is None
