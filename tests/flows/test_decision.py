"""What humans decide about people whom the bot holds."""

from functools import partial
from math import inf

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trio import sleep
from trio.testing import MockClock

from gmbot.api.types import PERMISSIONS, ChatMember, ChatMemberUpdated, User
from gmbot.flows.decision import Actor, Consequence, Standing, decided, standing_of, what_follows
from gmbot.sandbox.people import Person
from tests.guard.town import Town, last_update, settle

SUE = User(1, "Sue")
NOTHING, ENDED, PARDONED = Consequence.NOTHING, Consequence.ENDED, Consequence.PARDONED


def restricted(*given: str, until: int = 0, is_in: bool = True) -> ChatMember:
    rights = {name: name in given for name in PERMISSIONS}
    return ChatMember("restricted", SUE, is_member=is_in, until_date=until, rights=rights)


MEMBER, LEFT, BANNED = (ChatMember(status, SUE) for status in ("member", "left", "kicked"))
ADMIN, OWNER = (ChatMember(status, SUE) for status in ("administrator", "creator"))
MUTED, MUTED_OUT = restricted(), restricted(is_in=False)
SILENT, LIMITED = restricted(until=9_000), restricted("can_send_messages")
ALL = [
    *(MEMBER, LEFT, BANNED, ADMIN, OWNER, MUTED, MUTED_OUT, SILENT, LIMITED),
    restricted("can_invite_users"),
    restricted("can_send_photos", is_in=False),
]
MEMBERS = st.sampled_from(ALL)
WRITING = {"can_send_messages", "can_react_to_messages"}  # Telegram lets the latter follow


# The table


@pytest.mark.parametrize(
    ("member", "standing"),
    [
        pytest.param(MEMBER, Standing.FREE, id="member"),
        pytest.param(LEFT, Standing.ABSENT, id="left"),
        pytest.param(BANNED, Standing.BANNED, id="banned"),
        pytest.param(ADMIN, Standing.ADMIN, id="administrator"),
        pytest.param(OWNER, Standing.ADMIN, id="owner"),
        pytest.param(MUTED, Standing.MUTED, id="muted"),
        pytest.param(MUTED_OUT, Standing.MUTED, id="muted and gone"),
        pytest.param(SILENT, Standing.SILENT, id="muted for a while"),
        pytest.param(restricted("can_invite_users"), Standing.SILENT, id="may not write"),
        pytest.param(LIMITED, Standing.LIMITED, id="may write"),
        pytest.param(restricted("can_send_photos"), Standing.LIMITED, id="may send photos"),
    ],
)
def test_a_standing_is_what_somebody_may_do(member: ChatMember, standing: Standing) -> None:
    assert standing_of(member) is standing


@pytest.mark.parametrize(
    ("before", "after", "consequence"),
    [
        pytest.param(MUTED, MEMBER, PARDONED, id="lifted"),
        pytest.param(MUTED, LIMITED, PARDONED, id="partially given"),
        pytest.param(SILENT, MEMBER, PARDONED, id="a mute for a while lifted"),
        pytest.param(LIMITED, MEMBER, PARDONED, id="a limit lifted"),
        pytest.param(MUTED_OUT, LEFT, PARDONED, id="lifted of somebody who is gone"),
        pytest.param(MUTED, SILENT, ENDED, id="muted for a while instead"),
        pytest.param(MEMBER, MUTED, ENDED, id="muted"),
        pytest.param(MEMBER, LIMITED, ENDED, id="limited"),
        pytest.param(LIMITED, MUTED, ENDED, id="limited, then muted"),
        pytest.param(MUTED, BANNED, ENDED, id="banned"),
        pytest.param(MUTED_OUT, BANNED, ENDED, id="banned when gone"),
        pytest.param(MUTED, LEFT, ENDED, id="kicked"),
        pytest.param(MEMBER, LEFT, ENDED, id="kicked without a restriction"),
        pytest.param(MUTED, ADMIN, ENDED, id="promoted"),
        pytest.param(LEFT, ADMIN, ENDED, id="brought in as admin"),
        pytest.param(ADMIN, MEMBER, NOTHING, id="demoted"),
        pytest.param(ADMIN, ADMIN, NOTHING, id="other rights"),
        pytest.param(BANNED, LEFT, NOTHING, id="unbanned"),
        pytest.param(MUTED, MUTED, NOTHING, id="nothing we can see"),
        pytest.param(MUTED_OUT, MUTED, NOTHING, id="brought in"),
        pytest.param(LEFT, MEMBER, NOTHING, id="brought in freely"),
    ],
)
def test_what_others_do_to_somebody_we_hold(
    before: ChatMember, after: ChatMember, consequence: Consequence
) -> None:
    assert what_follows(before, after, Actor.OTHER) is consequence


