"""What every storage must do; it runs over each of the databases in conftest.py."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from gmbot.storage.errors import StorageError, StorageUnavailable
from gmbot.storage.protocol import Storage
from gmbot.storage.records import (
    Channel,
    Group,
    Notice,
    NoticeState,
    Owner,
    PendingUpdate,
    ProtectedGroup,
    Restriction,
    RestrictionState,
)

OpenStorage = Callable[[str], AbstractAsyncContextManager[Storage]]

OWNER = Owner(7, "owner")
NEWS = Channel(-1001, "News", "news", "https://t.me/news")
CLUB = Channel(-1002, "Club", None, "https://t.me/+secret")
GROUP = Group(-100, 7, "Chat")

LOWEST, HIGHEST = -(2**63), 2**63 - 1


def wanted(group_id: int = -100, user_id: int = 5, **others: Any) -> Restriction:
    fields = {"name": "Ann", "before": None, "until_date": None, **others}
    return Restriction(group_id, user_id, state=RestrictionState.WANTED, version=0, **fields)


def unsent(group_id: int = -100, **others: Any) -> Notice:
    fields = {"message_id": None, "people": ((5, "Ann"),), "expires_at": 60.5, **others}
    return Notice(group_id, state=NoticeState.SENDING, version=0, **fields)


def due(update_id: int, available_at: float = 10.0) -> PendingUpdate:
    return PendingUpdate(update_id, b"{}", 0, available_at)


# Groups and the channels they require.


async def test_a_protected_group_comes_back_with_its_channels_in_the_order_of_linking(
    storage: Storage,
) -> None:
    await storage.protect(OWNER, GROUP, [CLUB, NEWS])

    assert await storage.protected_groups() == [ProtectedGroup(GROUP, (CLUB, NEWS))]
    assert await storage.protected_group(-100) == ProtectedGroup(GROUP, (CLUB, NEWS))


async def test_protecting_again_changes_nothing(storage: Storage) -> None:
    await storage.protect(OWNER, GROUP, [CLUB, NEWS])
    await storage.protect(OWNER, GROUP, [NEWS, CLUB])

    assert await storage.protected_groups() == [ProtectedGroup(GROUP, (CLUB, NEWS))]


async def test_protecting_again_adds_channels_and_takes_new_titles_owners_and_links(
    storage: Storage,
) -> None:
    await storage.protect(OWNER, GROUP, [NEWS])
    group = Group(-100, 8, "Renamed", params={"language": "de"})
    news = Channel(-1001, "Old news", None, "https://t.me/+other")

    await storage.protect(Owner(8, None), group, [news])
    await storage.protect(Owner(8, None), group, [CLUB])

    assert await storage.protected_groups() == [ProtectedGroup(group, (news, CLUB))]


async def test_protecting_again_keeps_what_is_known_and_not_named(storage: Storage) -> None:
    group = Group(-100, 7, "Chat", params={"language": "de", "deep": [1, {"a": None}, 1.5]})
    await storage.protect(OWNER, group, [CLUB])

    await storage.protect(OWNER, GROUP, [Channel(-1002, "Club", None, None)])

    assert await storage.protected_groups() == [ProtectedGroup(group, (CLUB,))]


async def test_one_channel_may_guard_many_groups(storage: Storage) -> None:
    other = Group(-200, 7, "Other")
    await storage.protect(OWNER, GROUP, [NEWS])
    await storage.protect(OWNER, other, [NEWS, CLUB])

    assert await storage.protected_groups() == [
        ProtectedGroup(other, (NEWS, CLUB)),
        ProtectedGroup(GROUP, (NEWS,)),
    ]


async def test_a_group_without_channels_protects_nothing_and_is_still_known(
    storage: Storage,
) -> None:
    await storage.protect(OWNER, GROUP, [NEWS, CLUB])

    await storage.unprotect(-100, [-1001, -999])
    assert await storage.protected_groups() == [ProtectedGroup(GROUP, (CLUB,))]
    await storage.unprotect(-100, [-1002])
    assert await storage.protected_groups() == []
    assert await storage.protected_group(-100) == ProtectedGroup(GROUP, ())


async def test_a_disabled_group_is_left_out_of_the_protected_until_it_is_enabled(
    storage: Storage,
) -> None:
    await storage.protect(OWNER, GROUP, [NEWS])

    await storage.set_group_enabled(-100, enabled=False)
    assert await storage.protected_groups() == []
    disabled = msgspec.structs.replace(GROUP, enabled=False)
    assert await storage.protected_group(-100) == ProtectedGroup(disabled, (NEWS,))
    await storage.set_group_enabled(-100, enabled=True)
    assert await storage.protected_groups() == [ProtectedGroup(GROUP, (NEWS,))]


async def test_an_unknown_group_is_none_and_stays_unknown(storage: Storage) -> None:
    await storage.set_group_enabled(-100, enabled=True)
    await storage.unprotect(-100, [-1001])

    assert await storage.protected_group(-100) is None


async def test_protecting_happens_whole_or_not_at_all(storage: Storage) -> None:
    beyond = msgspec.structs.replace(CLUB, channel_id=HIGHEST + 1)

    with pytest.raises(StorageError):
        await storage.protect(OWNER, GROUP, [NEWS, beyond])

    assert await storage.protected_group(-100) is None


async def test_a_group_of_an_owner_nobody_knows_is_refused(storage: Storage) -> None:
    with pytest.raises(StorageError) as caught:
        await storage.protect(OWNER, Group(-100, 8, "Chat"), [NEWS])

    assert type(caught.value) is StorageError
    assert await storage.protected_group(-100) is None


async def test_ten_thousand_groups_are_read_in_less_than_a_second(storage: Storage) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(10_000):
            channels = [Channel(-(number % 500), "News", "news", None), CLUB]
            nursery.start_soon(storage.protect, OWNER, Group(number, 7, "Chat"), channels)

    started = trio.current_time()
    groups = await storage.protected_groups()

    assert trio.current_time() - started < 1
    assert len(groups) == 10_000
    assert groups[0].channels[0] is groups[500].channels[0]


# Whom we hold.


async def test_a_restriction_is_new_once_and_then_the_first_one_stands(storage: Storage) -> None:
    first, first_is_new = await storage.want_restriction(wanted(name="Ann"))
    second, second_is_new = await storage.want_restriction(wanted(name="Other"))

    assert (first_is_new, second_is_new) == (True, False)
    assert first == second == await storage.restriction(-100, 5)
    assert first == msgspec.structs.replace(wanted(), version=first.version)


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
    here = (await storage.want_restriction(wanted(-100, 5)))[0]
    there = (await storage.want_restriction(wanted(-200, 5)))[0]
    other = (await storage.want_restriction(wanted(-100, 6)))[0]

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


async def test_a_restriction_advances_for_whoever_knows_its_version(storage: Storage) -> None:
    current, _ = await storage.want_restriction(wanted())

    held = await storage.advance_restriction(current, RestrictionState.HELD)
    late = await storage.advance_restriction(current, RestrictionState.RELEASING)

    assert held is not None
    assert held.state is RestrictionState.HELD
    assert held.version > current.version
    assert late is None
    assert await storage.restriction(-100, 5) == held


async def test_a_restriction_is_dropped_by_whoever_knows_its_version(storage: Storage) -> None:
    current, _ = await storage.want_restriction(wanted())
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
    old, _ = await storage.want_restriction(wanted())
    await storage.drop_restriction(old)
    new, is_new = await storage.want_restriction(wanted())

    assert is_new
    assert await storage.advance_restriction(old, RestrictionState.HELD) is None
    assert await storage.drop_restriction(old) is False
    assert await storage.restriction(-100, 5) == new


async def test_of_many_who_want_and_of_many_who_advance_at_once_one_wins(
    storage: Storage,
) -> None:
    news: list[Restriction] = []
    helds: list[Restriction] = []

    async def want() -> None:
        restriction, is_new = await storage.want_restriction(wanted())
        if is_new:
            news.append(restriction)

    async def advance(current: Restriction) -> None:
        held = await storage.advance_restriction(current, RestrictionState.HELD)
        if held is not None:
            helds.append(held)

    async with trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(want)
    async with trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(advance, news[0])

    assert len(news) == len(helds) == 1
    assert await storage.restrictions() == helds


# The live notice of a group.


async def test_a_notice_is_stored_once_and_comes_back(storage: Storage) -> None:
    people = ((5, "Ann"), (6, "Bob & <b>"))

    stored = await storage.save_notice(unsent(people=people))
    again = await storage.save_notice(unsent())

    assert stored is not None
    assert stored == msgspec.structs.replace(unsent(people=people), version=stored.version)
    assert again is None
    assert await storage.notice(-100) == stored
    assert await storage.notices() == [stored]
    assert await storage.notice(-200) is None


async def test_a_notice_changes_for_whoever_knows_its_version(storage: Storage) -> None:
    stored = await storage.save_notice(unsent())
    assert stored is not None
    sent = msgspec.structs.replace(
        stored, state=NoticeState.LIVE, message_id=11, people=(), expires_at=99.25
    )

    live = await storage.save_notice(sent)
    late = await storage.save_notice(sent)

    assert live == msgspec.structs.replace(sent, version=stored.version + 1)
    assert late is None
    assert await storage.notice(-100) == live


async def test_a_notice_is_dropped_by_whoever_knows_its_version(storage: Storage) -> None:
    stored = await storage.save_notice(unsent())
    assert stored is not None
    live = await storage.save_notice(stored)
    assert live is not None

    assert await storage.drop_notice(stored) is False
    assert await storage.drop_notice(live) is True
    assert await storage.drop_notice(live) is False
    assert await storage.notices() == []


async def test_a_late_change_does_not_hit_the_successor_of_a_dropped_notice(
    storage: Storage,
) -> None:
    old = await storage.save_notice(unsent())
    assert old is not None
    await storage.drop_notice(old)
    new = await storage.save_notice(unsent())

    assert await storage.save_notice(old) is None
    assert await storage.drop_notice(old) is False
    assert await storage.notice(-100) == new


# Updates that go on after they were acknowledged.


async def claim(
    storage: Storage,
    instance: str = "a",
    *,
    now: float = 20.0,
    until: float = 30.0,
    limit: int = 10,
) -> list[int]:
    claimed = await storage.claim_updates(instance=instance, now=now, until=until, limit=limit)
    return [update.update_id for update in claimed]


async def test_a_stored_update_is_in_the_hands_of_who_stored_it_until_the_claim_ends(
    storage: Storage,
) -> None:
    payload = b'{"update_id":1,"text":"\\ud83d \xff\x00"}'
    await storage.store_update(PendingUpdate(1, payload, 2, 10.0), claimed_by="a", claimed_to=20.0)

    assert await claim(storage, "b", now=19.9) == []
    assert await claim(storage, "a", now=19.9) == []
    claimed = await storage.claim_updates(instance="b", now=20.0, until=30.0, limit=10)
    assert claimed == [PendingUpdate(1, payload, 2, 10.0)]
    assert await claim(storage, "c", now=29.9) == []
    assert await claim(storage, "c", now=30.0) == [1]


async def test_an_update_stored_twice_is_kept_as_it_was_first(storage: Storage) -> None:
    await storage.store_update(due(1), claimed_by="a", claimed_to=20.0)
    await storage.store_update(PendingUpdate(1, b"other", 9, 0.0), claimed_by="b", claimed_to=0.0)

    assert await claim(storage, now=19.0) == []
    assert await storage.claim_updates(instance="b", now=20.0, until=30.0, limit=10) == [due(1)]


async def test_updates_come_due_in_order_and_no_more_than_asked_for(storage: Storage) -> None:
    for update_id, available_at in [(1, 12.0), (2, 11.0), (3, 12.0), (4, 13.0), (5, 99.0)]:
        await storage.store_update(due(update_id, available_at), claimed_by="z", claimed_to=0.0)

    assert await claim(storage, limit=2) == [2, 1]
    assert await claim(storage, limit=10) == [3, 4]
    assert await claim(storage, limit=10) == []


async def test_a_heartbeat_extends_the_claims_of_this_instance_alone(storage: Storage) -> None:
    await storage.store_update(due(1), claimed_by="a", claimed_to=20.0)
    await storage.store_update(due(2), claimed_by="b", claimed_to=20.0)

    await storage.extend_claims(instance="a", until=50.0)

    assert await claim(storage, "c", now=49.0, until=99.0) == [2]
    assert await claim(storage, "c", now=50.0, until=99.0) == [1]


async def test_a_postponed_update_is_in_nobodys_hands_and_comes_due_later(
    storage: Storage,
) -> None:
    await storage.store_update(due(1), claimed_by="a", claimed_to=99.0)

    await storage.postpone_update(1, attempts=3, available_at=25.0)
    await storage.extend_claims(instance="a", until=99.0)

    assert await claim(storage, "b", now=24.0) == []
    assert await storage.claim_updates(instance="b", now=25.0, until=30.0, limit=1) == [
        PendingUpdate(1, b"{}", 3, 25.0)
    ]


async def test_a_finished_update_is_forgotten_and_finishing_the_unknown_is_harmless(
    storage: Storage,
) -> None:
    await storage.store_update(due(1), claimed_by="a", claimed_to=0.0)

    await storage.finish_update(1)
    await storage.finish_update(1)
    await storage.postpone_update(1, attempts=1, available_at=0.0)

    assert await claim(storage) == []


async def test_instances_that_claim_at_once_never_get_the_same_update(
    open_storage: OpenStorage,
) -> None:
    claimed: list[int] = []

    async def work(storage: Storage, instance: str) -> None:
        while got := await claim(storage, instance, limit=3):
            claimed.extend(got)

    async with open_storage("shared") as one, open_storage("shared") as other:
        for update_id in range(60):
            await one.store_update(due(update_id), claimed_by="z", claimed_to=0.0)
        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(work, one, f"one {number}")
                nursery.start_soon(work, other, f"other {number}")

    assert sorted(claimed) == list(range(60))


# What people send, and what happens to processes.

JUNK = [
    pytest.param("", "", id="empty"),
    pytest.param("\N{FIRE}" * 64, "\N{FIRE}" * 64, id="64 emoji"),
    pytest.param("a\ud83dz", "a\ufffdz", id="high surrogate alone"),
    pytest.param("\udd25", "\ufffd", id="low surrogate alone"),
    pytest.param("\ud83d\udd25", "\N{FIRE}", id="pair of surrogates"),
    pytest.param("a\0b", "a\ufffdb", id="NUL"),
    pytest.param(
        "\u202e'; DROP TABLE owners; --%s?", "\u202e'; DROP TABLE owners; --%s?", id="SQL"
    ),
    pytest.param("\ufeff\n\t\x7f\\u0000", "\ufeff\n\t\x7f\\u0000", id="controls"),
]


@pytest.mark.parametrize(("given", "kept"), JUNK)
async def test_any_text_is_kept_or_mended_wherever_it_is_written(
    storage: Storage, given: str, kept: str
) -> None:
    params = {given: [given, {"a": given}]}
    group = Group(-100, 7, given, params=params)
    await storage.protect(Owner(7, given), group, [Channel(1, given, given, given)])
    restriction, _ = await storage.want_restriction(wanted(name=given, before={given: True}))
    notice = await storage.save_notice(unsent(people=((5, given),)))

    assert await storage.protected_group(-100) == ProtectedGroup(
        Group(-100, 7, kept, params={kept: [kept, {"a": kept}]}), (Channel(1, kept, kept, kept),)
    )
    assert (restriction.name, restriction.before) == (kept, {kept: True})
    assert notice is not None
    assert notice.people == ((5, kept),)
    assert await storage.notice(-100) == notice


@pytest.mark.parametrize("number", [LOWEST, HIGHEST, 0, -1_002_345_678_901])
async def test_ids_have_64_bits_and_a_sign(storage: Storage, number: int) -> None:
    channel = Channel(number, "", None, None)
    await storage.protect(Owner(number, None), Group(number, number, ""), [channel])
    restriction, _ = await storage.want_restriction(wanted(number, number, until_date=number))
    notice = await storage.save_notice(unsent(number, message_id=number, people=((number, ""),)))
    await storage.store_update(due(number), claimed_by="a", claimed_to=0.0)

    assert await storage.protected_groups() == [
        ProtectedGroup(Group(number, number, ""), (channel,))
    ]
    assert await storage.restriction(number, number) == restriction
    assert restriction.until_date == number
    assert await storage.notice(number) == notice
    assert await claim(storage) == [number]


@pytest.mark.parametrize("number", [LOWEST - 1, HIGHEST + 1])
async def test_an_id_beyond_64_bits_is_refused_and_harms_nothing(
    storage: Storage, number: int
) -> None:
    for call in (
        partial(storage.restriction, number, 1),
        partial(storage.want_restriction, wanted(number)),
        partial(storage.finish_update, number),
    ):
        with pytest.raises(StorageError) as caught:
            await call()
        assert type(caught.value) is StorageError

    await storage.ping()
    assert await storage.restrictions() == []


async def test_what_was_written_is_there_after_closing_and_opening(
    open_storage: OpenStorage,
) -> None:
    async with open_storage("kept") as storage:
        await storage.protect(OWNER, GROUP, [NEWS])
        restriction, _ = await storage.want_restriction(wanted())

    async with open_storage("kept") as storage:
        assert await storage.protected_groups() == [ProtectedGroup(GROUP, (NEWS,))]
        assert await storage.restrictions() == [restriction]


async def test_who_is_cancelled_has_written_whole_or_not_at_all_and_disturbs_nobody(
    storage: Storage,
) -> None:
    async def protect_impatiently(number: int) -> None:
        with trio.move_on_after(number % 50 / 10_000):
            await storage.protect(Owner(number, None), Group(number, number, ""), [NEWS, CLUB])

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            for number in range(400):
                nursery.start_soon(protect_impatiently, number)
        await storage.protect(OWNER, GROUP, [NEWS])
        groups = await storage.protected_groups()

    assert all(found.channels == (NEWS, CLUB) for found in groups if found.group.group_id >= 0)
    assert any(found.group.group_id == -100 for found in groups)


async def test_cancelled_look_ups_leave_the_storage_usable(storage: Storage) -> None:
    await storage.protect(OWNER, GROUP, [NEWS])

    with trio.fail_after(20):
        for _ in range(200):
            with trio.CancelScope() as scope:
                scope.cancel()
                await storage.protected_groups()
        assert len(await storage.protected_groups()) == 1


async def test_a_closed_storage_says_so_and_may_be_closed_again(open_storage: OpenStorage) -> None:
    async with open_storage("gmbot") as storage:
        await storage.ping()
        await storage.aclose()
        await storage.aclose()

    with pytest.raises(StorageUnavailable, match="closed"):
        await storage.ping()


async def test_closing_finishes_what_was_asked_for(open_storage: OpenStorage) -> None:
    async with open_storage("gmbot") as storage, trio.open_nursery() as nursery:
        for user_id in range(50):
            nursery.start_soon(storage.want_restriction, wanted(user_id=user_id))
        await wait_all_tasks_blocked()
        await storage.aclose()

    async with open_storage("gmbot") as storage:
        assert len(await storage.restrictions()) == 50
