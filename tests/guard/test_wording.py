"""What the bot says, whatever people are called."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmbot.guard import wording
from gmbot.sandbox.markup import read_html, utf16_length
from gmbot.storage.records import Channel

LONGEST_TEXT = 4096  # Source: sendMessage
LONGEST_DATA = 64  # bytes. Source: InlineKeyboardButton

awkward = st.sampled_from(
    [
        "🦊" * 64,
        "<b>",
        "</a>",
        "&amp;",
        "\"'",
        "\u202e\u202d",
        "\u2067x",
        "",
        " ",
        "a" * 128,
        "👩‍👩‍👧" * 20,
    ]
)
names = awkward | st.text(st.characters(exclude_categories=["Cs"]), max_size=128)
people = st.lists(st.tuples(st.integers(1, 2**52), names), min_size=1, max_size=300)
usernames = st.none() | st.from_regex(r"[A-Za-z][A-Za-z0-9_]{3,31}", fullmatch=True)
channels = st.lists(
    st.builds(
        Channel, st.integers(-(2**52), -1), names, usernames, st.none() | st.just("https://t.me/+x")
    ),
    min_size=1,
    max_size=10,
)


@given(people=people, channels=channels)
def test_a_notice_can_always_be_sent(
    people: list[tuple[int, str]], channels: list[Channel]
) -> None:
    text, markup = wording.notice(people, channels)
    shown, entities = read_html(text)

    assert 0 < utf16_length(shown) <= LONGEST_TEXT
    mentioned = [e["user_id"] for e in entities if e["type"] == "text_mention"]
    assert mentioned == [user_id for user_id, _name in people[: wording.NAMED]]
    assert len([e for e in entities if e["type"] == "bold"]) == len(channels) + 1
    assert (f"and {len(people) - wording.NAMED} more" in shown) or len(people) <= wording.NAMED
    *join, (verify,) = markup.inline_keyboard
    assert verify.callback_data is not None
    assert len(verify.callback_data.encode()) <= LONGEST_DATA
    assert [button.url for (button,) in join] == [
        url for channel in channels if (url := wording.link_to(channel))
    ]
    assert all(0 < utf16_length(button.text) <= 150 for (button,) in join)


@given(channels=channels)
def test_an_answer_is_never_too_long(channels: list[Channel]) -> None:
    said = wording.still_missing(channels)

    assert 0 < utf16_length(said) <= 200
    said.encode()  # no half of a character


@given(channels=channels)
def test_what_a_group_wants_can_always_be_said(channels: list[Channel]) -> None:
    shown, entities = read_html(wording.protected(channels))

    assert utf16_length(shown) <= LONGEST_TEXT
    assert len(entities) == len(channels)


@pytest.mark.parametrize(
    "text",
    [
        wording.RELEASED,
        wording.NOT_HELD,
        wording.HELD_BY_OTHERS,
        wording.CANNOT_CHECK,
        wording.CANNOT_RELEASE,
        wording.TOO_SOON,
        wording.STALE,
    ],
)
def test_every_answer_fits(text: str) -> None:
    assert 0 < len(text) <= 200


@pytest.mark.parametrize(
    ("count", "start"),
    [
        (1, "P0, to write"),
        (2, "P0 and P1, to write"),
        (5, "P0, P1, P2, P3 and P4, to write"),
        (6, "P0, P1, P2, P3, P4 and 1 more, to write"),
    ],
)
def test_people_are_enumerated(count: int, start: str) -> None:
    channel = Channel(-1, "News", "news", None)
    text, _ = wording.notice([(n, f"P{n}") for n in range(count)], [channel])

    assert read_html(text)[0].startswith(start)


@pytest.mark.parametrize(
    ("channel", "url"),
    [
        (Channel(-1, "News", "news", "https://t.me/+old"), "https://t.me/news"),
        (Channel(-1, "News", None, "https://t.me/+old"), "https://t.me/+old"),
        (Channel(-1, "News", None, None), None),
    ],
)
def test_a_channel_is_joined_by_its_name_else_by_its_link(channel: Any, url: str | None) -> None:
    assert wording.link_to(channel) == url


@pytest.mark.parametrize(
    ("channel", "said"),
    [
        (Channel(-1, "", "news", None), "You are not yet in @news. Join first."),
        (Channel(-1, "\u202e", None, None), "You are not yet in the channel. Join first."),
        (Channel(-1, "A\n <b>", None, None), "You are not yet in A <b>. Join first."),
        (Channel(-1, "x" * 65, None, None), f"You are not yet in {'x' * 63}…. Join first."),
    ],
)
def test_a_title_is_said_plainly(channel: Channel, said: str) -> None:
    assert wording.still_missing([channel]) == said


def test_marks_that_turn_the_text_around_are_left_out() -> None:
    text, _ = wording.notice([(1, "\u202eevil\u2066")], [Channel(-1, "\u202eswen", None, None)])

    assert not {"\u202e", "\u2066"} & set(text)
