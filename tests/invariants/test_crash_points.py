"""Wherever the bot is killed, the end is the same: every point of a dozen stories is tried.

A story is told once without a kill. Then again for each of its points: right before and right after
each call to Telegram and each query of the storage that changed or told something.
"""

import os
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from gmbot.coordination import jobs
from gmbot.guard import sightings
from gmbot.storage.records import RestrictionState
from tests.guard.town import JOINED
from tests.invariants.mortality import SOON, Fate, Point, Stage

TWICE_SOON = 45.0  # seconds: the claims of two dead runs end one after the other

Story = Callable[[Stage], Awaitable[None]]


async def a_stranger_writes(stage: Stage) -> None:
    await stage.guard()
    await stage.open()
    stage.listen()
    stage.sue.write(stage.group, "Buy!")


async def an_album(stage: Stage) -> None:
    await stage.guard()
    await stage.open()
    stage.listen()
    stage.sue.album(stage.group, 3, "Buy!")


async def a_stranger_joins(stage: Stage) -> None:
    await stage.guard()
    await stage.open()
    link = stage.anna.link(stage.group)
    zoe = stage.world.person("Zoe")
    stage.listen()
    zoe.join(stage.group, via=link)


async def somebody_leaves_a_channel_that_two_groups_want(stage: Stage) -> None:
    members = [stage.max, stage.tim]
    kitchen = stage.world.supergroup(
        "Kitchen", creator=stage.anna, members=members, admins=[stage.mia, stage.telegram.bot]
    )
    stage.groups.append(kitchen)
    await stage.guard()
    await stage.guard(kitchen)
    await stage.open()
    stage.listen()
    stage.max.leave(stage.channel)


async def hold_sue(stage: Stage, **params: Any) -> None:
    await stage.guard(**params)
    await stage.open()
    stage.sue.write(stage.group, "Buy!")
    await stage.wait()
    assert stage.is_muted(stage.sue)
    stage.listen()


async def who_is_held_joins_the_channel(stage: Stage) -> None:
    await hold_sue(stage)
    stage.sue.join(stage.channel)


async def who_is_held_joins_one_of_two_channels(stage: Stage) -> None:
    await hold_sue(stage, channels=2)
    stage.sue.join(stage.channels[0])
    await stage.wait()
    stage.sue.join(stage.channels[1])


async def who_is_held_joins_and_presses(stage: Stage) -> None:
    await hold_sue(stage)
    notice = stage.notice
    stage.sue.join(stage.channel)
    stage.sue.press(notice, JOINED)


async def who_is_held_presses_in_vain(stage: Stage) -> None:
    await hold_sue(stage)
    stage.sue.press(stage.notice, JOINED)


async def an_admin_frees_who_is_held(stage: Stage) -> None:
    await hold_sue(stage)
    stage.mia.lift(stage.group, stage.sue)
    await stage.wait()
    stage.sue.write(stage.group, "Thank you")


async def an_admin_restricts_who_is_held(stage: Stage) -> None:
    await hold_sue(stage)
    stage.mia.restrict(stage.group, stage.sue, can_send_messages=True)
    await stage.wait()
    stage.sue.join(stage.channel)


async def an_admin_kicks_who_is_held(stage: Stage) -> None:
    await hold_sue(stage)
    link = stage.anna.link(stage.group)
    stage.mia.kick(stage.group, stage.sue)
    await stage.wait()
    stage.sue.join(stage.group, via=link)


async def an_admin_bans_who_is_held(stage: Stage) -> None:
    await hold_sue(stage)
    stage.mia.ban(stage.group, stage.sue)


async def protect(stage: Stage) -> None:
    await stage.open()
    stage.listen()
    stage.anna.command(stage.group, "/protect @news_0")
    await stage.wait()
    stage.sue.write(stage.group, "Buy!")


async def unprotect(stage: Stage) -> None:
    await hold_sue(stage)
    stage.anna.command(stage.group, "/unprotect")


