"""Looking at many people anew: by command, with progress, and at each start."""

from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock

from gmbot.api.limiter import Limits
from gmbot.flows import tally
from gmbot.flows.progress import EDIT_EVERY
from gmbot.flows.recheck import LATELY, NOTHING_REQUIRED, PAGE, STARTED, TAKEN_OVER
from gmbot.flows.tally import OUTCOMES, Tally
from gmbot.guard.holding import Held, Settled
from gmbot.guard.params import Params
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.faults import Fault
from gmbot.sandbox.members import MEMBER
from gmbot.sandbox.people import Person
from gmbot.storage.errors import StorageUnavailable
from gmbot.storage.records import Restriction, RestrictionState, Sighting
from tests.flows.hearing import unheard
from tests.guard.town import Town, last_update, settle

# The bot gets one look-up in 100 ms: many people take a while.
SLOWLY = pytest.mark.parametrize("town_options", [{"limits": Limits(0, 0, 10)}], ids=[""])


async def seen(town: Town, *people: Person, ago: float = 60.0) -> None:
    """Write down that these were seen, without a message that would have been guarded."""
    now = town.telegram.now()
    await town.storage.save_sightings(
        [Sighting(town.group.id, person.id, now - ago) for person in people]
    )


def newcomers(town: Town, count: int, *, in_channel: bool = False) -> list[Person]:
    """People who came into the group, and perhaps the channel, unheard."""
    people = [town.world.person(f"Person {number}") for number in range(count)]
    for person in people:
        town.group.standings[person.id] = MEMBER
        if in_channel:
            town.channel.standings[person.id] = MEMBER
    return people


def silently_join(town: Town, *people: Person) -> None:
    """Let people into the channel without the bot's hearing of it."""
    for person in people:
        town.channel.standings[person.id] = MEMBER


async def hold(town: Town, *people: Person) -> None:
    """Have the bot mute these for a message."""
    for person in people:
        person.write(town.group, "Hello")
    await settle()
    assert all(town.is_muted(person) for person in people)


async def recheck(town: Town, person: Person | None = None, *, wait: float = 8.0) -> None:
    (person or town.anna).write(town.group, "/recheck")
    await trio.sleep(wait)


def answer(town: Town) -> str:
    (text,) = town.said()
    return text


def jobs(town: Town) -> list[tuple[str, str]]:
    return [row[:2] for row in town.storage.rows("jobs")]


# The command


async def test_everybody_held_and_everybody_seen_lately_is_brought_to_what_is_true(
    autojump_clock: MockClock, town: Town
) -> None:
    await hold(town, town.sue)
    silently_join(town, town.sue)
    released, (muted, *others) = town.sue, newcomers(town, 3)
    silently_join(town, others[0])
    gone = others[1]
    del town.group.standings[gone.id]
    await seen(town, muted, *others, town.max, town.mia)
    await recheck(town)

    assert not town.is_muted(released)
    assert town.is_muted(muted)
    assert not town.is_muted(others[0])
    assert not town.is_muted(town.mia)
    assert await town.held(gone) is None
    # Anna, who wrote the command, was seen too.
    assert answer(town) == "Checked 7 people: 1 released, 1 muted, 5 as they were."
    assert "Person 0" in town.notice.text
    assert jobs(town) == []


async def test_who_was_not_seen_lately_is_left_alone(autojump_clock: MockClock, town: Town) -> None:
    late, later = newcomers(town, 2)
    await seen(town, late, ago=LATELY - 60)
    await seen(town, later, ago=LATELY + 60)
    await recheck(town)

    assert town.is_muted(late)
    assert not town.is_muted(later)


