"""Reading commands: whatever people write."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmbot.flows.commands import (
    ChannelNotNamed,
    Command,
    parse_channel,
    parse_channels,
    parse_command,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/protect @news", Command("protect", ("@news",))),
        ("/protect@guard_bot @news", Command("protect", ("@news",))),
        ("/PROTECT@Guard_Bot\n@news  @more ", Command("protect", ("@news", "@more"))),
        ("/protect", Command("protect", ())),
        ("/protect ", Command("protect", ())),
        ("/other x", Command("other", ("x",))),
        ("/protect@other_bot @news", None),
        ("/protect@ @news", None),
        ("/protect@guard_bot@guard_bot", None),
        (" /protect @news", None),
        ("protect @news", None),
        ("//protect", None),
        ("/protect-it", None),
        ("/", None),
        ("", None),
        (None, None),
        ("/" + "a" * 33, None),
        ("/защита @news", None),
    ],
)
def test_a_command_is_read(text: str | None, expected: Command | None) -> None:
    assert parse_command(text, "guard_bot") == expected


def test_a_bot_without_a_name_takes_only_what_names_nobody() -> None:
    assert parse_command("/protect", None) is not None
    assert parse_command("/protect@somebody", None) is None


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("@news", "@news"),
        ("@N_9s", "@N_9s"),
        ("@" + "a" * 32, "@" + "a" * 32),
        ("https://t.me/news", "@news"),
        ("http://www.t.me/news/", "@news"),
        ("t.me/news/12", "@news"),
        ("T.ME/s/news?before=12", "@news"),
        ("telegram.me/news", "@news"),
        ("https://t.me/c/1234567890/15", -1001234567890),
        ("t.me/c/1234567890", -1001234567890),
        ("-1001234567890", -1001234567890),
    ],
)
def test_a_channel_is_named_in_these_ways(word: str, expected: int | str) -> None:
    assert parse_channel(word) == expected


@pytest.mark.parametrize(
    "word",
    [
        "news",
        "@",
        "@abc",
        "@9news",
        "@" + "a" * 33,
        "@news!",
        "@news\n",
        "@новости",
        "@\u017ftop",  # a long s, which is an s where case is ignored
        "-100",
        "-100" + "\u0661" * 10,  # Arabic digits
        "-10012345678901234567",
        "-1234567890",
        "1234567890",
        "https://example.org/news",
        "https://t.me/",
        "https://t.me/c/12a",
        "https://t.me.example.org/news",
        "<b>",
        "\ud83d",
        "",
    ],
)
def test_these_name_no_channel(word: str) -> None:
    with pytest.raises(ChannelNotNamed) as caught:
        parse_channel(word)

    assert not caught.value.invite


@pytest.mark.parametrize(
    "word",
    ["https://t.me/+AbC-d_9", "t.me/joinchat/AAAA", "t.me/joinchat/123456", "telegram.me/+x"],
)
def test_an_invite_link_is_told_apart(word: str) -> None:
    with pytest.raises(ChannelNotNamed) as caught:
        parse_channel(word)

    assert caught.value.invite


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), ()),
        ((",", ",,"), ()),
        (("@news", "-1001234567890"), ("@news", -1001234567890)),
        (("@news,@more,", ",t.me/c/1234567890/2"), ("@news", "@more", -1001234567890)),
        (("@News", "t.me/nEWS/12", "@news"), ("@News",)),
        (("-1001234567890", "t.me/c/1234567890/2"), (-1001234567890,)),
    ],
)
def test_channels_are_named_in_any_mix_and_each_counts_once(
    words: tuple[str, ...], expected: tuple[int | str, ...]
) -> None:
    assert parse_channels(words) == expected


def test_the_first_word_that_names_no_channel_is_told() -> None:
    with pytest.raises(ChannelNotNamed) as caught:
        parse_channels(["@news", "@more,junk", "rubbish"])

    assert caught.value.word == "junk"


@given(st.text(max_size=200))
def test_whatever_is_a_channel_can_be_asked_for(word: str) -> None:
    try:
        named = parse_channel(word)
    except ChannelNotNamed:
        return

    if isinstance(named, int):
        assert -(10**16) < named < -(10**12) or str(named).startswith("-100")
    else:
        assert named.startswith("@")
        assert named[1:].isascii()
        assert named[1:].isidentifier()


@given(st.text(max_size=100).map(lambda rest: f"/protect{rest}") | st.text(max_size=100))
def test_whatever_is_a_command_has_a_plain_name_and_words(text: str) -> None:
    command = parse_command(text, "guard_bot")

    if command is not None:
        assert command.name.isascii()
        assert command.name == command.name.lower()
        assert all(word.split() == [word] for word in command.words)


@pytest.mark.parametrize(
    "text",
    [
        "/protect" + " " * 4096,
        "/protect " + "a " * 2048 + "\0",
        "/" + "a@" * 2048,
        "/protect@" + "a" * 4096 + "!",
        "/protect" + "\n\t\u2003" * 1365 + "x",
    ],
)
def test_no_text_takes_long_to_read(text: str) -> None:
    began = time.perf_counter()
    for _ in range(20):
        parse_command(text, "guard_bot")

    assert time.perf_counter() - began < 1.0


@pytest.mark.parametrize(
    "word",
    ["t.me/" * 800, "t.me/+" + "a" * 4000 + " ", "@" + "a" * 4000, "t.me/news?" + "?" * 4000 + " "],
)
def test_no_word_takes_long_to_read(word: str) -> None:
    began = time.perf_counter()
    for _ in range(20):
        with pytest.raises(ChannelNotNamed):
            parse_channel(word)

    assert time.perf_counter() - began < 1.0
