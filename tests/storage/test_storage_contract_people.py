"""What every storage must do with people: held, freed, warned, seen, waiting."""

import time
from functools import partial

import msgspec
import pytest
import trio

from gmbot.storage.protocol import Storage
from gmbot.storage.records import (
    Restriction,
    RestrictionState,
    Sighting,
)
from tests.storage.samples import want, wanted

# Whom we hold.


async def test_a_restriction_is_new_once_and_then_the_first_one_stands(storage: Storage) -> None:
    first = await storage.want_restriction(wanted(name="Ann"))
    second = await storage.want_restriction(wanted(name="Other"))

    assert first is not None
    restriction, is_new = first
    assert is_new
    assert second == (restriction, False)
    assert await storage.restriction(-100, 5) == restriction
    assert restriction == msgspec.structs.replace(
        wanted(), version=restriction.version, since=restriction.since
    )


async def test_a_restriction_tells_since_when_it_is_written_however_it_changes(
    storage: Storage,
) -> None:
    began = time.time()
    current = await want(storage, wanted(since=1.0))
    assert began <= current.since <= time.time()

    held = await storage.advance_restriction(current, RestrictionState.HELD)

    assert held is not None
    assert held.since == current.since
    assert await storage.restriction(-100, 5) == held


@pytest.mark.parametrize(
    ("before", "until_date"),
    [
        pytest.param(None, None, id="unrestricted"),
        pytest.param({}, 0, id="no rights named"),
        pytest.param({"can_send_messages": True, "can_fly": False}, 2_000_000_000, id="some"),
    ],
)
async def test_what_a_person_had_before_comes_back_whole(
    storage: Storage, before: dict[str, bool] | None, until_date: int | None
) -> None:
    await storage.want_restriction(wanted(before=before, until_date=until_date))

    found = await storage.restriction(-100, 5)

    assert found is not None
    assert (found.before, found.until_date) == (before, until_date)


async def test_restrictions_are_found_by_group_by_person_and_all_together(
    storage: Storage,
) -> None:
    here = await want(storage, wanted(-100, 5))
    there = await want(storage, wanted(-200, 5))
    other = await want(storage, wanted(-100, 6))

    assert await storage.restrictions_in(-100) == [here, other]
    assert await storage.restrictions_of(5) == [there, here]
    assert sorted(await storage.restrictions(), key=lambda row: row.version) == [
        here,
        there,
        other,
    ]
    assert await storage.restriction(-300, 5) is None
    assert await storage.restrictions_in(-300) == []
    assert await storage.restrictions_of(9) == []


async def test_groups_with_records_are_named_once_each(storage: Storage) -> None:
    assert await storage.restricted_groups() == []
    for group_id, user_id in [(-100, 5), (-200, 5), (-100, 6)]:
        await want(storage, wanted(group_id, user_id))

    assert await storage.restricted_groups() == [-200, -100]
    await storage.pardon(-200, 5, given_at=10.0)
    assert await storage.restricted_groups() == [-100]


async def test_a_restriction_advances_for_whoever_knows_its_version(storage: Storage) -> None:
    current = await want(storage, wanted())

    held = await storage.advance_restriction(current, RestrictionState.HELD)
    late = await storage.advance_restriction(current, RestrictionState.RELEASING)

    assert held is not None
    assert held.state is RestrictionState.HELD
    assert held.version > current.version
    assert late is None
    assert await storage.restriction(-100, 5) == held


async def test_a_restriction_is_dropped_by_whoever_knows_its_version(storage: Storage) -> None:
    current = await want(storage, wanted())
    held = await storage.advance_restriction(current, RestrictionState.HELD)
    assert held is not None

    assert await storage.drop_restriction(current) is False
    assert await storage.drop_restriction(held) is True
    assert await storage.drop_restriction(held) is False
    assert await storage.restrictions() == []
    assert await storage.advance_restriction(held, RestrictionState.HELD) is None


async def test_a_late_change_does_not_hit_the_successor_of_a_dropped_restriction(
    storage: Storage,
) -> None:
    old = await want(storage, wanted())
    await storage.drop_restriction(old)
    new = await want(storage, wanted())

    assert await storage.advance_restriction(old, RestrictionState.HELD) is None
    assert await storage.drop_restriction(old) is False
    assert await storage.restriction(-100, 5) == new


async def test_of_many_who_want_and_of_many_who_advance_at_once_one_wins(
    storage: Storage,
) -> None:
    news: list[Restriction] = []
    helds: list[Restriction] = []

    async def want_once() -> None:
        stands = await storage.want_restriction(wanted())
        if stands is not None and stands[1]:
            news.append(stands[0])

    async def advance(current: Restriction) -> None:
        held = await storage.advance_restriction(current, RestrictionState.HELD)
        if held is not None:
            helds.append(held)

    async with trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(want_once)
    async with trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(advance, news[0])

    assert len(news) == len(helds) == 1
    assert await storage.restrictions() == helds


