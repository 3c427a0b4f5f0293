"""What the bot says, whatever people are called."""

from collections.abc import Sequence
from string import Formatter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmbot.api.types import InlineKeyboardMarkup
from gmbot.guard import wording
from gmbot.guard.params import LANGUAGES, Params
from gmbot.guard.wording import CATALOGUES, Answer
from gmbot.guard.wording.catalogue import Catalogue
from gmbot.guard.wording.languages import catalogue_of
from gmbot.sandbox.markup import read_html, utf16_length
from gmbot.storage.records import Channel, Named

LONGEST_TEXT = 4096  # Source: sendMessage
LONGEST_DATA = 64  # bytes. Source: InlineKeyboardButton
MOST_JOINS = 10

awkward = st.sampled_from(
    [
        "🦊" * 64,
        "<b>",
        "</a>",
        "&amp;",
        "\"'" * 64,
        "\u202e\u202d",
        "\u2067x",
        "",
        " ",
        "\u200b\u200d",
        "{people}",
        "{channels}{0}",
        "a" * 128,
        "👩‍👩‍👧" * 20,
    ]
)
names = awkward | st.text(st.characters(exclude_categories=["Cs"]), max_size=128)
persons = st.builds(Named, st.integers(1, 2**52), names, st.booleans())
chats = st.builds(Named, st.integers(-(2**52), -1), names, st.booleans())
people = st.lists(persons | chats, min_size=1, max_size=30)
usernames = st.none() | st.sampled_from(["news", "News_2", "n" * 32])
visible = st.builds(
    Channel, st.integers(-(2**52), -1), names, usernames, st.none() | st.just("https://t.me/+x")
)
hidden = st.builds(Channel, st.just(-7), names, usernames, st.none(), hidden=st.just(True))
channels = st.lists(visible, min_size=1, max_size=10)
mixed = st.tuples(channels, st.lists(hidden, max_size=2)).map(lambda both: both[1] + both[0])
languages = st.sampled_from(LANGUAGES)
own = st.none() | st.lists(
    st.sampled_from(["{people}", "{channels}", "{", "<b>", "Come & join ", "x" * 60, "🦊", "{0}"]),
    min_size=1,
    max_size=30,
).map(lambda parts: "".join(parts)[:500])
every_language = pytest.mark.parametrize("words", CATALOGUES.values(), ids=CATALOGUES)

NEWS = Channel(-1, "News", "news", None)


def shown(said: tuple[str, InlineKeyboardMarkup]) -> str:
    return read_html(said[0])[0]


def labels(markup: InlineKeyboardMarkup) -> list[str]:
    return [button.text for row in markup.inline_keyboard for button in row]


def check_buttons(markup: InlineKeyboardMarkup, asked: Sequence[Channel]) -> None:
    *join, (verify,) = markup.inline_keyboard
    assert verify.callback_data is not None
    assert len(verify.callback_data.encode()) <= LONGEST_DATA
    assert [button.url for (button,) in join] == [
        url for channel in asked if (url := wording.link_to(channel))
    ][:MOST_JOINS]
    assert all(0 < utf16_length(label) <= wording.LONGEST_BUTTON for label in labels(markup))


# Notices


@given(people=people, channels=mixed, language=languages, text=own)
def test_a_notice_can_always_be_sent(
    people: list[Named], channels: list[Channel], language: str, text: str | None
) -> None:
    params = Params(language=language, text=text)
    html, markup = wording.notice(people, channels, params=params)
    said, _ = read_html(html)

    assert 0 < utf16_length(said) <= LONGEST_TEXT
    if all(named.user_id < 0 for named in people):
        assert markup.inline_keyboard == ()
    else:
        check_buttons(markup, [channel for channel in channels if not channel.hidden])


@given(people=people, channels=mixed, language=languages)
def test_a_notice_mentions_the_first_and_counts_the_others(
    people: list[Named], channels: list[Channel], language: str
) -> None:
    html, _ = wording.notice(people, channels, params=Params(language=language))
    said, entities = read_html(html)
    persons = [named.user_id for named in people if named.user_id > 0]
    chats = [named.user_id for named in people if named.user_id < 0]
    asked = [channel for channel in channels if not channel.hidden]

    mentioned = [e["user_id"] for e in entities if e["type"] == "text_mention"]
    assert mentioned == persons[: wording.NAMED]
    in_bold = min(len(chats), wording.NAMED) + (len(asked) + 1 if persons else 0)
    assert len([e for e in entities if e["type"] == "bold"]) == in_bold
    for group in (persons, chats):
        assert str(len(group) - wording.NAMED) in said or len(group) <= wording.NAMED


