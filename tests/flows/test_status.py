"""/status."""

from datetime import UTC, datetime
from html import unescape

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from trio.testing import MockClock

from gmbot.flows.status import NAMED, people_in, shown, since
from gmbot.guard.params import Params
from gmbot.guard.wording import LONGEST_MESSAGE as LONGEST
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.faults import Fault
from gmbot.storage.records import Channel, Group, Owner, Restriction, RestrictionState
from tests.guard.town import Town, last_update, settle

DAY = 24 * 3600
THEN = datetime(2026, 3, 1, 14, 5, 59, tzinfo=UTC).timestamp()


async def ask(town: Town) -> str:
    """What Mia is told."""
    town.mia.command(town.group, "/status")
    await settle()
    return town.said()[-1]


async def test_all_is_well(autojump_clock: MockClock, town: Town) -> None:
    assert await ask(town) == (
        "This group is protected.\n"
        "I have the rights I need here.\n"
        "\n"
        "Channels\n"
        "• News 0 (@news_0): I see who is in.\n"
        "\n"
        "Nobody is muted by me here."
    )


async def test_it_is_said_once_for_any_number_of_deliveries(
    autojump_clock: MockClock, town: Town
) -> None:
    town.mia.command(town.group, "/status")
    again = last_update(town.telegram)
    await settle()
    await town.bot.dispatch.accept(again, lambda: None)
    await settle()

    assert len(town.said()) == 1


# Who may ask


async def test_members_are_refused_once_a_minute(autojump_clock: MockClock, town: Town) -> None:
    for _ in range(3):
        town.max.command(town.group, "/status")
        await settle()

    assert town.said() == ["Only admins of this group can do this."]


@pytest.mark.parametrize("command", ["status", "protect @news_0", "recheck", "settings", "help"])
async def test_who_is_no_admin_costs_at_most_one_look_up_in_three_seconds(
    autojump_clock: MockClock, town: Town, command: str
) -> None:
    town.max.write(town.group, "I am in")
    await settle()
    asked = town.count("getChatMember")
    for _ in range(20):
        town.max.command(town.group, f"/{command}")
        await settle()
    assert town.count("getChatMember") == asked + 1
    await trio.sleep(3)
    for _ in range(20):
        town.max.command(town.group, f"/{command}")
        await settle()

    assert town.count("getChatMember") == asked + 2


async def test_somebody_who_cannot_be_looked_up_is_not_asked_about_again_at_once(
    autojump_clock: MockClock, town: Town
) -> None:
    town.max.write(town.group, "I am in")
    await settle()
    town.anna.demote(town.group, town.telegram.bot)
    town.group.hidden_members = True
    await trio.sleep(3)
    asked = town.count("getChatMember")
    for _ in range(20):
        town.max.command(town.group, "/status")
        await settle()

    assert town.count("getChatMember") == asked + 2  # of Max, and of the bot itself


async def test_who_was_just_refused_and_is_made_an_admin_is_heard_at_once(
    autojump_clock: MockClock, town: Town
) -> None:
    town.max.command(town.group, "/status")
    await settle()
    town.anna.promote(town.group, town.max, can_restrict_members=True)
    town.max.command(town.group, "/status")
    await settle()

    assert town.said()[-1].startswith("This group is protected.")


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(Fault.status(502), id="away"),
        pytest.param(Fault.error(TelegramError(401, "Unauthorized")), id="unauthorized"),
    ],
)
async def test_an_admins_commands_are_all_heard_also_after_a_look_up_that_failed(
    autojump_clock: MockClock, town: Town, failure: Fault
) -> None:
    fault = town.telegram.faults.add(failure, method="getChatMember", chat=town.group.id)
    town.mia.command(town.group, "/status")
    await trio.sleep(1)
    town.telegram.faults.remove(fault)
    town.mia.command(town.group, "/status")
    await trio.sleep(60)

    assert [said.splitlines()[0] for said in town.said()] == ["This group is protected."] * 2


async def test_an_admin_needs_the_right_to_restrict(autojump_clock: MockClock, town: Town) -> None:
    town.anna.promote(town.group, town.mia, can_pin_messages=True)

    assert await ask(town) == "You need the admin right “Ban users” in this group to do this."


async def test_an_anonymous_admin_may_ask(autojump_clock: MockClock, town: Town) -> None:
    town.anna.promote(town.group, town.mia, can_restrict_members=True, is_anonymous=True)
    town.mia.write_anonymously(town.group, "/status")
    await settle()

    assert town.said()[0].startswith("This group is protected.")


async def test_it_is_about_a_group(autojump_clock: MockClock, town: Town) -> None:
    town.sue.command(town.telegram.bot, "/status")
    await settle()
    chat = town.world.private(town.telegram.bot, town.sue)

    assert chat.visible()[-1].text == "Please write this in the group that it is about."


