"""What a group has set, whatever was stored."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmbot.guard import params as rules
from gmbot.guard.params import Params, params_of, to_raw

json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
fields = st.sampled_from([field.name for field in msgspec.structs.fields(Params)])
texts = st.text(max_size=501)
valid = st.builds(
    Params,
    notice_seconds=st.integers(60, 3600),
    warnings=st.integers(0, 10),
    trust_added=st.booleans(),
    requests_count=st.booleans(),
    language=st.sampled_from(rules.LANGUAGES),
    text=st.none() | texts.filter(rules.is_text),
)


@given(raw=st.dictionaries(fields | st.text(), json | texts, max_size=8))
def test_any_json_gives_something_valid(raw: dict[str, Any]) -> None:
    params = params_of(raw)

    assert type(params.notice_seconds) is int
    assert 60 <= params.notice_seconds <= 3600
    assert type(params.warnings) is int
    assert 0 <= params.warnings <= 10
    assert type(params.trust_added) is bool
    assert type(params.requests_count) is bool
    assert params.language in rules.LANGUAGES
    assert params.text is None or 0 < len(params.text.strip()) <= 500
    msgspec.json.encode(params)


@given(params=valid)
def test_what_is_stored_comes_back(params: Params) -> None:
    raw = msgspec.json.decode(msgspec.json.encode(to_raw(params)))

    assert params_of(raw) == params


def test_only_what_differs_from_the_defaults_is_stored() -> None:
    assert to_raw(Params()) == {}
    assert to_raw(Params(warnings=3, language="de")) == {"warnings": 3, "language": "de"}


@pytest.mark.parametrize(
    ("raw", "params"),
    [
        pytest.param({"notice_seconds": 59}, Params(), id="too short"),
        pytest.param({"notice_seconds": 3601}, Params(), id="too long"),
        pytest.param({"notice_seconds": 60.0}, Params(), id="no whole number"),
        pytest.param({"warnings": True}, Params(), id="a switch is no number"),
        pytest.param({"warnings": 11}, Params(), id="too many"),
        pytest.param({"trust_added": 1}, Params(), id="a number is no switch"),
        pytest.param({"language": "tlh"}, Params(), id="not spoken here"),
        pytest.param({"language": ["en"]}, Params(), id="no word"),
        pytest.param({"text": " "}, Params(), id="nothing to see"),
        pytest.param({"text": "x" * 501}, Params(), id="too much"),
        pytest.param({"text": "half \ud83e"}, Params(), id="half a character"),
        pytest.param({"text": "a\0b"}, Params(), id="NUL"),
        pytest.param({"text": "x" * 500}, Params(text="x" * 500), id="just right"),
        pytest.param({"mood": 1, "warnings": 2}, Params(warnings=2), id="not known"),
    ],
)
def test_what_is_not_valid_is_as_if_it_were_not_there(raw: dict[str, Any], params: Params) -> None:
    assert params_of(raw) == params
