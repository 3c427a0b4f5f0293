"""Flood limits, and how a bot's behaviour is counted."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmbot.sandbox.flood import CALLS, MESSAGES, FloodLimits, Limit, kind_of

BOT, GROUP, PERSON = 7, -100, 100


@pytest.mark.parametrize("method", ["sendMessage", "forwardMessages", "copyMessage", "sendPhoto"])
def test_the_twenty_first_message_of_a_minute_in_a_group_is_refused(method: str) -> None:
    limits = FloodLimits()

    answers = [limits.check(BOT, method, GROUP, float(second)) for second in range(21)]

    assert answers == [None] * 20 + [40]


def test_edits_count_like_messages() -> None:
    limits = FloodLimits()
    for second in range(20):
        limits.check(BOT, "editMessageText", GROUP, float(second))

    assert limits.check(BOT, "sendMessage", GROUP, 20.0) == 40


def test_the_thirty_first_message_of_a_second_is_refused_everywhere() -> None:
    limits = FloodLimits()
    for number in range(30):
        assert limits.check(BOT, "sendMessage", -number - 1, 0.0) is None

    assert limits.check(BOT, "sendMessage", -31, 0.5) == 1
    assert limits.check(BOT, "sendMessage", -32, 1.4) == 1
    assert limits.check(BOT, "sendMessage", -32, 1.5) is None


def test_a_private_chat_takes_a_short_burst_and_then_one_a_second() -> None:
    limits = FloodLimits()
    burst = [limits.check(BOT, "sendMessage", PERSON, 0.0) for _ in range(6)]

    assert burst == [None] * 5 + [5]
    slow = FloodLimits()
    assert not any(slow.check(BOT, "sendMessage", PERSON, float(at)) for at in range(100))


def test_a_call_in_spite_of_the_answer_is_a_violation_and_the_answer_stands() -> None:
    limits = FloodLimits(group=Limit(1, 60.0))
    limits.check(BOT, "sendMessage", GROUP, 0.0)
    assert limits.check(BOT, "sendMessage", GROUP, 10.0) == 50

    assert limits.check(BOT, "editMessageText", GROUP, 30.5) == 30

    (violation,) = limits.violations
    assert (violation.method, violation.chat_id, violation.at, violation.until) == (
        "editMessageText",
        GROUP,
        30.5,
        60.0,
    )
    assert limits.check(BOT, "sendMessage", GROUP, 60.0) is None


def test_a_call_that_was_under_way_when_another_was_refused_is_no_violation() -> None:
    limits = FloodLimits(group=Limit(1, 60.0))
    limits.check(BOT, "sendMessage", GROUP, 0.0)
    limits.check(BOT, "sendMessage", GROUP, 10.0)

    assert limits.check(BOT, "sendMessage", GROUP, 10.25) == 50
    assert limits.violations == []
    limits.check(BOT, "sendMessage", GROUP, 10.3)
    assert [violation.at for violation in limits.violations] == [10.3]


def test_a_second_refusal_grants_no_second_grace() -> None:
    limits = FloodLimits()
    limits.refuse(BOT, "sendMessage", GROUP, 5, 0.0)

    limits.refuse(BOT, "sendMessage", GROUP, 60, 2.0)
    limits.check(BOT, "sendMessage", GROUP, 2.1)
    limits.refuse(BOT, "sendMessage", GROUP, 60, 100.0)
    limits.check(BOT, "sendMessage", GROUP, 100.1)

    assert [violation.at for violation in limits.violations] == [2.0, 2.1]


def test_a_refusal_from_elsewhere_counts_as_seen_and_takes_no_room() -> None:
    limits = FloodLimits(group=Limit(1, 60.0))
    limits.refuse(BOT, "sendMessage", GROUP, 1, 0.0)
    limits.refuse(BOT, "answerCallbackQuery", None, 60, 0.0)

    assert limits.check(BOT, "sendMessage", GROUP, 0.5) == 1
    assert limits.check(BOT, "sendMessage", GROUP, 1.0) is None
    assert limits.most_in_window(BOT, GROUP) == 3


def test_a_long_run_keeps_the_first_violations_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gmbot.sandbox.flood.KEPT_VIOLATIONS", 2)
    limits = FloodLimits()
    limits.freeze(BOT, 60, 0.0)

    for at in (1.0, 2.0, 3.0):
        limits.check(BOT, "sendMessage", GROUP, at)

    assert [violation.at for violation in limits.violations] == [1.0, 2.0]


def test_a_freeze_holds_its_kind_of_call_in_its_chat_only() -> None:
    limits = FloodLimits(group=Limit(1, 60.0))
    limits.check(BOT, "sendMessage", GROUP, 0.0)
    limits.check(BOT, "sendMessage", GROUP, 1.0)

    assert limits.check(BOT, "sendMessage", GROUP - 1, 2.0) is None
    assert limits.check(BOT, "deleteMessage", GROUP, 2.0) is None
    assert limits.check(BOT + 1, "sendMessage", GROUP, 2.0) is None
    assert limits.violations == []


def test_other_calls_are_free_until_a_limit_is_set() -> None:
    limits = FloodLimits()
    assert not any(limits.check(BOT, "banChatMember", GROUP, 0.0) for _ in range(500))

    strict = FloodLimits(calls=Limit(3, 1.0), methods={"banChatMember": Limit(2, 30.0)})
    answers = [strict.check(BOT, "banChatMember", GROUP, 0.0) for _ in range(3)]
    assert answers == [None, None, 30]
    assert strict.check(BOT, "getChatMember", GROUP - 1, 0.0) is None
    assert strict.check(BOT, "getChatMember", GROUP - 1, 0.5) == 1


def test_answers_to_presses_and_the_fetching_of_updates_are_never_limited() -> None:
    limits = FloodLimits(calls=Limit(1, 60.0))

    assert not any(limits.check(BOT, "answerCallbackQuery", None, 0.0) for _ in range(9))
    assert kind_of("getUpdates") is None


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("sendChatAction", CALLS),
        ("editChatInviteLink", CALLS),
        ("deleteMessage", CALLS),
        ("editMessageReplyMarkup", MESSAGES),
        ("copyMessages", MESSAGES),
    ],
)
def test_a_call_is_a_message_when_people_see_one(method: str, kind: str) -> None:
    assert kind_of(method) == kind


def test_limits_can_be_switched_off_and_the_windows_are_still_seen() -> None:
    limits = FloodLimits(overall=None, group=None, private=None)
    for number in range(50):
        assert limits.check(BOT, "sendMessage", GROUP, number * 0.125) is None
    limits.check(BOT, "sendMessage", PERSON, 100.0)

    assert limits.most_in_window(BOT, GROUP) == 50
    assert limits.most_in_window(BOT, PERSON) == 1
    assert limits.most_in_any_chat(BOT) == 50
    assert limits.most_in_window(BOT) == 8
    assert limits.most_in_window(BOT + 1) == limits.most_in_any_chat(BOT + 1) == 0


def test_an_id_as_text_is_the_same_chat_and_a_username_is_a_group() -> None:
    limits = FloodLimits(group=Limit(1, 60.0))
    limits.check(BOT, "sendMessage", str(GROUP), 0.0)
    limits.check(BOT, "sendMessage", "@News", 0.0)

    assert limits.check(BOT, "sendMessage", GROUP, 1.0) == 59
    assert limits.check(BOT, "sendMessage", "@news", 1.0) == 59


def test_a_message_to_no_chat_counts_overall() -> None:
    limits = FloodLimits()

    assert limits.check(BOT, "editMessageText", None, 0.0) is None
    assert limits.most_in_window(BOT) == 1


def test_a_refusal_from_elsewhere_freezes_too_and_never_shortens() -> None:
    limits = FloodLimits()
    limits.freeze(BOT, 30, 0.0)
    limits.freeze(BOT, 5, 1.0)

    assert limits.check(BOT, "sendMessage", GROUP, 10.0) == 20
    assert limits.frozen_until(BOT, MESSAGES, PERSON) == 30.0
    assert limits.frozen_until(BOT, CALLS, PERSON) == 0.0


@settings(deadline=None)  # a busy machine is no failure
@given(
    gaps=st.lists(st.floats(0, 20), max_size=60),
    count=st.integers(1, 5),
    seconds=st.floats(1, 60),
    start=st.floats(0, 2e9),
)
def test_no_window_ever_holds_more_than_its_limit_and_waiting_as_told_always_helps(
    gaps: list[float], count: int, seconds: float, start: float
) -> None:
    limits = FloodLimits(group=Limit(count, seconds))
    now, taken = start, []
    for gap in gaps:
        now += gap
        wait = limits.check(BOT, "sendMessage", GROUP, now)
        if wait is not None:
            assert 1 <= wait <= math.ceil(seconds)
            now = limits.frozen_until(BOT, MESSAGES, GROUP)
            assert limits.check(BOT, "sendMessage", GROUP, now) is None
        taken.append(now)

    assert limits.violations == []
    for first in taken:
        assert sum(first <= at < first + seconds - 1e-3 for at in taken) <= count