# Whether it is protected


@pytest.mark.parametrize("town_options", [{"protected": False}], ids=["never was"])
async def test_in_a_group_that_is_not_protected_it_says_how(
    autojump_clock: MockClock, town: Town
) -> None:
    text = await ask(town)

    assert text.startswith("This group is not protected. ")
    assert "write /protect @channel" in text
    assert "I have the rights I need here." in text


async def test_what_waits_for_a_supergroup_is_told(autojump_clock: MockClock, town: Town) -> None:
    basic = town.world.basic_group("Basic", creator=town.anna, members=[town.telegram.bot])
    town.anna.command(basic, "/protect@guard_bot @news_0")
    await settle()
    town.anna.command(basic, "/status@guard_bot")
    await settle()

    assert basic.visible()[-1].text.startswith("This group is not protected yet.")


async def test_where_no_channel_is_left_it_says_so_too(
    autojump_clock: MockClock, town: Town
) -> None:
    town.mia.command(town.group, "/unprotect")
    await settle()

    text = await ask(town)
    assert text.startswith("This group is not protected. ")
    assert "Channels" not in text


async def test_where_acting_has_stopped_it_says_what_for(
    autojump_clock: MockClock, town: Town
) -> None:
    await town.bot.guard.policies.set_enabled(town.group.id, enabled=False)
    town.anna.promote(town.group, town.telegram.bot, can_delete_messages=True)
    text = await ask(town)

    assert text.startswith("Protection has stopped. ")
    assert "What I lack here as an admin: “Ban users”." in text


@pytest.mark.parametrize("town_options", [{"protected": False}], ids=[""])
async def test_where_the_bot_is_no_admin_it_says_so(autojump_clock: MockClock, town: Town) -> None:
    town.anna.demote(town.group, town.telegram.bot)
    town.mia.command(town.group, "/status@guard_bot")
    await settle()

    assert "I am no admin here." in town.said()[-1]


# What is looked up now


async def test_a_channel_out_of_sight_is_named(autojump_clock: MockClock, town: Town) -> None:
    town.anna.demote(town.channel, town.telegram.bot)

    assert "• News 0 (@news_0): I am no admin there and cannot see who is in" in await ask(town)


async def test_a_channel_that_refuses_to_be_looked_into_is_named(
    autojump_clock: MockClock, town: Town
) -> None:
    words = Fault.error(TelegramError(403, "Forbidden: bot was kicked from the channel chat"))
    town.telegram.faults.add(words, method="getChatMember", chat=town.channel.id)

    assert "• News 0 (@news_0): I am no admin there and cannot see who is in" in await ask(town)


async def test_a_private_channel_for_which_no_link_can_be_made_is_named(
    autojump_clock: MockClock, town: Town
) -> None:
    inner = town.world.channel("In<ner", creator=town.anna, admins=[town.telegram.bot])
    await town.bot.guard.policies.protect(
        Owner(town.anna.id, None),
        Group(town.group.id, town.anna.id, "Garden"),
        [Channel(inner.id, inner.title, None, "https://t.me/+abc")],
    )
    assert "• In<ner: I see who is in." in await ask(town)

    town.anna.promote(inner, town.telegram.bot, can_post_messages=True)
    assert "• In<ner: I see who is in, but may not make an invite link." in await ask(town)


@pytest.mark.parametrize("change", ["lost", "back"])
async def test_what_differs_from_what_is_written_is_looked_into(
    autojump_clock: MockClock, town: Town, change: str
) -> None:
    """Word of the change never came."""
    guard = town.bot.guard
    guard.memberships.note(town.channel.id, town.mia.id, is_in=True)  # Mia is not looked up
    if change == "lost":
        group, channel = town.group.standings, town.channel.standings
        group[town.telegram.bot.id] = channel[town.telegram.bot.id] = group[town.sue.id]
    else:
        await guard.policies.set_enabled(town.group.id, enabled=False)
        await guard.policies.hide(town.channel.id, hidden=True)
    town.mia.command(town.group, "/status@guard_bot")
    await trio.sleep(10)

    assert (guard.policies.get(town.group.id) is None) == (change == "lost")
    known = await guard.policies.known(town.group.id)
    assert known is not None
    assert known.channels[0].hidden == (change == "lost")


# Settings


async def test_what_is_set_is_told(autojump_clock: MockClock, town: Town) -> None:
    params = Params(
        notice_seconds=600,
        warnings=2,
        trust_added=True,
        requests_count=True,
        language="de",
        text="Hi <all> & welcome",
    )
    await town.bot.guard.policies.set_params(town.group.id, params)
    text = await ask(town)

    assert (
        "Settings\n"
        "• a notice stands for 600 s\n"
        "• messages deleted with a warning before the first mute: 2\n"
        "• people whom an admin adds need no channel\n"
        "• who has asked to be let into a private channel counts as in\n"
        "• language: de\n"
        "• own words for the notice: “Hi <all> & welcome”\n"
    ) in text


