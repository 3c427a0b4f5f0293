import json
from collections.abc import Mapping
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmbot.config import Secret
from gmbot.telemetry.scrubbing import STARS, Scrubber

TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0"
PASSWORD = 'pä ss"w/o\\rd'

SCRUBBER = Scrubber([Secret(TOKEN), Secret(PASSWORD)])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TOKEN, id="token"),
        pytest.param(quote(TOKEN), id="token, quoted"),
        pytest.param(TOKEN.partition(":")[2], id="the token's secret half"),
        pytest.param(PASSWORD, id="password"),
        pytest.param(quote(PASSWORD), id="password in a path"),
        pytest.param(quote(PASSWORD, safe=""), id="password in a login"),
        pytest.param(json.dumps(PASSWORD)[1:-1], id="password in ASCII JSON"),
        pytest.param(json.dumps(PASSWORD, ensure_ascii=False)[1:-1], id="password in JSON"),
        pytest.param(repr(PASSWORD)[1:-1], id="password in a repr"),
    ],
)
def test_a_secret_is_found_in_each_of_its_shapes(text: str) -> None:
    assert SCRUBBER.text(f"<{text}>") == f"<{STARS}>"


@pytest.mark.parametrize(
    "text",
    [
        "https://api.telegram.org/bot1234:AAHdqTcvCH1vGWJxfSeofSAs/getMe",
        "https://api.telegram.org/bot1234%3AAAHdqTcvCH1vGWJxfSeofSAs/getMe",
        "token 987654321:BBHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0 is wrong",
    ],
)
def test_a_token_that_nobody_told_us_is_known_by_its_looks(text: str) -> None:
    clean = Scrubber().text(text)

    assert STARS in clean
    assert "HdqTcv" not in clean


def test_what_is_no_secret_stays_as_it_is() -> None:
    text = "2026-11-24T15:31:39.979Z robot12:30 chat -1001234567890 https://t.me/+AbCdEf_123 é 😀"

    assert SCRUBBER.text(text) == text


def test_a_secret_too_short_to_be_hidden_does_not_tear_every_word() -> None:
    assert Scrubber([Secret("abc"), Secret("")]).text("abcd") == "abcd"


def test_the_longer_of_two_secrets_goes_whole() -> None:
    assert Scrubber([Secret("hunter"), Secret("hunter22")]).text("hunter22") == STARS


def test_a_half_emoji_does_not_stop_a_line() -> None:
    assert SCRUBBER.text("a\ud83db") == "a?b"


@pytest.mark.parametrize("size", [10_000, 10_000_000])
def test_a_long_text_keeps_its_ends(size: int) -> None:
    clean = SCRUBBER.text("start" + TOKEN + "x" * size + TOKEN + "end")

    assert clean.startswith(f"start{STARS}x")
    assert clean.endswith(f"x{STARS}end")
    assert len(clean) < 10_000


def test_a_secret_is_found_however_deep_it_lies() -> None:
    value = {
        "a": [{"b": (TOKEN, {TOKEN})}],
        TOKEN: b"raw " + TOKEN.encode(),
        "e": ValueError(TOKEN),
    }

    clean = SCRUBBER.value(value)

    assert clean == {
        "a": [{"b": [STARS, [STARS]]}],
        STARS: f"b'raw {STARS}'",
        "e": f"ValueError('{STARS}')",
    }


def test_what_has_no_end_is_cut() -> None:
    loop: list[object] = []
    loop.append(loop)

    assert json.dumps(SCRUBBER.value(loop)).count("[") < 10
    assert len(str(SCRUBBER.value(list(range(10_000))))) < 1000


def test_plain_values_stay_what_they_are() -> None:
    value = {"a": 1, "b": 1.5, "c": None, "d": True}

    assert SCRUBBER.value(value) == value


def test_numbers_that_json_does_not_know_become_text() -> None:
    assert SCRUBBER.value([float("nan"), float("inf")]) == ["nan", "inf"]
    assert SCRUBBER.value(1 << 64) == str(1 << 64)
    assert SCRUBBER.value(10**5000) == "<int>"


def test_a_value_that_cannot_describe_itself_is_named_by_its_type() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert SCRUBBER.value(Broken()) == "<Broken>"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
)


@given(VALUES)
def test_anything_becomes_what_json_can_express(value: object) -> None:
    json.dumps(SCRUBBER.value(value), allow_nan=False).encode()


@given(VALUES, st.text(st.characters(codec="ascii", categories=["L"]), min_size=4))
def test_no_text_around_a_secret_hides_it(value: object, around: str) -> None:
    clean = SCRUBBER.value({"value": value, "text": f"{around}{PASSWORD}{around}"})

    assert isinstance(clean, Mapping)
    assert clean["text"] == f"{around}{STARS}{around}"