async def recheck(stage: Stage) -> None:
    """Tim is held and has joined, Sue was seen and lacks the channel, Max is all right."""
    await stage.guard()
    await stage.open()
    stage.tim.write(stage.group, "Buy!")
    await stage.wait()
    # What the bot was not told of.
    there = stage.channel.standings[stage.max.id]
    stage.channel.standings[stage.tim.id] = there
    stage.channel.standings[stage.sue.id] = there
    for person in (stage.max, stage.sue):
        person.write(stage.group, "Hello")
    await stage.wait()
    del stage.channel.standings[stage.sue.id]
    await stage.rest(700)  # until it has forgotten that she was in
    stage.listen()
    stage.anna.command(stage.group, "/recheck")


async def rights_lost_and_back(stage: Stage) -> None:
    await hold_sue(stage)
    stage.anna.promote(stage.group, stage.telegram.bot, can_delete_messages=True)
    await stage.wait()
    stage.tim.write(stage.group, "Hello")
    await stage.wait()
    stage.anna.promote(stage.group, stage.telegram.bot)


async def a_channel_out_of_sight_and_back(stage: Stage) -> None:
    await hold_sue(stage)
    stage.anna.demote(stage.channel, stage.telegram.bot)
    await stage.wait()
    stage.anna.promote(stage.channel, stage.telegram.bot)
    await stage.wait()
    stage.tim.write(stage.group, "Buy!")


async def a_basic_group_migrates(stage: Stage) -> None:
    basic = stage.world.basic_group(
        "Friends", creator=stage.anna, members=[stage.sue, stage.max, stage.telegram.bot]
    )
    stage.anna.promote(basic, stage.telegram.bot)
    stage.groups.append(basic)
    await stage.open()
    stage.listen()
    stage.anna.command(basic, "/protect @news_0")
    await stage.wait()
    group = stage.anna.migrate(basic)
    stage.groups.append(group)
    await stage.wait()
    stage.sue.write(group, "Buy!")


async def a_foreign_channel_writes(stage: Stage) -> None:
    await stage.guard()
    shop = stage.world.channel("Shop", creator=stage.tim)
    await stage.open()
    stage.listen()
    stage.tim.write_as(shop, stage.group, "Buy!")


async def a_group_warns_first(stage: Stage) -> None:
    await stage.guard(warnings=1)
    await stage.open()
    stage.listen()
    stage.sue.write(stage.group, "Buy!")
    await stage.wait()
    stage.sue.write(stage.group, "Buy more!")


async def who_was_warned_joins_the_channel(stage: Stage) -> None:
    await stage.guard(warnings=1)
    await stage.open()
    stage.sue.write(stage.group, "Buy!")
    await stage.wait()
    stage.listen()
    stage.sue.join(stage.channel)
    await stage.wait()
    stage.sue.leave(stage.channel)
    await stage.wait()
    stage.sue.write(stage.group, "Buy more!")


async def an_admin_whose_word_counts_adds_somebody(stage: Stage) -> None:
    await stage.guard(trust_added=True)
    zoe = stage.world.person("Zoe")
    await stage.open()
    stage.listen()
    stage.mia.add(stage.group, zoe)
    await stage.wait()
    zoe.write(stage.group, "Hello")


async def one_of_two_is_released(stage: Stage) -> None:
    await stage.guard()
    await stage.open()
    stage.tim.write(stage.group, "Buy!")
    stage.sue.write(stage.group, "Buy!")
    await stage.wait()
    stage.listen()
    stage.sue.join(stage.channel)


async def a_human_had_restricted_who_is_held(stage: Stage) -> None:
    stage.mia.restrict(stage.group, stage.sue, can_send_messages=True, can_send_photos=True)
    await stage.guard()
    await stage.open()
    stage.listen()
    stage.sue.write(stage.group, "Buy!")
    await stage.wait()
    stage.sue.join(stage.channel)


async def a_channel_is_unlinked_of_two(stage: Stage) -> None:
    await hold_sue(stage, channels=2)
    stage.sue.join(stage.channels[0])
    await stage.wait()
    stage.anna.command(stage.group, "/unprotect @news_1")