# Whom a human has freed.


async def test_a_pardon_ends_the_record_and_keeps_the_person_out_of_the_records(
    storage: Storage,
) -> None:
    held = await want(storage, wanted(user_id=5))

    await storage.pardon(-100, 5, given_at=10.0)
    await storage.pardon(-100, 5, given_at=10.0)

    assert await storage.is_pardoned(-100, 5)
    assert await storage.restriction(-100, 5) is None
    assert await storage.want_restriction(wanted(user_id=5)) is None
    assert await storage.restrictions() == []
    assert await storage.advance_restriction(held, RestrictionState.HELD) is None


async def test_a_pardon_is_of_one_person_in_one_group(storage: Storage) -> None:
    other = await want(storage, wanted(-200, 5))

    await storage.pardon(-100, 5, given_at=10.0)

    assert not await storage.is_pardoned(-100, 6)
    assert not await storage.is_pardoned(-200, 5)
    assert await storage.restrictions_of(5) == [other]
    assert await storage.want_restriction(wanted(-100, 6)) is not None


async def test_pardons_end_in_the_groups_named_alone(storage: Storage) -> None:
    for group_id in (-100, -200, -300):
        await storage.pardon(group_id, 5, given_at=10.0)
        await storage.pardon(group_id, 6, given_at=10.0)

    await storage.end_pardons(5, [-100, -200, -999], before=11.0)
    await storage.end_pardons(6, [], before=11.0)

    assert [await storage.is_pardoned(group_id, 5) for group_id in (-100, -200, -300)] == [
        False,
        False,
        True,
    ]
    assert [await storage.is_pardoned(group_id, 6) for group_id in (-100, -200)] == [True, True]
    assert await storage.want_restriction(wanted(-100, 5)) is not None


async def test_those_pardons_end_that_were_given_before(storage: Storage) -> None:
    for user_id, given_at in [(5, 9.0), (6, 10.0), (7, 11.0)]:
        await storage.pardon(-100, user_id, given_at=given_at)
        await storage.end_pardons(user_id, [-100], before=10.0)

    assert [await storage.is_pardoned(-100, user_id) for user_id in (5, 6, 7)] == [
        False,
        True,
        True,
    ]


@pytest.mark.parametrize("times", [(10.0, 20.0), (20.0, 10.0)])
async def test_of_two_pardons_the_one_given_later_stands(
    storage: Storage, times: tuple[float, float]
) -> None:
    for given_at in times:
        await storage.pardon(-100, 5, given_at=given_at)

    await storage.end_pardons(5, [-100], before=20.0)
    assert await storage.is_pardoned(-100, 5)
    await storage.end_pardons(5, [-100], before=21.0)
    assert not await storage.is_pardoned(-100, 5)


async def test_a_late_change_does_not_hit_a_record_made_after_a_pardon_has_ended(
    storage: Storage,
) -> None:
    old = await want(storage, wanted(user_id=5))
    await storage.pardon(-100, 5, given_at=10.0)
    await storage.end_pardons(5, [-100], before=11.0)
    new = await want(storage, wanted(user_id=5))

    assert await storage.advance_restriction(old, RestrictionState.HELD) is None
    assert await storage.drop_restriction(old) is False
    assert await storage.restrictions() == [new]


async def test_whoever_wants_while_another_pardons_leaves_nobody_both_held_and_pardoned(
    storage: Storage,
) -> None:
    async with trio.open_nursery() as nursery:
        for user_id in range(40):
            first = partial(storage.pardon, given_at=10.0)
            second = storage.want_restriction
            if user_id % 2:
                nursery.start_soon(first, -100, user_id)
                nursery.start_soon(second, wanted(user_id=user_id))
            else:
                nursery.start_soon(second, wanted(user_id=user_id))
                nursery.start_soon(first, -100, user_id)

    assert await storage.restrictions() == []
    assert all([await storage.is_pardoned(-100, user_id) for user_id in range(40)])


# Warnings.


async def test_each_message_that_is_newer_and_no_part_of_a_burst_is_a_warning(
    storage: Storage,
) -> None:
    assert await storage.warn(-100, 5, 10, now=100.0) == 1
    assert await storage.warn(-100, 5, 11, now=105.5) == 2
    assert await storage.warn(-100, 5, 12, now=200.0) == 3
    assert await storage.warn(-100, 6, 13, now=200.0) == 1
    assert await storage.warn(-200, 5, 14, now=200.0) == 1


