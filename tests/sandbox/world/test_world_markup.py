"""HTML as Telegram reads it, and what it finds in texts by itself."""

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmbot.sandbox import errors
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.markup import read_html, utf16_length
from gmbot.sandbox.texts import read, with_found


def entity(kind: str, offset: int, length: int, **more: Any) -> dict[str, Any]:
    return {"type": kind, "offset": offset, "length": length, **more}


@pytest.mark.parametrize(
    ("source", "shown", "entities"),
    [
        ("plain", "plain", []),
        ("a &lt;b&gt; &amp;&quot; &#65;&#x42; &nope; & x", 'a <b> &" AB &nope; & x', []),
        ("&#0;&#xD800;&#x110000;", "&#0;&#xD800;&#x110000;", []),
        ("🦊<i>🦊 x</i>", "🦊🦊 x", [entity("italic", 2, 4)]),
        ("<b>a<i>b</i></b>", "ab", [entity("italic", 1, 1), entity("bold", 0, 2)]),
        ("<B>a</> <del>b</del>", "a b", [entity("bold", 0, 1), entity("strikethrough", 2, 1)]),
        ("<b></b>x", "x", []),
        (
            "<a href='https://x.example/?a=1&amp;b'>x</a>",
            "x",
            [entity("text_link", 0, 1, url="https://x.example/?a=1&b")],
        ),
        ("<a>x.example</a>", "x.example", [entity("text_link", 0, 9, url="x.example")]),
        ('<a href="no address">x</a>', "x", []),
        ("<a href='tg://user?id=5'>x</a>", "x", [entity("text_mention", 0, 1, user_id=5)]),
        ("<span class=tg-spoiler>x</span>", "x", [entity("spoiler", 0, 1)]),
        (
            "<tg-emoji emoji-id='5'>🦊</tg-emoji>",
            "🦊",
            [entity("custom_emoji", 0, 2, custom_emoji_id="5")],
        ),
        ("<blockquote>x</blockquote>", "x", [entity("blockquote", 0, 1)]),
        ("<blockquote expandable>x</blockquote>", "x", [entity("expandable_blockquote", 0, 1)]),
        ("<pre>x</pre>", "x", [entity("pre", 0, 1)]),
        ("<pre><code>x</code></pre>", "x", [entity("pre", 0, 1)]),
        (
            '<pre><code class="language-python">x</code></pre>',
            "x",
            [entity("pre", 0, 1, language="python")],
        ),
        ('<code class="language-python">x</code>', "x", [entity("code", 0, 1)]),
        ('<b data-x="1" >x</b >', "x", [entity("bold", 0, 1)]),
    ],
)
def test_markup_becomes_entities(source: str, shown: str, entities: list[dict[str, Any]]) -> None:
    assert read_html(source) == (shown, entities)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("🦊<abac>", 'Unsupported start tag "abac" at byte offset 4'),
        ("<", "Unclosed start tag at byte offset 0"),
        ("🦊<b", "Unclosed start tag at byte offset 4"),
        ("<b>x", 'Can\'t find end tag corresponding to start tag "b"'),
        ("<i =a>", 'Empty attribute name in the tag "i" at byte offset 0'),
        ("<i a = ", 'Unclosed start tag "i" at byte offset 0'),
        ("<i a", 'Unclosed start tag "i" at byte offset 0'),
        ("<i a = 190azAz-.,", "Unexpected end of name token at byte offset 7"),
        ("<i a = 19", "Unexpected end of name token at byte offset 7"),
        ("<i a='&lt;", 'Unclosed start tag "i" at byte offset 0'),
        ("</b>", "Unexpected end tag at byte offset 0"),
        ("<i>a</i  ", "Unclosed end tag at byte offset 4"),
        ("<i>a</i x>", "Unclosed end tag at byte offset 4"),
        ("<i>a</em>", 'Unmatched end tag at byte offset 4, expected "</i>", found "</em>"'),
        ("<span>x</span>", 'Tag "span" must have class "tg-spoiler" at byte offset 0'),
    ],
)
def test_bad_markup_is_refused_with_the_place(source: str, reason: str) -> None:
    with pytest.raises(TelegramError) as caught:
        read_html(source)

    assert caught.value.description == f"Bad Request: can't parse entities: {reason}"


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_an_escaped_text_is_shown_as_it_was(text: str) -> None:
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

    assert read_html(escaped) == (text, [])
    assert read_html(f"<b>{escaped}</b>")[0] == text


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(st.sampled_from("<>/&;=ab \"'🦊#x1"), max_size=30))
def test_any_markup_is_read_or_refused(source: str) -> None:
    with contextlib.suppress(TelegramError):
        shown, entities = read_html(source)
        for found in entities:
            assert 0 <= found["offset"] < found["offset"] + found["length"] <= utf16_length(shown)


def test_blanks_at_both_ends_go_and_entities_move_along() -> None:
    shown, entities = read(
        " <b> x</b> <i> </i>", "HTML", longest=9, too_long=errors.MESSAGE_TOO_LONG
    )

    assert shown == "x"
    assert entities == [entity("bold", 0, 1)]


def test_nothing_is_found_inside_of_code_and_links() -> None:
    shown, entities = read(
        "<code>/start</code> /help x/y <a href='https://x.example'>@someone</a>",
        "HTML",
        longest=99,
        too_long=errors.MESSAGE_TOO_LONG,
    )

    assert shown == "/start /help x/y @someone"
    assert [found["type"] for found in entities] == ["code", "bot_command", "text_link"]


def test_bold_commands_are_still_commands() -> None:
    found = with_found("/help", [entity("bold", 0, 5)])

    assert [item["type"] for item in found] == ["bold", "bot_command"]