STORIES: list[Story] = [
    a_stranger_writes,
    an_album,
    a_stranger_joins,
    an_admin_whose_word_counts_adds_somebody,
    somebody_leaves_a_channel_that_two_groups_want,
    who_is_held_joins_the_channel,
    who_is_held_joins_one_of_two_channels,
    who_is_held_joins_and_presses,
    who_is_held_presses_in_vain,
    one_of_two_is_released,
    a_human_had_restricted_who_is_held,
    an_admin_frees_who_is_held,
    an_admin_restricts_who_is_held,
    an_admin_kicks_who_is_held,
    an_admin_bans_who_is_held,
    protect,
    unprotect,
    a_channel_is_unlinked_of_two,
    recheck,
    rights_lost_and_back,
    a_channel_out_of_sight_and_back,
    a_basic_group_migrates,
    a_foreign_channel_writes,
    a_group_warns_first,
    who_was_warned_joins_the_channel,
]

# Seconds until another run begins: before and after an update counts as old (5 s), and before the
# claims of the dead one end (10 s).
DOWN = (0.0, 7.0)

# What may be said in other words after a kill, and is true all the same.
ESSENCE = (
    # The figures tell of what that run did; one that was cut off before it could write down which
    # message shows the progress leaves it as it was.
    (re.compile(r"^(Checking everybody|Checked \d+ p).*"), "checked"),
    # Whoever unlinks again finds nothing to unlink.
    (re.compile(r"^(No longer required|Not required|Nobody has to be in a channel).*"), "unlinked"),
)


class Told:
    """A story that was told to its end: what people found, and what was wrong in any case."""

    def __init__(self, fates: Sequence[Fate]) -> None:
        self.fates = fates
        self.found: dict[str, Any] = {}
        self.faults: list[str] = []
        self.strays = 0


def tell(story: Story, *fates: Fate, down: float = 0.0, soon: float = SOON) -> Told:
    told, stages = Told(fates), list[Stage]()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            stage = Stage(nursery, fates, down=down, soon=soon)
            stages.append(stage)
            await story(stage)
            told.found = await stage.finish()
            await judge(stage, told)
            nursery.cancel_scope.cancel()

    trio._core._run._r.seed(1)  # the same order of tasks, so that the same points are passed
    with capture_logs() as lines:
        trio.run(main, clock=MockClock(autojump_threshold=0))
    stages[0].storage.db.close()  # not whenever the garbage collector comes by
    told.faults += [f"logged: {line}" for line in lines if line["log_level"] == "error"]
    return told


async def judge(stage: Stage, told: Told) -> None:
    """Look at what must hold at rest, whatever happened."""
    faults, telegram, storage = told.faults, stage.telegram, stage.storage
    faults += [f"schema: {one}" for one in telegram.violations]
    faults += [f"flood: {one}" for one in telegram.flood.violations]
    for table in ("pending_updates", "jobs", "notices"):
        faults += [f"left in {table}: {row}" for row in storage.rows(table)]
    states = {row[3] for row in storage.rows("restrictions")}
    if not states <= {RestrictionState.HELD.value}:
        faults.append(f"restrictions are {states}")
    await press_strays(stage, told)


async def press_strays(stage: Stage, told: Told) -> None:
    """See that notices cut off in their send go when they are pressed, and nothing else with it."""
    strays = stage.strays()
    told.strays = len(strays)
    if told.strays > max(fate.strays for fate in told.fates):
        told.faults.append(f"nobody takes away: {[stray.text for stray in strays]}")
    before = stage.standings(), stage.people()
    for stray in strays:
        if stray.markup is None:
            continue  # asks a channel to write as itself: there is nothing to press, it stays
        stage.max.press(stray, JOINED)
        await stage.wait()
        if not stray.deleted:
            told.faults.append("a stray notice stays where it was pressed")
    if (stage.standings(), stage.people()) != before:
        told.faults.append("a press on a stray changed somebody's standing")


