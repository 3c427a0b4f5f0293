"""What every storage must do when a group gets a new id."""

import msgspec
import pytest
import trio

from gmbot.storage.errors import StorageError
from gmbot.storage.protocol import Storage
from gmbot.storage.records import (
    Group,
    NoticeState,
    Owner,
    ProtectedGroup,
    ProtectionRequest,
    Restriction,
    RestrictionState,
    Sighting,
)
from tests.storage.samples import CLUB, GROUP, HIGHEST, NEWS, OWNER, live, unsent, want, wanted

OLD, NEW = -100, -1_000_000_000_100


def at(group_id: int, restriction: Restriction | None) -> Restriction | None:
    """Return a record as it must look after it was moved; its version is the storage's matter."""
    if restriction is None:
        return None
    return msgspec.structs.replace(restriction, group_id=group_id, version=0)


async def test_everything_of_a_group_follows_to_its_new_id(storage: Storage) -> None:
    group = Group(OLD, 7, "Chat", enabled=False, params={"language": "de"})
    await storage.protect(OWNER, group, [CLUB, NEWS])
    await storage.save_protection_request(ProtectionRequest(OLD, OWNER, (-1001,)))
    fresh = await want(storage, wanted(OLD, 5, before={"can_send_polls": True}, until_date=99))
    held = await storage.advance_restriction(
        await want(storage, wanted(OLD, 6)), RestrictionState.HELD
    )
    await storage.pardon(OLD, 7, given_at=10.0)
    await storage.warn(OLD, 5, 1000, now=10.0)
    await storage.save_sightings([Sighting(OLD, 5, 10.0)])

    for _ in range(2):
        await storage.migrate_group(OLD, NEW)

        assert await storage.protected_group(OLD) is None
        assert await storage.protected_group(NEW) == ProtectedGroup(
            msgspec.structs.replace(group, group_id=NEW), (CLUB, NEWS)
        )
        assert await storage.protection_request(OLD) is None
        assert await storage.protection_request(NEW) == ProtectionRequest(NEW, OWNER, (-1001,))
        assert await storage.restrictions_in(OLD) == []
        assert at(NEW, await storage.restriction(NEW, 5)) == at(NEW, fresh)
        assert at(NEW, await storage.restriction(NEW, 6)) == at(NEW, held)
        assert not await storage.is_pardoned(OLD, 7)
        assert await storage.is_pardoned(NEW, 7)
        assert await storage.seen_in(OLD, since=0.0) == []
        assert await storage.seen_in(NEW, since=10.0) == [5]
    assert await storage.warn(NEW, 5, 1, now=20.0) == 2
    assert await storage.warn(OLD, 5, 1001, now=20.0) == 1


async def test_other_groups_stay_where_they_are(storage: Storage) -> None:
    group = Group(-300, 7, "Other")
    await storage.protect(OWNER, group, [NEWS])
    await storage.protect(OWNER, GROUP, [NEWS])
    await storage.save_protection_request(ProtectionRequest(-300, OWNER, ()))
    restriction = await want(storage, wanted(-300, 5))
    await storage.pardon(-300, 6, given_at=10.0)
    await storage.warn(-300, 5, 1, now=10.0)
    await storage.save_sightings([Sighting(-300, 5, 10.0)])
    notice = await storage.save_notice(live(-300, 5))

    await storage.migrate_group(OLD, NEW)

    assert await storage.protected_group(-300) == ProtectedGroup(group, (NEWS,))
    assert await storage.protection_request(-300) is not None
    assert await storage.restrictions() == [restriction]
    assert await storage.untold_restrictions() == []
    assert await storage.is_pardoned(-300, 6)
    assert await storage.warn(-300, 5, 2, now=20.0) == 2
    assert await storage.groups_seen(5) == [-300]
    assert await storage.notices() == [notice]


async def test_an_unknown_group_migrates_to_nothing(storage: Storage) -> None:
    await storage.migrate_group(OLD, NEW)

    assert await storage.protected_group(NEW) is None


async def test_a_group_that_keeps_its_id_keeps_everything(storage: Storage) -> None:
    await storage.protect(OWNER, GROUP, [NEWS])
    restriction = await want(storage, wanted(OLD, 5))

    await storage.migrate_group(OLD, OLD)

    assert await storage.protected_groups() == [ProtectedGroup(GROUP, (NEWS,))]
    assert await storage.restrictions() == [restriction]