@given(MEMBERS, MEMBERS)
def test_our_own_acts_are_no_decision(before: ChatMember, after: ChatMember) -> None:
    assert what_follows(before, after, Actor.BOT) is NOTHING


@given(MEMBERS, MEMBERS)
def test_a_person_decides_nothing_about_themselves_but_to_leave(
    before: ChatMember, after: ChatMember
) -> None:
    has_left = before.is_in and not after.is_in

    consequence = what_follows(before, after, Actor.SELF)

    assert consequence is (Consequence.UNNAMED if has_left else NOTHING)


@given(MEMBERS, MEMBERS)
def test_only_who_is_left_with_a_voice_or_without_any_restriction_is_pardoned(
    before: ChatMember, after: ChatMember
) -> None:
    consequence = what_follows(before, after, Actor.OTHER)

    free = standing_of(after) in {Standing.FREE, Standing.LIMITED, Standing.ABSENT}
    assert consequence is not Consequence.UNNAMED
    assert before.status == "restricted" or consequence is not PARDONED
    assert free or consequence is not PARDONED


@given(MEMBERS, MEMBERS)
def test_a_record_outlives_nothing_that_takes_the_mute_away_or_replaces_it(
    before: ChatMember, after: ChatMember
) -> None:
    if standing_of(before) is Standing.MUTED and standing_of(after) is not Standing.MUTED:
        assert what_follows(before, after, Actor.OTHER) in {ENDED, PARDONED}


# In the group


async def hold(town: Town, person: Person | None = None) -> None:
    (person or town.sue).write(town.group, "Hello")
    await settle()
    await sleep(5)
    assert town.notices()


async def test_whom_a_human_frees_is_pardoned_and_named_no_more(
    autojump_clock: MockClock, town: Town
) -> None:
    await hold(town)
    town.mia.lift(town.group, town.sue)
    await settle()
    message = town.sue.write(town.group, "Thank you")
    await sleep(10)

    assert not message.deleted
    assert await town.held(town.sue) is None
    assert not town.is_muted(town.sue)
    assert town.notices() == []


async def test_whom_a_human_gives_a_part_back_is_pardoned(
    autojump_clock: MockClock, town: Town
) -> None:
    await hold(town)
    town.mia.restrict(town.group, town.sue, can_send_messages=True)
    await settle()
    message = town.sue.write(town.group, "Thank you")
    await settle()

    assert not message.deleted
    assert town.world.permissions(town.sue, town.group) == WRITING


async def test_a_pardon_by_an_anonymous_admin_counts(autojump_clock: MockClock, town: Town) -> None:
    town.mia.be_anonymous(town.group)
    await hold(town)
    town.mia.lift(town.group, town.sue)
    await settle()

    assert await town.storage.is_pardoned(town.group.id, town.sue.id)


async def test_whom_a_human_mutes_for_a_while_stays_so_whatever_they_join(
    autojump_clock: MockClock, town: Town
) -> None:
    await hold(town)
    town.mia.restrict(town.group, town.sue, until_date=int(town.telegram.now()) + 3600)
    await settle()
    town.sue.join(town.channel)
    await sleep(10)

    assert town.is_muted(town.sue)
    assert await town.held(town.sue) is None
    assert town.notices() == []
    assert not await town.storage.is_pardoned(town.group.id, town.sue.id)


async def test_whom_a_human_bans_stays_banned(autojump_clock: MockClock, town: Town) -> None:
    await hold(town)
    town.mia.ban(town.group, town.sue)
    await settle()
    town.sue.join(town.channel)
    await sleep(10)

    assert town.group.standing(town.sue.id, 0).status == "kicked"
    assert await town.held(town.sue) is None
    assert town.notices() == []


async def test_whom_a_human_kicks_is_held_by_us_no_more(
    autojump_clock: MockClock, town: Town
) -> None:
    await hold(town)
    town.mia.kick(town.group, town.sue)
    await sleep(10)

    assert await town.held(town.sue) is None
    assert town.notices() == []


async def test_who_is_promoted_is_held_no_more(autojump_clock: MockClock, town: Town) -> None:
    await hold(town)
    town.anna.promote(town.group, town.sue)
    await sleep(10)

    assert await town.held(town.sue) is None
    assert town.notices() == []
    assert not town.is_muted(town.sue)


