"""The panel of settings, without a group around it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmbot.flows import panel
from gmbot.guard.params import LANGUAGES, Params

LONGEST_TEXT = 4096  # Source: sendMessage
LONGEST_DATA = 64  # bytes. Source: InlineKeyboardButton

anything = st.builds(
    Params,
    notice_seconds=st.integers(60, 3600),
    warnings=st.integers(0, 10),
    trust_added=st.booleans(),
    requests_count=st.booleans(),
    language=st.sampled_from(LANGUAGES),
    text=st.none() | st.text(min_size=1, max_size=500),
)


def ticked(params: Params) -> list[str]:
    rows = panel.buttons_of(params).inline_keyboard
    return [button.text for row in rows for button in row if button.text.startswith("✓")]


@given(params=anything)
def test_each_button_asks_for_one_change_and_then_bears_the_tick(params: Params) -> None:
    rows = panel.buttons_of(params).inline_keyboard

    data = [button.callback_data or "" for row in rows for button in row]
    assert len(set(data)) == len(data)
    for row in rows:
        for button in row:
            change = panel.read(button.callback_data)
            assert change is not None
            assert len((button.callback_data or "").encode()) <= LONGEST_DATA
            after = change.of(params)
            assert (after == params) == button.text.startswith("✓")
            assert f"✓ {button.text.removeprefix('✓ ')}" in ticked(after)
            assert type(getattr(after, change.field)) is type(getattr(params, change.field))


@given(params=anything)
def test_what_it_says_can_be_sent_and_is_known_again(params: Params) -> None:
    text = panel.text_of(params)

    assert len(text) < LONGEST_TEXT / 2
    assert panel.is_panel(text)


def test_it_says_what_is_set() -> None:
    assert panel.text_of(Params()) == (
        "Settings of this group\n\n"
        "1. A notice stands for: 5 min\n"
        "2. Warnings before the first mute: 0\n"
        "3. Whom an admin adds: has to be in the channels too\n"
        "4. Who has asked to be let into a private channel: has to be let in first\n"
        "5. Language: English\n\n"
        "Own words for the notice: none\n"
        "To set them: /settings text and the words. {people} and {channels} stand for the names. "
        "To do without: /settings text"
    )
    assert ticked(Params()) == [
        "✓ 5 min",
        "✓ ⚠ 0",
        "✓ Added: checked",
        "✓ Asked: not enough",
        "✓ English",
    ]


def test_it_says_what_no_button_of_it_sets_too() -> None:
    params = Params(notice_seconds=90, warnings=7, text="Be {people} & <b>")
    text = panel.text_of(params)

    assert "stands for: 90 s\n" in text
    assert "first mute: 7\n" in text
    assert "notice: \nBe {people} & <b>\n" in text
    assert len(ticked(params)) == 3


@given(data=st.text() | st.text().map(lambda text: f"{panel.PREFIX}{text}"))
def test_junk_asks_for_nothing(data: str) -> None:
    assert panel.read(data) is None


@pytest.mark.parametrize(
    "data",
    [
        None,
        "",
        "set:",
        "set:warnings",
        "set:warnings:",
        "set:warnings:4",
        "set:warnings:03",
        "set:warnings:-1",
        "set:warnings:1 ",
        "set:warnings:1:1",
        "SET:warnings:1",
        "set:text:1",
        "set:language:tlh",
        "set:notice_seconds:1",
        "set:trust_added:True",
        "set:__class__:1",
    ],
)
def test_forged_data_ask_for_nothing(data: str | None) -> None:
    assert panel.read(data) is None


def test_every_setting_can_be_reached_by_a_button() -> None:
    rows = panel.buttons_of(Params()).inline_keyboard
    changes = [panel.read(button.callback_data) for row in rows for button in row]

    fields = {field.name for field in msgspec.structs.fields(Params)}
    assert {change.field for change in changes if change} == fields - {"text"}
    assert all(len(row) <= 5 for row in rows)