async def test_where_both_are_known_the_new_ones_rows_stand_and_get_what_they_lack(
    storage: Storage,
) -> None:
    new = Group(NEW, 8, "Renamed", params={"language": "de"})
    await storage.protect(Owner(8, None), new, [NEWS])
    await storage.protect(OWNER, Group(OLD, 7, "Chat", params={"warnings": 2}), [CLUB, NEWS])
    await storage.save_protection_request(ProtectionRequest(OLD, OWNER, (-1002,)))
    own_request = ProtectionRequest(NEW, OWNER, (-1001,))
    await storage.save_protection_request(own_request)
    own = await want(storage, wanted(NEW, 5, name="Own"))
    await want(storage, wanted(OLD, 5, name="Earlier"))
    lacking = await want(storage, wanted(OLD, 6))
    await storage.pardon(OLD, 8, given_at=10.0)
    await storage.pardon(NEW, 8, given_at=10.0)
    await storage.pardon(OLD, 9, given_at=10.0)
    await storage.warn(OLD, 5, 10, now=10.0)
    await storage.warn(OLD, 5, 11, now=20.0)
    await storage.warn(NEW, 5, 1, now=30.0)
    await storage.save_sightings([Sighting(OLD, 5, 10.0), Sighting(OLD, 6, 10.0)])
    await storage.save_sightings([Sighting(NEW, 5, 30.0)])

    await storage.migrate_group(OLD, NEW)

    found = await storage.protected_group(NEW)
    assert found is not None
    assert found.group == new
    assert set(found.channels) == {NEWS, CLUB}
    assert await storage.protection_request(NEW) == own_request
    assert await storage.restriction(NEW, 5) == own
    assert at(NEW, await storage.restriction(NEW, 6)) == at(NEW, lacking)
    assert len(await storage.restrictions()) == 2
    assert await storage.is_pardoned(NEW, 8)
    assert await storage.is_pardoned(NEW, 9)
    assert await storage.warn(NEW, 5, 2, now=40.0) == 2
    assert await storage.seen_in(NEW, since=20.0) == [5]
    assert await storage.seen_in(NEW, since=0.0) == [5, 6]
    assert await storage.groups_seen(5) == [NEW]
    assert await storage.protected_group(OLD) is None
    assert await storage.protection_request(OLD) is None
    assert not await storage.is_pardoned(OLD, 8)
    assert await storage.warn(OLD, 5, 99, now=90.0) == 1


async def test_nobody_comes_to_be_held_and_pardoned_at_once(storage: Storage) -> None:
    await want(storage, wanted(OLD, 5))
    await storage.pardon(NEW, 5, given_at=10.0)
    await storage.pardon(OLD, 6, given_at=10.0)
    own = await want(storage, wanted(NEW, 6))

    await storage.migrate_group(OLD, NEW)

    assert await storage.restrictions() == [own]
    assert await storage.is_pardoned(NEW, 5)
    assert not await storage.is_pardoned(NEW, 6)


async def test_the_old_notice_goes_and_whom_it_named_counts_as_not_told(storage: Storage) -> None:
    for user_id in (5, 6, 7):
        await want(storage, wanted(OLD, user_id))
    earlier = await storage.save_notice(live(OLD, 5, 6))
    assert earlier is not None
    await storage.save_notice(msgspec.structs.replace(live(OLD, 6), version=earlier.version))

    await storage.migrate_group(OLD, NEW)

    assert await storage.notices() == []
    # 5 was named before, 6 in the notice that is lost, 7 never.
    untold = await storage.untold_restrictions()
    assert [(one.group_id, one.user_id) for one in untold] == [(NEW, 6), (NEW, 7)]


async def test_the_new_ones_own_notice_stands(storage: Storage) -> None:
    await want(storage, wanted(OLD, 5))
    await want(storage, wanted(NEW, 6))
    await storage.save_notice(live(OLD, 5))
    own = await storage.save_notice(live(NEW, 6))

    await storage.migrate_group(OLD, NEW)

    assert await storage.notices() == [own]
    assert [one.user_id for one in await storage.untold_restrictions()] == [5]


async def test_a_change_decided_before_a_group_migrated_hits_nothing_after(
    storage: Storage,
) -> None:
    before = await want(storage, wanted(OLD, 5))
    notice = await storage.save_notice(unsent(OLD))
    assert notice is not None
    dropped = await want(storage, wanted(NEW, 5))
    assert await storage.drop_restriction(dropped)

    await storage.migrate_group(OLD, NEW)

    moved = await storage.restriction(NEW, 5)
    assert moved is not None
    assert moved.version not in {before.version, dropped.version}
    assert await storage.advance_restriction(before, RestrictionState.HELD) is None
    assert await storage.drop_restriction(dropped) is False
    sent = msgspec.structs.replace(notice, state=NoticeState.LIVE, message_id=11)
    assert await storage.save_notice(sent) is None
    assert await storage.advance_restriction(moved, RestrictionState.HELD) is not None


async def test_what_was_written_late_to_the_old_id_follows_when_it_is_repeated(
    storage: Storage,
) -> None:
    await storage.protect(OWNER, GROUP, [NEWS])
    await storage.migrate_group(OLD, NEW)
    late = await want(storage, wanted(OLD, 5))

    await storage.migrate_group(OLD, NEW)

    assert at(NEW, await storage.restriction(NEW, 5)) == at(NEW, late)


async def test_migrating_happens_whole_or_not_at_all(storage: Storage) -> None:
    await storage.protect(OWNER, GROUP, [NEWS])
    restriction = await want(storage, wanted(OLD, 5))
    notice = await storage.save_notice(live(OLD, 5))

    with pytest.raises(StorageError):
        await storage.migrate_group(OLD, HIGHEST + 1)

    assert await storage.protected_groups() == [ProtectedGroup(GROUP, (NEWS,))]
    assert await storage.restrictions() == [restriction]
    assert await storage.notices() == [notice]
    assert await storage.untold_restrictions() == []


async def test_many_who_migrate_at_once_move_everything_once(storage: Storage) -> None:
    await storage.protect(OWNER, GROUP, [CLUB, NEWS])
    for user_id in range(5):
        await want(storage, wanted(OLD, user_id))

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(storage.migrate_group, OLD, NEW)

    assert await storage.protected_groups() == [
        ProtectedGroup(msgspec.structs.replace(GROUP, group_id=NEW), (CLUB, NEWS))
    ]
    assert [one.user_id for one in await storage.restrictions_in(NEW)] == [0, 1, 2, 3, 4]