@pytest.mark.parametrize(
    ("count", "start"),
    [
        (1, "P0, to write here"),
        (2, "P0 and P1, to write"),
        (5, "P0, P1, P2, P3 and P4, to write"),
        (6, "P0, P1, P2, P3, P4 and 1 more, to write"),
        (9, "P0, P1, P2, P3, P4 and 4 more, to write"),
    ],
)
def test_people_are_enumerated(count: int, start: str) -> None:
    named = [Named(n, f"P{n}") for n in range(1, count + 1)]
    named = [msgspec.structs.replace(one, name=f"P{n}") for n, one in enumerate(named)]

    assert shown(wording.notice(named, [NEWS], params=Params())).startswith(start)


def test_who_has_just_joined_is_welcomed() -> None:
    new = [Named(1, "Ann", is_new=True), Named(2, "Bob", is_new=True)]

    assert shown(wording.notice(new, [NEWS], params=Params())) == (
        "Welcome, Ann and Bob! To write here, please join News. "
        "Then press I have joined, and you can write at once."
    )
    mixed = shown(wording.notice([*new, Named(3, "Max")], [NEWS], params=Params()))
    assert mixed.startswith("Ann, Bob and Max, to write here please join News.")


def test_who_writes_as_a_chat_is_asked_to_write_as_themselves() -> None:
    chat = Named(-5, "Shop <24>")
    alone, no_buttons = wording.notice([chat], [NEWS], params=Params(text="Be in {channels}"))
    both, buttons = wording.notice([chat, Named(1, "Ann")], [NEWS], params=Params())

    assert read_html(alone)[0] == (
        "To Shop <24>: please write here as yourselves. "
        "Who writes in the name of a channel or a group cannot be checked."
    )
    assert labels(no_buttons) == []
    assert read_html(both)[0].startswith("Ann, to write here please join News. Then press")
    assert read_html(both)[0].endswith(read_html(alone)[0])
    assert labels(buttons) == ["Join News", "I have joined"]


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("Hi {people}: {channels} & <i>tea</i>", "Hi {channels}: News & <i>tea</i>"),
        ("Join us", "{channels}: Join us"),
        ("{people} {people} {0} {}", "{channels} {channels} {0} {}"),
    ],
)
def test_a_group_can_have_words_of_its_own(own: str, said: str) -> None:
    tricky = [Named(1, "{channels}", is_new=True)]

    assert shown(wording.notice(tricky, [NEWS], params=Params(text=own))) == said


def test_own_words_that_would_grow_too_long_make_place_for_the_usual_ones() -> None:
    crowd = [Named(n, "x" * 64) for n in range(1, 6)]

    said = shown(wording.notice(crowd, [NEWS], params=Params(text="{people}" * 60)))

    assert "to write here please join News" in said


def test_a_hidden_channel_is_not_asked_for() -> None:
    secret = Channel(-2, "Secret", "secret", None, hidden=True)
    html, markup = wording.notice([Named(1, "Ann")], [secret, NEWS], params=Params())

    assert "Secret" not in html
    assert labels(markup) == ["Join News", "I have joined"]


def test_marks_that_turn_the_text_around_are_left_out() -> None:
    channel = Channel(-1, "\u202eswen", None, None)
    text, _ = wording.notice([Named(1, "\u202eevil\u2066")], [channel], params=Params())

    assert not {"\u202e", "\u2066"} & set(text)


def test_whose_name_shows_nothing_is_somebody() -> None:
    blank = Channel(-1, "\u200b", None, "https://t.me/+x")
    html, markup = wording.notice([Named(1, "\u200d \u2060")], [blank], params=Params())

    assert read_html(html)[0].startswith("Somebody, to write here please join the channel.")
    assert labels(markup) == ["Join channel", "I have joined"]


# Answers


@given(channels=channels, language=languages)
def test_an_alert_is_never_too_long(channels: list[Channel], language: str) -> None:
    said = wording.still_missing(channels, language)

    assert 0 < utf16_length(said) <= wording.LONGEST_ANSWER
    said.encode()  # no half of a character


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


# In private

places = st.lists(st.tuples(names, st.lists(visible | hidden, max_size=10)), max_size=20)