def differences(told: Told, expected: Told) -> list[str]:
    """Say what is wrong, or otherwise than where nothing was killed."""
    faults = list(told.faults)
    if not told.fates[0].is_dead:
        faults.append("not killed")
    # In doubt a reply counts as sent: see gmbot.guard.replies.
    in_doubt = sum(fate.in_doubt for fate in told.fates if fate.is_dead)
    said, to_be_said = in_essence(told.found["said"]), in_essence(expected.found["said"])
    if said - to_be_said or (to_be_said - said).total() > in_doubt:
        faults.append(f"said: {said} instead of {to_be_said}, with {in_doubt} in doubt")
    notices, expected_notices = told.found["notices"], expected.found["notices"]
    if [unwelcome(text) for text in notices] != [unwelcome(text) for text in expected_notices]:
        faults.append(f"notices: {notices} instead of {expected_notices}")
    faults += [
        f"{name}: {told.found[name]} instead of {expected.found[name]}"
        for name in expected.found.keys() - {"said", "notices"}
        if told.found[name] != expected.found[name]
    ]
    return faults


def in_essence(said: Counter[str]) -> Counter[str]:
    essence: Counter[str] = Counter()
    for text, times in said.items():
        meanings = [meaning for pattern, meaning in ESSENCE if pattern.match(text)]
        essence[meanings[0] if meanings else text] += times
    return essence


def unwelcome(text: str) -> str:
    """A notice as it is for somebody who has not just come: who has, a kill may forget."""
    return re.sub(r"^Welcome, (\w+)! To write here, please", r"\1, to write here please", text)


# Hundreds of kills take more than a minute: usually every fourth is tried, `EVERY_POINT=1` tries all.
EVERY_POINT = bool(os.environ.get("EVERY_POINT"))


@pytest.fixture(autouse=True)
def _rarely(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the bot look less often for what is to be written, hundreds of times in each run."""
    monkeypatch.setattr(jobs, "LOOK_EVERY", 10.0)
    monkeypatch.setattr(sightings, "WRITE_EVERY", 30.0)


@pytest.mark.parametrize("story", STORIES)
def test_it_ends_the_same_wherever_the_bot_is_killed(story: Story) -> None:
    fate = Fate()
    expected = tell(story, fate)
    assert expected.faults == []
    assert expected.strays == 0

    wrong = {}
    for number, point in enumerate(fate.passed[:: 1 if EVERY_POINT else 4]):
        # After one event is before the next: so most moments are tried with both.
        told = tell(story, Fate(point), down=DOWN[number % 2])
        if faults := differences(told, expected):
            wrong[str(point)] = faults
    assert wrong == {}


@pytest.mark.parametrize("story", STORIES)
def test_it_ends_the_same_where_the_next_run_is_killed_too(story: Story) -> None:
    random = Random(story.__name__)
    fate = Fate()
    expected = tell(story, fate, soon=TWICE_SOON)

    wrong = {}
    for point in random.sample(fate.passed, 2):
        fates = Fate(point), Fate(last=random.randrange(1, 40))
        told = tell(story, *fates, down=random.choice(DOWN), soon=TWICE_SOON)
        if faults := differences(told, expected):
            wrong[f"{point}, {fates[1].passed[-1]}"] = faults
    assert wrong == {}


@pytest.mark.parametrize("point", [Point("sendMessage", 1, True), Point("save_notice", 2, False)])
def test_a_notice_cut_off_in_its_send_is_a_stray_that_goes_when_pressed(point: Point) -> None:
    told = tell(a_stranger_writes, Fate(point))

    assert told.faults == []
    assert told.strays == 1


def test_a_reply_cut_off_before_its_send_is_lost() -> None:
    expected = tell(protect, Fate())
    told = tell(protect, Fate(Point("sendMessage", 1, False)))

    assert (expected.found["said"] - told.found["said"]).total() == 1
    assert differences(told, expected) == []