async def test_whom_a_human_restricts_without_our_holding_them_is_no_matter(
    autojump_clock: MockClock, town: Town
) -> None:
    await hold(town)
    town.mia.restrict(town.group, town.tim)
    await sleep(10)

    assert town.is_muted(town.tim)
    assert await town.held(town.tim) is None
    assert len(town.notices()) == 1


async def test_who_leaves_while_held_is_named_no_more_and_stays_recorded(
    autojump_clock: MockClock, town: Town
) -> None:
    await hold(town)
    town.sue.leave(town.group)
    await sleep(10)

    assert town.notices() == []
    assert await town.held(town.sue) is not None


async def test_our_own_mute_is_no_decision(autojump_clock: MockClock, town: Town) -> None:
    await hold(town)
    town.mia.lift(town.group, town.sue)
    guard, theirs = town.bot.guard, update_of(town)

    await decided(guard, msgspec.structs.replace(theirs, from_user=guard.me))
    assert await town.held(town.sue) is not None
    await decided(guard, theirs)
    assert await town.held(town.sue) is None


# Old news


async def test_a_pardon_is_from_when_it_was_given_however_late_that_is_written(
    autojump_clock: MockClock, town: Town
) -> None:
    await hold(town)
    town.storage.away = True
    town.mia.lift(town.group, town.sue)
    lifted = update_of(town)
    await sleep(60)
    town.storage.away = False
    await sleep(60)

    ((_group_id, _user_id, given_at),) = town.storage.rows("pardons")
    assert given_at == lifted.date


def update_of(town: Town, *, back: int = 1) -> ChatMemberUpdated:
    change = last_update(town.telegram, back=back).update.chat_member
    assert change is not None
    return change


async def test_an_old_pardon_does_not_end_a_later_record(
    autojump_clock: MockClock, town: Town
) -> None:
    await hold(town)
    town.mia.lift(town.group, town.sue)
    lifted = update_of(town)
    await settle()
    await town.storage.end_pardons(town.sue.id, [town.group.id], before=inf)
    await sleep(30)
    await hold(town)

    await decided(town.bot.guard, lifted)

    assert await town.held(town.sue) is not None
    assert not await town.storage.is_pardoned(town.group.id, town.sue.id)
    assert town.is_muted(town.sue)
    assert town.notices()


async def test_an_old_mute_by_a_human_does_not_end_a_later_record(
    autojump_clock: MockClock, town: Town
) -> None:
    town.mia.restrict(town.group, town.sue)
    muted = update_of(town)
    town.mia.lift(town.group, town.sue)
    await sleep(30)
    await town.storage.end_pardons(town.sue.id, [town.group.id], before=inf)
    await hold(town)

    await decided(town.bot.guard, muted)

    assert await town.held(town.sue) is not None


async def test_who_is_back_is_not_taken_off_the_notice_by_an_old_leave(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.leave(town.group)
    left = update_of(town, back=2)
    await sleep(30)
    town.group.username = "garden_friends"
    town.sue.join(town.group)
    await sleep(5)
    assert town.notices()

    await decided(town.bot.guard, left)
    await sleep(10)

    assert len(town.notices()) == 1


async def test_what_a_human_restricted_just_before_our_mute_is_given_back_exactly(
    autojump_clock: MockClock, town: Town
) -> None:
    town.storage.after["want_restriction"] = partial(_restrict, town)
    await hold(town)
    town.sue.join(town.channel)
    await settle()

    assert town.world.permissions(town.sue, town.group) == WRITING


async def test_what_a_human_took_just_before_our_mute_stays_taken(
    autojump_clock: MockClock, town: Town
) -> None:
    town.mia.restrict(town.group, town.sue, can_send_messages=True, can_send_photos=True)
    await settle()
    town.storage.after["want_restriction"] = partial(_restrict, town)
    await hold(town)
    town.sue.join(town.channel)
    await settle()

    assert town.world.permissions(town.sue, town.group) == WRITING


async def _restrict(town: Town) -> None:
    town.mia.restrict(town.group, town.sue, can_send_messages=True)


async def test_who_is_freed_from_a_humans_own_mute_is_pardoned_too(
    autojump_clock: MockClock, town: Town
) -> None:
    """A human gave them a voice, and that stands: bot and admin never fight."""
    town.mia.restrict(town.group, town.sue)
    await settle()
    town.mia.lift(town.group, town.sue)
    await settle()
    message = town.sue.write(town.group, "Thank you, Mia")
    await settle()

    assert not message.deleted
    assert not town.is_muted(town.sue)