async def test_a_group_in_which_nobody_was_seen_has_nobody_to_check(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.be_anonymous(town.group)
    town.anna.write_anonymously(town.group, "/recheck")
    await trio.sleep(8)

    assert answer(town) == tally.result(Tally())


@SLOWLY
async def test_progress_is_shown_in_the_reply_and_is_one_message(
    autojump_clock: MockClock, town: Town
) -> None:
    await seen(town, *newcomers(town, 250, in_channel=True))
    town.anna.write(town.group, "/recheck")
    await trio.sleep(2)
    assert answer(town) == STARTED

    shown, edits = [], town.count("editMessageText")
    for _ in range(6):
        await trio.sleep(EDIT_EVERY)
        shown.append(answer(town))
    assert town.count("editMessageText") - edits <= 6
    counts = [int(text.split()[1]) for text in shown if text.startswith("Checking: ")]
    assert len(counts) >= 3
    assert counts == sorted(set(counts))
    assert all(text.endswith(" of 251 …") for text in shown if text.startswith("Checking: "))

    await trio.sleep(60)
    assert answer(town) == "Checked 251 people: 0 released, 0 muted, 251 as they were."
    assert town.count("sendMessage") == 1


@SLOWLY
async def test_where_the_progress_was_deleted_the_work_goes_on_silently(
    autojump_clock: MockClock, town: Town
) -> None:
    silent = newcomers(town, 200)
    silently_join(town, *silent[:-1])
    await seen(town, *silent)
    town.anna.write(town.group, "/recheck")
    await trio.sleep(3)
    (message,) = [m for m in town.group.visible() if m.sender is town.telegram.bot]
    town.mia.delete(message)
    await trio.sleep(60)

    assert town.said() == []
    assert town.is_muted(silent[-1])
    assert jobs(town) == []


@SLOWLY
async def test_a_later_command_takes_over(autojump_clock: MockClock, town: Town) -> None:
    await seen(town, *newcomers(town, 250, in_channel=True))
    await recheck(town, wait=7)
    await recheck(town, wait=60)

    assert town.said() == [
        TAKEN_OVER,
        "Checked 251 people: 0 released, 0 muted, 251 as they were.",
    ]


@SLOWLY
async def test_delivered_again_it_is_carried_out_and_said_once(
    autojump_clock: MockClock, town: Town
) -> None:
    await seen(town, *newcomers(town, 150, in_channel=True))
    town.anna.write(town.group, "/recheck")
    again = last_update(town.telegram)
    await trio.sleep(5)
    await town.bot.dispatch.accept(again, lambda: None)
    await trio.sleep(60)
    await town.bot.dispatch.accept(again, lambda: None)
    await trio.sleep(60)

    assert answer(town) == "Checked 151 people: 0 released, 0 muted, 151 as they were."
    assert jobs(town) == []


async def test_a_command_that_got_no_further_than_its_reply_is_carried_out_all_the_same(
    autojump_clock: MockClock, town: Town
) -> None:
    (stranger,) = newcomers(town, 1)
    await seen(town, stranger)

    async def die() -> None:
        town.bot.kill()

    town.storage.after["claim_effect"] = die
    town.anna.write(town.group, "/recheck")
    await settle()
    await town.restart()
    await trio.sleep(30)

    assert town.is_muted(stranger)


@pytest.mark.parametrize(
    ("who", "text"),
    [
        ("max", "Only admins of this group can do this."),
        ("mia", "You need the admin right “Ban users” in this group to do this."),
    ],
)
async def test_only_admins_who_may_restrict_are_obeyed(
    autojump_clock: MockClock, town: Town, who: str, text: str
) -> None:
    (stranger,) = newcomers(town, 1)
    await seen(town, stranger)
    town.anna.promote(town.group, town.mia, can_pin_messages=True)
    await recheck(town, getattr(town, who))

    assert answer(town) == text
    assert not town.is_muted(stranger)


async def test_without_its_rights_the_bot_says_so(autojump_clock: MockClock, town: Town) -> None:
    with unheard(town):
        town.anna.promote(town.group, town.telegram.bot, can_delete_messages=True)
    await recheck(town, wait=0.5)

    assert "“Ban users”" in town.said()[0]
    assert ("recheck_commanded", str(town.group.id)) not in jobs(town)


@pytest.mark.parametrize("town_options", [{"protected": False}], ids=[""])
async def test_where_nothing_is_required_there_is_nothing_to_check(
    autojump_clock: MockClock, town: Town
) -> None:
    await recheck(town)

    assert answer(town) == NOTHING_REQUIRED


# What goes wrong


async def test_who_cannot_be_looked_up_stays_and_is_counted(
    autojump_clock: MockClock, town: Town
) -> None:
    (stranger,) = newcomers(town, 1)
    await hold(town, town.sue)
    silently_join(town, town.sue)
    await seen(town, stranger)
    town.anna.write(town.group, "/recheck")
    await settle()
    rule = town.telegram.faults.add(Fault.status(500), method="getChatMember", chat=town.channel.id)
    await trio.sleep(20)
    town.telegram.faults.remove(rule)
    await trio.sleep(20)

    assert town.is_muted(town.sue)
    assert not town.is_muted(stranger)
    assert answer(town).endswith("could not be checked.")


async def test_whom_the_bot_may_not_touch_is_counted(autojump_clock: MockClock, town: Town) -> None:
    await hold(town, town.sue)
    silently_join(town, town.sue)
    refused = TelegramError(
        400, "Bad Request: not enough rights to restrict/unrestrict chat member"
    )
    town.telegram.faults.add(Fault.error(refused), method="restrictChatMember", times=1)
    await recheck(town, wait=0)
    await trio.sleep(5)

    assert "1 I may not mute or release" in town.said()[0]


async def test_one_persons_trouble_stops_nobody_else(
    autojump_clock: MockClock, town: Town, logs: list[Any]
) -> None:
    people = newcomers(town, 3)
    await seen(town, *people)
    town.storage.refuse["is_pardoned"] = KeyError("a mistake")
    await recheck(town)

    assert sum(town.is_muted(person) for person in people) == 2
    assert answer(town) == (
        "Checked 4 people: 0 released, 2 muted, 1 as they were, 1 could not be checked."
    )
    (line,) = [line for line in logs if line["event"] == "job_failed"]
    assert line["user_id"] in {person.id for person in people}


async def test_a_refusal_while_somebodys_standing_is_asked_for_is_no_mistake_of_ours(
    autojump_clock: MockClock, town: Town, logs: list[Any]
) -> None:
    (person,) = newcomers(town, 1)
    await seen(town, person)
    town.anna.write(town.group, "/recheck")
    await settle()
    hidden = TelegramError(400, "Bad Request: member list is inaccessible")
    town.telegram.faults.add(Fault.error(hidden), method="getChatMember", chat=town.group.id)
    await trio.sleep(5)

    assert "1 I may not mute or release" in answer(town)
    assert "job_failed" not in [line["event"] for line in logs]


async def test_a_database_that_is_away_for_a_while_puts_it_off_and_nobody_is_counted_twice(
    autojump_clock: MockClock, town: Town
) -> None:
    people = newcomers(town, PAGE + 50)
    await seen(town, *people)
    town.storage.refuse["save_job"] = StorageUnavailable("away")
    await recheck(town, wait=40)

    assert all(town.is_muted(person) for person in people)
    assert answer(town).startswith("Checked 151 people: ")


async def test_what_is_away_in_the_middle_of_it_is_nobodys_trouble(
    autojump_clock: MockClock, town: Town, logs: list[Any]
) -> None:
    people = newcomers(town, 10)
    await seen(town, *people)
    town.storage.refuse["is_pardoned"] = StorageUnavailable("away")
    await recheck(town, wait=20)

    assert all(town.is_muted(person) for person in people)
    assert "could not be checked" not in answer(town)
    (line,) = [line for line in logs if line["event"] == "job_failed"]
    assert line["failure"] == "away"


@SLOWLY
async def test_cut_off_it_goes_on_where_it_was(autojump_clock: MockClock, town: Town) -> None:
    await seen(town, *newcomers(town, 3 * PAGE - 1, in_channel=True))
    await recheck(town, wait=25)
    before = town.count("getChatMember")
    await town.restart()
    await trio.sleep(60)

    assert answer(town) == "Checked 300 people: 0 released, 0 muted, 300 as they were."
    assert town.count("getChatMember") - before <= 200
    assert jobs(town) == []


async def test_a_group_that_is_left_alone_meanwhile_is_left_alone(
    autojump_clock: MockClock, town: Town
) -> None:
    (stranger,) = newcomers(town, 1)
    await seen(town, stranger)
    town.anna.write(town.group, "/recheck")
    await settle()
    await town.bot.guard.policies.unprotect(town.group.id, [town.channel.id])
    await trio.sleep(5)

    assert not town.is_muted(stranger)
    assert answer(town) == "Checked 2 people: 0 released, 0 muted, 2 as they were."


async def test_who_was_only_seen_and_is_in_doubt_is_left_alone_and_looked_at_again(
    autojump_clock: MockClock, town: Town
) -> None:
    (stranger,) = newcomers(town, 1)
    await seen(town, stranger)
    rule = town.telegram.faults.add(Fault.status(500), method="getChatMember", chat=town.channel.id)
    await town.bot.guard.jobs.add("recheck", town.group.id, {"scope": "all"})
    await trio.sleep(20)
    assert not town.is_muted(stranger)

    town.telegram.faults.remove(rule)
    await trio.sleep(200)
    assert town.is_muted(stranger)
    assert jobs(town) == []


@SLOWLY
@pytest.mark.parametrize(
    "fault",
    [
        Fault.error(TelegramError(400, "Bad Request: message is not modified")),
        Fault.error(TelegramError(403, "Forbidden: bot can't send messages")),
        Fault.hang(),
    ],
    ids=lambda fault: fault.name,
)
async def test_progress_that_cannot_be_shown_holds_up_nothing(
    autojump_clock: MockClock, town: Town, fault: Fault
) -> None:
    (stranger,) = newcomers(town, 1)
    await seen(town, *newcomers(town, 150, in_channel=True), stranger)
    town.anna.write(town.group, "/recheck")
    await trio.sleep(2)
    rule = town.telegram.faults.add(fault, method="editMessageText")
    await trio.sleep(30)
    town.telegram.faults.remove(rule)
    await trio.sleep(30)

    assert town.is_muted(stranger)
    assert jobs(town) == []
    assert (answer(town) == STARTED) == (fault.name != "hang")
    assert (rule.fired >= 3) == (fault.name == "hang" or "modified" in str(fault.reply))


# Those held, without a command


async def test_those_held_are_released_where_nothing_is_required_any_more(
    autojump_clock: MockClock, town: Town
) -> None:
    people = newcomers(town, 30)
    await hold(town, *people)
    await town.bot.guard.policies.unprotect(town.group.id, [town.channel.id])
    await town.bot.guard.jobs.add("recheck", town.group.id, {"scope": "held"})
    await trio.sleep(5)

    assert not any(town.is_muted(person) for person in people)
    assert town.storage.rows("restrictions") == []
    assert town.said() == []


async def test_who_was_seen_is_nobodys_business_when_those_held_are_looked_at(
    autojump_clock: MockClock, town: Town
) -> None:
    (stranger,) = newcomers(town, 1)
    await seen(town, stranger)
    await hold(town, town.sue)
    silently_join(town, town.sue)
    await town.bot.guard.jobs.add("recheck", town.group.id, {"scope": "held"})
    await trio.sleep(5)

    assert not town.is_muted(town.sue)
    assert not town.is_muted(stranger)


async def test_who_is_in_doubt_is_looked_at_again_and_nobody_else(
    autojump_clock: MockClock, town: Town
) -> None:
    await hold(town, town.sue, town.tim)
    silently_join(town, town.sue, town.tim)
    town.bot.guard.memberships.note(town.channel.id, town.tim.id, is_in=False)
    rule = town.telegram.faults.add(Fault.status(500), method="getChatMember", chat=town.channel.id)
    town.bot.guard.memberships.note(town.channel.id, town.tim.id, is_in=True)
    await town.bot.guard.jobs.add("recheck", town.group.id)
    await trio.sleep(20)
    assert not town.is_muted(town.tim)
    assert town.is_muted(town.sue)

    town.telegram.faults.remove(rule)
    await trio.sleep(60)
    assert not town.is_muted(town.sue)
    assert jobs(town) == []


async def test_who_has_asked_to_be_let_in_counts_where_the_group_has_set_it_so(
    autojump_clock: MockClock, town: Town
) -> None:
    await hold(town, town.sue)
    await town.storage.save_join_request(town.channel.id, town.sue.id)
    await town.bot.guard.policies.set_params(town.group.id, Params(requests_count=True))
    await town.bot.guard.jobs.add("recheck", town.group.id)
    await trio.sleep(5)

    assert not town.is_muted(town.sue)


# At each start


async def want(town: Town, person: Person) -> Restriction:
    """Write down that a person is to be muted, as the bot did before it died."""
    wanted = Restriction(
        town.group.id, person.id, person.first_name, RestrictionState.WANTED, 0, None, None
    )
    found = await town.storage.want_restriction(wanted)
    assert found is not None
    restriction: Restriction = found[0]
    return restriction


async def test_at_a_start_whoever_joined_meanwhile_is_released_and_the_others_stay(
    autojump_clock: MockClock, town: Town
) -> None:
    await hold(town, town.sue, town.tim)
    town.bot.kill()
    silently_join(town, town.sue)
    await town.restart()
    await trio.sleep(15)

    assert not town.is_muted(town.sue)
    assert town.is_muted(town.tim)
    assert jobs(town) == []


async def test_at_a_start_a_mute_that_was_cut_off_is_done_or_dropped(
    autojump_clock: MockClock, town: Town
) -> None:
    town.bot.kill()
    for person in (town.sue, town.max):
        await want(town, person)
    await town.restart()
    await trio.sleep(15)

    assert town.is_muted(town.sue)
    assert not town.is_muted(town.max)
    assert await town.held(town.max) is None


async def test_at_a_start_a_release_that_was_cut_off_is_done(
    autojump_clock: MockClock, town: Town
) -> None:
    await hold(town, town.sue)
    town.bot.kill()
    standing = await town.held(town.sue)
    await town.storage.advance_restriction(standing, RestrictionState.RELEASING)
    silently_join(town, town.sue)
    await town.restart()
    await trio.sleep(15)

    assert not town.is_muted(town.sue)
    assert await town.held(town.sue) is None


async def test_at_a_start_all_groups_are_looked_at_also_one_that_nobody_guards(
    autojump_clock: MockClock, town: Town
) -> None:
    await hold(town, town.sue)
    other = town.world.supergroup(
        "Other", creator=town.anna, members=[town.tim], admins=[town.telegram.bot]
    )
    town.bot.kill()
    wanted = Restriction(other.id, town.tim.id, "Tim", RestrictionState.WANTED, 0, None, None)
    await town.storage.want_restriction(wanted)
    silently_join(town, town.sue)
    await town.restart()
    await trio.sleep(15)

    assert town.storage.rows("restrictions") == []
    assert not town.is_muted(town.sue)


async def test_at_a_start_who_is_in_doubt_is_looked_at_again_later(
    autojump_clock: MockClock, town: Town
) -> None:
    await hold(town, town.sue)
    town.bot.kill()
    silently_join(town, town.sue)
    rule = town.telegram.faults.add(Fault.status(500), method="getChatMember", chat=town.channel.id)
    await town.restart()
    await trio.sleep(20)
    assert town.is_muted(town.sue)

    town.telegram.faults.remove(rule)
    await trio.sleep(200)
    assert not town.is_muted(town.sue)
    assert jobs(town) == []


async def test_asked_for_anew_while_at_work_a_start_begins_anew(
    autojump_clock: MockClock, town: Town
) -> None:
    await hold(town, town.sue)

    async def again() -> None:
        await town.bot.guard.jobs.add("restart")

    town.storage.after["restricted_groups"] = again
    await town.bot.guard.jobs.add("restart")
    await trio.sleep(5)

    assert town.timeline.count("restricted_groups") == 2
    assert town.timeline.count("restrictions") == 0  # group by group, never all records at once
    assert jobs(town) == []


async def test_many_held_people_cost_a_start_one_look_up_each_and_two_starts_no_more(
    autojump_clock: MockClock, town: Town
) -> None:
    people = newcomers(town, 300)
    await hold(town, *people)
    await town.restart()
    before = town.count("getChatMember")
    await trio.sleep(5)
    assert town.count("getChatMember") - before <= 300
    assert town.storage.rows("jobs") == []

    with town.no_restrictions():
        await town.bot.guard.jobs.add("restart")
        await trio.sleep(5)
    assert town.count("getChatMember") - before <= 300


# The tally


@given(st.lists(st.sampled_from(sorted(OUTCOMES))))
def test_everybody_is_counted_once_and_the_text_adds_up(whats: list[Held | Settled]) -> None:
    counted = Tally()
    for what in whats:
        counted.count(OUTCOMES[what])

    assert counted.total == len(whats)
    numbers = [
        int(word) for word in tally.result(counted).replace(":", "").split() if word.isdigit()
    ]
    if whats:
        assert numbers[0] == sum(numbers[1:]) == len(whats)


def test_every_end_counts_as_something() -> None:
    assert set(OUTCOMES) == {*Held, *Settled}


@pytest.mark.parametrize(
    ("counted", "text"),
    [
        (Tally(3, 2, 506, 1), "Checked 512 people: 3 released, 2 muted, 506 as they were, 1 could not be checked."),
        (Tally(unchanged=1), "Checked 1 person: 0 released, 0 muted, 1 as they were."),
        (Tally(refused=2), "Checked 2 people: 0 released, 0 muted, 0 as they were, 2 I may not mute or release."),
    ],
    ids=["in doubt", "one", "refused"],
)  # fmt: skip
def test_what_is_said_in_the_end(counted: Tally, text: str) -> None:
    assert tally.result(counted) == text
    assert tally.progress(counted, 600) == f"Checking: {counted.total} of 600 …"
