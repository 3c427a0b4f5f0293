"""What every storage must do with notices, and with whom they tell."""

import msgspec

from gmbot.storage.protocol import Storage
from gmbot.storage.records import (
    Named,
    NoticeState,
    RestrictionState,
)
from tests.storage.samples import live, unsent, want, wanted

# The live notice of a group.


async def test_a_notice_is_stored_once_and_comes_back(storage: Storage) -> None:
    people = (Named(5, "Ann"), Named(6, "Bob & <b>", is_new=True))

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


async def test_a_notice_comes_back_with_who_is_new_in_it(storage: Storage) -> None:
    people = (Named(5, "Ann", is_new=True), Named(-1003, "Some channel"))

    await storage.save_notice(unsent(people=people))

    found = await storage.notice(-100)
    assert found is not None
    assert found.people == people


# Whom a notice has told.


async def untold(storage: Storage) -> list[int]:
    return [one.user_id for one in await storage.untold_restrictions()]


async def test_a_live_notice_has_told_whom_it_names_and_changes_no_version(
    storage: Storage,
) -> None:
    ann = await want(storage, wanted(user_id=5))
    bob = await want(storage, wanted(user_id=6))
    assert await storage.untold_restrictions() == [ann, bob]

    await storage.save_notice(live(-100, 5))

    assert await storage.untold_restrictions() == [bob]
    assert await storage.restriction(-100, 5) == ann
    assert await storage.advance_restriction(ann, RestrictionState.HELD) is not None
    assert await untold(storage) == [6]


async def test_a_notice_that_is_being_sent_has_told_nobody_until_it_is_live(
    storage: Storage,
) -> None:
    await want(storage, wanted(user_id=5))

    sending = await storage.save_notice(unsent())
    assert sending is not None
    assert await untold(storage) == [5]
    await storage.save_notice(msgspec.structs.replace(sending, state=NoticeState.LIVE))
    assert await untold(storage) == []


async def test_a_notice_that_was_not_stored_has_told_nobody(storage: Storage) -> None:
    await want(storage, wanted(user_id=5))
    stored = await storage.save_notice(unsent())
    assert stored is not None

    assert await storage.save_notice(live(-100, 5)) is None
    late = msgspec.structs.replace(live(-100, 5), version=stored.version - 1)
    assert await storage.save_notice(late) is None

    assert await untold(storage) == [5]


async def test_who_was_told_stays_told_when_the_notice_goes(storage: Storage) -> None:
    await want(storage, wanted(user_id=5))
    stored = await storage.save_notice(live(-100, 5))
    assert stored is not None

    await storage.save_notice(msgspec.structs.replace(stored, people=()))
    await storage.drop_notice(msgspec.structs.replace(stored, version=stored.version + 1))

    assert await storage.notices() == []
    assert await untold(storage) == []


async def test_a_live_notice_that_goes_has_told_who_is_held_since_it_was_written(
    storage: Storage,
) -> None:
    stored = await storage.save_notice(live(-100, 5))
    assert stored is not None
    await want(storage, wanted(user_id=5))
    await want(storage, wanted(user_id=6))
    assert await untold(storage) == [5, 6]

    late = msgspec.structs.replace(stored, version=stored.version - 1)
    assert await storage.drop_notice(late) is False
    assert await untold(storage) == [5, 6]
    assert await storage.drop_notice(stored) is True

    assert await untold(storage) == [6]


async def test_a_notice_that_goes_unsent_has_told_nobody(storage: Storage) -> None:
    await want(storage, wanted(user_id=5))
    sending = await storage.save_notice(unsent())
    assert sending is not None

    await storage.drop_notice(sending)

    assert await untold(storage) == [5]


async def test_a_notice_tells_nobody_of_another_group(storage: Storage) -> None:
    await want(storage, wanted(-200, 5))

    await storage.save_notice(live(-100, 5))

    assert await untold(storage) == [5]


async def test_who_is_held_once_more_has_not_been_told_of_it(storage: Storage) -> None:
    first = await want(storage, wanted(user_id=5))
    await storage.save_notice(live(-100, 5))
    await storage.drop_restriction(first)

    await want(storage, wanted(user_id=5))

    assert await untold(storage) == [5]
