"""/settings: the panel, its buttons, and a group's own words."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gmbot.flows.settings import NOT_PROTECTED, SAVED, SET_ALREADY
from gmbot.guard.params import Params
from gmbot.sandbox.chats import Message
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.faults import Fault
from gmbot.sandbox.people import Person
from tests.guard.town import Town, last_update, pressed, settle

NO_ADMIN = "Only admins of this group who may ban users can change this."
STALE = "This button is no longer in use."


async def ask(town: Town, person: Person | None = None) -> Message:
    """Let somebody ask for the panel, and return it."""
    (person or town.anna).command(town.group, "/settings")
    await settle()
    return panel(town)


def panel(town: Town) -> Message:
    return [m for m in town.group.visible() if m.text.startswith("Settings of")][-1]


def params(town: Town) -> Params:
    policy = town.bot.guard.policies.get(town.group.id)
    assert policy is not None
    return policy.params


def ticked(message: Message) -> list[str]:
    return [b["text"] for b in message.buttons() if b["text"].startswith("✓")]


async def test_an_admin_is_shown_what_is_set(autojump_clock: MockClock, town: Town) -> None:
    await town.storage.set_params(town.group.id, {"warnings": 2, "language": "de"})
    message = await ask(town, town.mia)

    assert "1. A notice stands for: 5 min" in message.text
    assert ticked(message) == [
        "✓ 5 min",
        "✓ ⚠ 2",
        "✓ Added: checked",
        "✓ Asked: not enough",
        "✓ Deutsch",
    ]


@pytest.mark.parametrize(
    ("button", "expected"),
    [
        ("60 min", Params(notice_seconds=3600)),
        ("⚠ 3", Params(warnings=3)),
        ("Added: trusted", Params(trust_added=True)),
        ("Asked: enough", Params(requests_count=True)),
        ("Русский", Params(language="ru")),
    ],
)
async def test_a_press_sets_what_the_button_says_and_the_panel_follows(
    autojump_clock: MockClock, town: Town, button: str, expected: Params
) -> None:
    message = await ask(town)
    press = await pressed(town.anna, message, button)

    assert press.text == SAVED
    assert not press.show_alert
    assert params(town) == expected
    assert f"✓ {button}" in ticked(message)
    assert len(ticked(message)) == 5


async def test_what_is_set_already_is_only_answered(autojump_clock: MockClock, town: Town) -> None:
    message = await ask(town)
    edits, written = town.count("editMessageText"), town.timeline.count("set_params")
    press = await pressed(town.anna, message, "✓ 5 min")

    assert press.text == SET_ALREADY
    assert town.count("editMessageText") == edits
    assert town.timeline.count("set_params") == written


async def test_presses_add_up_and_keep_the_own_words(autojump_clock: MockClock, town: Town) -> None:
    town.anna.command(town.group, "/settings text Welcome")
    await settle()
    message = await ask(town)
    for button in ("⚠ 5", "1 min", "Added: trusted"):
        assert (await pressed(town.anna, message, button)).text == SAVED
    await pressed(town.anna, message, "Added: checked")

    assert params(town) == Params(notice_seconds=60, warnings=5, text="Welcome")


async def test_what_was_set_outlives_a_restart_and_so_does_the_panel(
    autojump_clock: MockClock, town: Town
) -> None:
    message = await ask(town)
    await pressed(town.anna, message, "⚠ 1")
    await town.restart()
    await settle()
    press = await pressed(town.anna, message, "15 min")

    assert press.text == SAVED
    assert params(town) == Params(notice_seconds=900, warnings=1)


async def test_each_group_has_settings_of_its_own(autojump_clock: MockClock, town: Town) -> None:
    other = town.world.supergroup("Other", creator=town.anna, admins=[town.telegram.bot])
    await town.protect(town.storage, other)
    await town.bot.guard.policies.load()
    message = await ask(town)
    await pressed(town.anna, message, "⚠ 3")

    policy = town.bot.guard.policies.get(other.id)
    assert policy is not None
    assert policy.params == Params()


async def test_a_notice_stands_as_long_as_was_set_and_speaks_the_language(
    autojump_clock: MockClock, town: Town
) -> None:
    message = await ask(town)
    await pressed(town.anna, message, "1 min")
    await pressed(town.anna, message, "Deutsch")
    town.sue.write(town.group, "Buy!")
    await settle()
    (notice,) = (m for m in town.notices() if m is not message)

    assert "bitte erst beitreten: News 0" in notice.text
    await trio.sleep(65)
    assert notice.deleted


# Who may


async def test_a_press_of_a_member_is_answered_and_costs_the_group_nothing(
    autojump_clock: MockClock, town: Town
) -> None:
    message = await ask(town)
    messages, edits = len(town.group.visible()), town.count("editMessageText")
    press = await pressed(town.max, message, "⚠ 3")

    assert press.text == NO_ADMIN
    assert params(town) == Params()
    assert (len(town.group.visible()), town.count("editMessageText")) == (messages, edits)


async def test_many_presses_of_a_member_cost_one_look_up_in_three_seconds(
    autojump_clock: MockClock, town: Town
) -> None:
    message = await ask(town)
    before = town.count("getChatMember")
    texts = [(await pressed(town.max, message, "⚠ 3")).text for _ in range(5)]
    await trio.sleep(4)
    later = await pressed(town.max, message, "⚠ 3")

    assert texts[0] == NO_ADMIN
    assert {text.split(":")[0] for text in texts[1:]} == {"One moment, please"}
    assert later.text == NO_ADMIN
    assert town.count("getChatMember") == before + 2


async def test_an_admin_who_may_not_restrict_changes_nothing(
    autojump_clock: MockClock, town: Town
) -> None:
    message = await ask(town)
    town.anna.promote(town.group, town.mia, can_pin_messages=True)
    await settle()
    press = await pressed(town.mia, message, "⚠ 3")

    assert press.text == NO_ADMIN
    assert params(town) == Params()


async def test_whoever_was_an_admin_a_moment_ago_is_one_no_more(
    autojump_clock: MockClock, town: Town
) -> None:
    message = await ask(town)
    assert (await pressed(town.mia, message, "⚠ 3")).text == SAVED
    town.anna.demote(town.group, town.mia)
    await trio.sleep(4)
    press = await pressed(town.mia, message, "⚠ 1")

    assert press.text == NO_ADMIN
    assert params(town).warnings == 3


async def test_an_anonymous_admin_asks_as_the_group_and_presses_as_themselves(
    autojump_clock: MockClock, town: Town
) -> None:
    town.mia.be_anonymous(town.group)
    town.mia.write_anonymously(town.group, "/settings")
    await settle()
    press = await pressed(town.mia, panel(town), "⚠ 2")

    assert press.text == SAVED
    assert params(town).warnings == 2


async def test_the_command_is_for_admins_in_their_groups(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    town.anna.promote(town.group, town.mia, can_pin_messages=True)
    town.max.command(town.group, "/settings")
    town.mia.command(town.group, "/settings text Hello")
    town.anna.command(town.telegram.bot, "/settings")
    await settle()

    refused = [e["reason"] for e in logs if e["event"] == "command_refused"]
    assert sorted(refused) == ["no_admin", "no_group", "no_right"]
    assert params(town) == Params()


async def test_a_refused_look_at_the_presser_changes_nothing(
    autojump_clock: MockClock, town: Town
) -> None:
    message = await ask(town)
    hidden = Fault.error(TelegramError(400, "Bad Request: CHAT_ADMIN_REQUIRED"))
    town.telegram.faults.add(hidden, method="getChatMember", chat=town.group.id)
    press = await pressed(town.anna, message, "⚠ 3")

    assert press.text == "This can't be checked right now. Please press again in a minute."
    assert params(town) == Params()


# Groups without settings


@pytest.mark.parametrize("town_options", [{"protected": False}], ids=["not protected"])
async def test_where_nothing_is_protected_there_is_nothing_to_set(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.command(town.group, "/settings")
    town.anna.command(town.group, "/settings text Hello")
    await settle()

    assert town.said() == [NOT_PROTECTED, NOT_PROTECTED]


async def test_a_panel_of_a_group_that_is_not_known_any_more_says_so(
    autojump_clock: MockClock, town: Town
) -> None:
    message = await ask(town)
    town.storage.db.execute("DELETE FROM group_channel_links")
    town.storage.db.execute("DELETE FROM protected_groups")
    press = await pressed(town.anna, message, "⚠ 3")

    assert press.text == NOT_PROTECTED


# Stale and forged


@pytest.mark.parametrize("data", ["set:", "set:warnings:4", "set:text:x", "set:warnings:1:1"])
async def test_forged_data_are_answered_and_harmless(
    autojump_clock: MockClock, town: Town, data: str
) -> None:
    message = await ask(town)
    press = town.anna.press_data(message, data)
    await settle()

    assert press.text == STALE
    assert params(town) == Params()


async def test_a_forged_press_leaves_other_messages_of_the_bot_alone(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.write(town.group, "Buy!")
    await settle()
    said = town.notice.text
    press = town.anna.press_data(town.notice, "set:warnings:3")
    await settle()

    assert press.text == STALE
    assert town.notice.text == said
    assert params(town) == Params()


async def test_a_press_in_private_is_answered_and_harmless(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.command(town.telegram.bot, "/start")
    await settle()
    private = town.world.private(town.telegram.bot, town.anna)
    press = town.anna.press_data(private.visible()[-1], "set:warnings:3")
    await settle()

    assert press.text == STALE


async def test_a_press_that_comes_again_changes_nothing(
    autojump_clock: MockClock, town: Town
) -> None:
    message = await ask(town)
    press = town.anna.press(message, "⚠ 3")
    again = last_update(town.telegram)
    await settle()
    assert press.text == SAVED
    said = message.text
    edits = town.count("editMessageText")
    await town.bot.dispatch.accept(again, lambda: None)
    await trio.sleep(5)

    assert town.count("editMessageText") == edits + 1  # it may have been cut off before this
    assert params(town) == Params(warnings=3)
    assert message.text == said


async def test_a_panel_that_was_not_brought_up_to_date_is_by_the_next_press(
    autojump_clock: MockClock, town: Town
) -> None:
    first = await ask(town)
    second = await ask(town, town.mia)
    assert second is not first
    await pressed(town.mia, second, "⚠ 3")
    assert "⚠ 3" not in ticked(first)
    press = await pressed(town.anna, first, "⚠ 3")

    assert press.text == SET_ALREADY
    assert "✓ ⚠ 3" in ticked(first)


async def test_a_panel_that_is_gone_stops_no_press(autojump_clock: MockClock, town: Town) -> None:
    message = await ask(town)
    gone = Fault.error(TelegramError(400, "Bad Request: message to edit not found"))
    town.telegram.faults.add(gone, method="editMessageText")
    press = await pressed(town.anna, message, "⚠ 3")

    assert press.text == SAVED
    assert params(town).warnings == 3


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [
        pytest.param(Fault.flood(7), 30, id="told to wait"),
        pytest.param(Fault.lost(), 30, id="the network fails"),
    ],
)
async def test_a_press_that_is_cut_off_between_its_steps_is_finished_later(
    autojump_clock: MockClock, town: Town, fault: Fault, seconds: float
) -> None:
    message = await ask(town)
    town.telegram.faults.add(fault, method="editMessageText", times=3)
    await pressed(town.anna, message, "⚠ 3")
    await trio.sleep(seconds * 10)

    assert params(town).warnings == 3
    assert "✓ ⚠ 3" in ticked(message)


async def test_a_refusal_that_says_nothing_about_the_press_ends_nothing(
    autojump_clock: MockClock, town: Town
) -> None:
    message = await ask(town)
    unauthorized = Fault.error(TelegramError(401, "Unauthorized"))
    town.telegram.faults.add(unauthorized, method="editMessageText", times=1)
    await pressed(town.anna, message, "⚠ 3")
    await trio.sleep(60)

    assert params(town).warnings == 3
    assert "✓ ⚠ 3" in ticked(message)


async def test_whose_standing_could_not_be_looked_at_is_asked_to_press_again(
    autojump_clock: MockClock, town: Town
) -> None:
    message = await ask(town)
    await trio.sleep(70)  # who has asked for the panel is known as an admin for a minute
    unauthorized = Fault.error(TelegramError(401, "Unauthorized"))
    town.telegram.faults.add(unauthorized, method="getChatMember", times=1)
    press = await pressed(town.anna, message, "⚠ 3")
    await trio.sleep(60)

    assert press.text == "One moment, please: press again in a few seconds."
    assert (await pressed(town.anna, message, "⚠ 3")).text == SAVED


# Own words


async def test_a_group_can_have_words_of_its_own(autojump_clock: MockClock, town: Town) -> None:
    town.anna.command(town.group, "/settings TEXT  Hi {people}!\n\nBe in {channels}  & <b>fun</b> ")
    await settle()
    assert params(town).text == "Hi {people}!\n\nBe in {channels}  & <b>fun</b>"
    assert town.said()[0].endswith("\n\nHi {people}!\n\nBe in {channels}  & <b>fun</b>")

    town.sue.write(town.group, "Buy!")
    await settle()

    assert town.notice.text == "Hi Sue!\n\nBe in News 0  & <b>fun</b>"


async def test_own_words_can_be_taken_away(autojump_clock: MockClock, town: Town) -> None:
    await town.storage.set_params(town.group.id, {"text": "Hi", "warnings": 1})
    town.anna.command(town.group, "/settings text")
    await settle()

    assert params(town) == Params(warnings=1)
    assert town.said() == ["Notices in this group will use my own words from now on."]


@pytest.mark.parametrize("length", [501, 3000])
async def test_words_that_are_too_long_are_not_taken(
    autojump_clock: MockClock, town: Town, length: int
) -> None:
    town.anna.command(town.group, "/settings text Short")
    town.anna.command(town.group, f"/settings text {'x' * length}")
    await settle()

    assert params(town).text == "Short"
    assert town.said()[1].startswith("These words are too long")


async def test_the_same_words_again_are_not_written_again(
    autojump_clock: MockClock, town: Town
) -> None:
    for _ in range(2):
        town.anna.command(town.group, "/settings text Same")
        await settle()

    assert town.timeline.count("set_params") == 1


async def test_what_was_set_is_logged(autojump_clock: MockClock, town: Town, logs: Any) -> None:
    await pressed(town.anna, await ask(town), "⚠ 3")

    (entry,) = (e for e in logs if e["event"] == "settings_changed")
    assert entry["group_id"] == town.group.id
    assert entry["params"] == {"warnings": 3}


async def test_who_has_asked_to_be_let_in_is_released_when_that_counts(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.write(town.group, "Buy!")
    await settle()
    await town.bot.guard.requests.note(town.channel.id, town.sue.id)
    message = await ask(town)
    await pressed(town.anna, message, "Asked: enough")
    await trio.sleep(20)

    assert not town.is_muted(town.sue)