@given(groups=places, language=languages)
def test_where_a_person_is_held_can_always_be_said(
    groups: list[tuple[str, list[Channel]]], language: str
) -> None:
    html, markup = wording.held_in(groups, language)

    assert 0 < utf16_length(read_html(html)[0]) <= LONGEST_TEXT
    once = {c.channel_id: c for _title, missing in groups for c in missing if not c.hidden}
    check_buttons(markup, list(once.values()))


def test_each_group_is_told_with_what_is_missing_there() -> None:
    more = Channel(-2, "More", None, "https://t.me/+more")
    html, markup = wording.held_in([("Tea & Co", [NEWS, more]), ("Club", [NEWS]), ("", [])])

    assert read_html(html)[0].split("\n") == [
        "You cannot write everywhere yet. Join what is missing, then press I have joined:",
        "• Tea & Co: please join News and More.",
        "• Club: please join News.",
        "• A group: press the button to be checked again, or ask an admin of the group.",
    ]
    assert labels(markup) == ["Join News", "Join More", "I have joined"]


def test_groups_that_do_not_fit_are_left_to_the_next_time() -> None:
    groups = [(f"Group {n} {'x' * 50}", [NEWS, *TEN]) for n in range(20)]

    text = shown(wording.held_in(groups))

    assert "Group 0" in text
    assert "Group 19" not in text


# Languages


def test_every_language_that_can_be_set_is_spoken() -> None:
    assert tuple(CATALOGUES) == LANGUAGES
    assert len({words.name for words in CATALOGUES.values()}) == len(LANGUAGES)


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("de", "de"),
        ("pt-br", "pt"),
        ("PT_BR", "pt"),
        ("uk", "uk"),
        ("zh-hans", "en"),
        ("", "en"),
        (None, "en"),
        ("deu", "en"),
    ],
)
def test_a_language_is_found_by_its_tag(tag: str | None, code: str) -> None:
    assert catalogue_of(tag) is CATALOGUES[code]


def places_in(template: str) -> list[str]:
    return sorted({name for _, name, _, _ in Formatter().parse(template) if name is not None})


def texts(words: Catalogue) -> dict[str, str]:
    every = {name: text for name, text in _fields(words).items() if isinstance(text, str)}
    return every | {f"answers.{which}": text for which, text in words.answers.items()}


def _fields(words: Catalogue) -> dict[str, Any]:
    return msgspec.structs.asdict(words)


@every_language
def test_every_language_has_the_same_places_in_the_same_texts(words: Catalogue) -> None:
    english = texts(CATALOGUES["en"])

    assert {name: places_in(text) for name, text in texts(words).items()} == {
        name: places_in(text) for name, text in english.items()
    }
    assert set(words.answers) == set(Answer)
    assert all(text.strip() for text in texts(words).values())


@every_language
def test_only_english_speaks_english(words: Catalogue) -> None:
    english = texts(CATALOGUES["en"])
    same = [name for name, text in texts(words).items() if english[name] == text]

    assert same == [] or words.name == "English"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_answer_fits(language: str) -> None:
    for which in Answer:
        said = wording.answer(which, language)
        assert 0 < utf16_length(said) <= wording.LONGEST_ANSWER
        assert "<" not in said


CROWD = [Named(n, "N" * 64) for n in range(1, 300)]
NEW = [msgspec.structs.replace(named, is_new=True) for named in CROWD]
CHATS = [Named(-n, "C" * 64) for n in range(1, 300)]
TEN = [Channel(-n, "T" * 64, f"name{n}", None) for n in range(1, 11)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_html_that_shows_no_place_of_its_template(language: str) -> None:
    params = Params(language=language)
    said = [
        wording.notice(CROWD + CHATS, TEN, params=params)[0],
        wording.notice(NEW, TEN, params=params)[0],
        wording.not_held(language),
        wording.held_in([("G", TEN), ("H", [])], language)[0],
    ]

    for html in said:
        text, _ = read_html(html)
        assert utf16_length(text) <= LONGEST_TEXT
        assert not {"{", "}", "<", ">"} & set(text)


@every_language
def test_whom_a_human_restricted_is_not_told_that_they_are_in(words: Catalogue) -> None:
    is_in = words.answers[Answer.CANNOT_RELEASE].partition(",")[0]

    assert is_in not in words.answers[Answer.HELD_BY_OTHERS]