@pytest.mark.parametrize(
    ("message_id", "now"),
    [
        pytest.param(10, 100.0, id="delivered twice at once"),
        pytest.param(10, 900.0, id="delivered twice, late"),
        pytest.param(9, 900.0, id="an older one"),
        pytest.param(11, 102.0, id="the next of an album"),
        pytest.param(11, 105.0, id="5 s after"),
        pytest.param(11, 95.0, id="another instance's clock"),
    ],
)
async def test_what_comes_again_or_with_the_last_one_is_not_counted(
    storage: Storage, message_id: int, now: float
) -> None:
    await storage.warn(-100, 5, 10, now=100.0)

    assert await storage.warn(-100, 5, message_id, now=now) == 1
    assert await storage.warn(-100, 5, 99, now=2000.0) == 2


async def test_a_burst_is_measured_from_the_last_one_counted(storage: Storage) -> None:
    counted = [
        await storage.warn(-100, 5, 10 + second, now=100.0 + second) for second in range(0, 13, 3)
    ]

    assert counted == [1, 1, 2, 2, 3]


async def test_a_clock_that_was_set_back_stops_no_counting(storage: Storage) -> None:
    await storage.warn(-100, 5, 10, now=9000.0)

    assert await storage.warn(-100, 5, 11, now=100.0) == 2


async def test_warnings_are_forgotten_and_counted_anew(storage: Storage) -> None:
    await storage.warn(-100, 5, 10, now=100.0)
    await storage.warn(-100, 6, 10, now=100.0)

    await storage.forget_warnings(-100, 5)
    await storage.forget_warnings(-100, 5)

    assert await storage.warn(-100, 5, 10, now=100.0) == 1
    assert await storage.warn(-100, 6, 11, now=200.0) == 2


async def test_a_burst_that_comes_at_once_counts_once(storage: Storage) -> None:
    counted: list[int] = []

    async def warn(message_id: int) -> None:
        counted.append(await storage.warn(-100, 5, message_id, now=100.0))

    async with trio.open_nursery() as nursery:
        for message_id in range(20):
            nursery.start_soon(warn, message_id)

    assert counted == [1] * 20


# Who was seen where, and who waits to be let in.


async def test_sightings_are_found_by_group_and_by_person(storage: Storage) -> None:
    await storage.save_sightings(
        [
            Sighting(-100, 6, 10.0),
            Sighting(-100, 5, 20.0),
            Sighting(-200, 5, 40.0),
            Sighting(-300, 5, 30.0),
        ]
    )
    await storage.save_sightings([])

    assert sorted(await storage.seen_in(-100, since=10.0)) == [5, 6]
    assert await storage.seen_in(-100, since=10.5) == [5]
    assert await storage.seen_in(-100, since=20.5) == []
    assert await storage.groups_seen(5) == [-200, -300, -100]
    assert await storage.groups_seen(9) == []


async def test_a_sighting_moves_forward_alone(storage: Storage) -> None:
    await storage.save_sightings([Sighting(-100, 5, 20.0), Sighting(-100, 5, 10.0)])
    await storage.save_sightings([Sighting(-100, 5, 15.0)])
    assert await storage.seen_in(-100, since=20.0) == [5]
    assert await storage.seen_in(-100, since=20.5) == []

    await storage.save_sightings([Sighting(-100, 5, 30.0)])

    assert await storage.seen_in(-100, since=30.0) == [5]


async def test_older_sightings_are_forgotten(storage: Storage) -> None:
    await storage.save_sightings([Sighting(-100, 5, 10.0), Sighting(-100, 6, 20.0)])

    await storage.forget_sightings(before=20.0)

    assert await storage.seen_in(-100, since=0.0) == [6]


async def test_a_join_request_stands_until_it_is_dropped(storage: Storage) -> None:
    assert not await storage.has_join_request(-1001, 5)
    await storage.save_join_request(-1001, 5)
    await storage.save_join_request(-1001, 5)
    await storage.save_join_request(-1001, 6)

    assert await storage.has_join_request(-1001, 5)
    assert not await storage.has_join_request(-1002, 5)
    await storage.drop_join_request(-1001, 5)
    await storage.drop_join_request(-1001, 5)
    assert not await storage.has_join_request(-1001, 5)
    assert await storage.has_join_request(-1001, 6)


async def test_join_requests_that_are_older_are_forgotten(storage: Storage) -> None:
    await storage.save_join_request(-1001, 5)
    await storage.save_join_request(-1001, 6)
    between = time.time()
    await storage.save_join_request(-1001, 5)  # asked for anew
    await storage.save_join_request(-1001, 7)

    await storage.forget_join_requests(before=between)

    assert [await storage.has_join_request(-1001, user_id) for user_id in (5, 6, 7)] == [
        True,
        False,
        True,
    ]