# Who is held


async def test_the_muted_are_named_and_can_be_opened(autojump_clock: MockClock, town: Town) -> None:
    town.sue.first_name = "Sue <b> & Co"
    town.sue.write(town.group, "Buy!")
    town.tim.write(town.group, "Buy!")
    await settle()
    at = since(town.telegram.now(), town.telegram.now())
    text = await ask(town)
    message = town.group.visible()[-1]
    entities = message.content["entities"]

    assert text.endswith(f"Muted by me: 2\n• Sue <b> & Co, {at}\n• Tim, {at}")
    mentioned = [e["user"]["id"] for e in entities if e["type"] == "text_mention"]
    assert mentioned == [town.sue.id, town.tim.id]


def held(user_id: int, name: str, state: RestrictionState = RestrictionState.HELD) -> Restriction:
    return Restriction(-1, user_id, name, state, 1, None, None, THEN)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        pytest.param(-60, "since 14:05 UTC", id="by a clock that is ahead"),
        pytest.param(0, "since 14:05 UTC", id="now"),
        pytest.param(DAY - 1, "since 14:05 UTC", id="less than a day"),
        pytest.param(DAY, "for 1 day", id="a day"),
        pytest.param(2 * DAY - 1, "for 1 day", id="nearly two days"),
        pytest.param(2 * DAY, "for 2 days", id="two days"),
        pytest.param(400 * DAY, "for 400 days", id="long"),
    ],
)
def test_since_when_somebody_is_held_is_said(seconds: int, words: str) -> None:
    assert since(THEN, THEN + seconds) == words
    assert people_in([held(1, "Sue")], LONGEST, THEN + seconds)[-1].endswith(f">Sue</a>, {words}")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (RestrictionState.WANTED, "</a> (about to be muted)"),
        (RestrictionState.RELEASING, "</a> (about to be released)"),
    ],
)
def test_what_is_under_way_is_said(state: RestrictionState, words: str) -> None:
    assert people_in([held(1, "Sue", state)], LONGEST, THEN)[-1].endswith(words)


@pytest.mark.parametrize("name", ["", "   ", "\u202e"])
def test_who_has_no_name_is_somebody(name: str) -> None:
    assert ">Somebody</a>" in people_in([held(1, name)], LONGEST, THEN)[-1]


def test_of_many_the_first_are_named_and_the_others_counted() -> None:
    lines = people_in([held(n, f"P{n}") for n in range(NAMED + 5)], LONGEST, THEN)

    assert lines[0] == "<b>Muted by me: 25</b>"
    assert ">P19<" in lines[NAMED]
    assert lines[-1] == "and 5 more"
    assert len(lines) == NAMED + 2


@example(names=["x" * 64] * 10, room=16 + 3 * 67)  # the heading and three of them fill it
@given(
    names=st.lists(st.text(max_size=300), max_size=40),
    room=st.integers(100, LONGEST),
)
def test_everybody_is_named_or_counted_in_the_room_there_is(names: list[str], room: int) -> None:
    people = [held(number, name) for number, name in enumerate(names, 1)]
    lines = people_in(people, room, THEN)
    named = sum("tg://user" in line for line in lines)
    counted = next((int(line.split()[1]) for line in lines if line.startswith("and ")), 0)

    assert shown(lines) <= room
    assert named + counted == len(names)


async def test_the_longest_report_is_short_enough(autojump_clock: MockClock, town: Town) -> None:
    channels = [
        town.world.channel(
            f"{number}{'&' * 127}",
            username=f"news_{number}{'x' * 20}",
            creator=town.anna,
            admins=[town.telegram.bot],
        )
        for number in range(1, 10)
    ]
    await town.bot.guard.policies.protect(
        Owner(town.anna.id, None),
        Group(town.group.id, town.anna.id, "Garden"),
        [Channel(chat.id, chat.title, chat.username, None) for chat in channels],
    )
    await town.bot.guard.policies.set_params(town.group.id, Params(text="<" * 500))
    for number in range(30):
        person = town.world.person("<" * 64)
        town.group.standings[person.id] = town.group.standings[town.sue.id]
        person.write(town.group, f"Buy {number}!")
    await settle()
    await trio.sleep(60)
    for chat in channels:
        town.anna.demote(chat, town.telegram.bot)
    await settle()
    text = await ask(town)

    assert len(text) <= LONGEST
    assert "Muted by me: 30" in text
    assert "more" in text.splitlines()[-1]
    assert unescape(text) == text
