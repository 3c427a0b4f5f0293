"""What every storage must do, whatever it keeps; all of the contract runs over each of conftest's."""

from functools import partial

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from gmbot.storage.errors import StorageError, StorageUnavailable
from gmbot.storage.protocol import Storage
from gmbot.storage.records import (
    Channel,
    Group,
    Named,
    Owner,
    ProtectedGroup,
    ProtectionRequest,
    Sighting,
)
from tests.storage.samples import (
    CLUB,
    GROUP,
    HIGHEST,
    LOWEST,
    NEWS,
    OWNER,
    OpenStorage,
    claim,
    due,
    unsent,
    want,
    wanted,
)

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
    restriction = await want(storage, wanted(name=given, before={given: True}))
    notice = await storage.save_notice(unsent(people=(Named(5, given),)))
    await storage.add_job("text", given, params, now=10.0)
    (job,) = await storage.claim_jobs(instance="a", now=10.0, until=20.0, limit=1)

    assert await storage.protected_group(-100) == ProtectedGroup(
        Group(-100, 7, kept, params={kept: [kept, {"a": kept}]}), (Channel(1, kept, kept, kept),)
    )
    assert (restriction.name, restriction.before) == (kept, {kept: True})
    assert notice is not None
    assert notice.people == (Named(5, kept),)
    assert await storage.notice(-100) == notice
    assert (job.key, job.payload) == (kept, {kept: [kept, {"a": kept}]})
    assert await storage.finish_job(job)


@pytest.mark.parametrize(("given", "kept"), JUNK)
async def test_any_text_is_kept_or_mended_where_it_is_changed(
    storage: Storage, given: str, kept: str
) -> None:
    await storage.protect(OWNER, GROUP, [NEWS])

    await storage.set_params(-100, {"text": given})
    await storage.rename_channel(-1001, given, given)
    assert await storage.claim_effect(given)
    assert not await storage.claim_effect(given)
    await storage.release_effect(given)
    assert await storage.claim_effect(given)
    await storage.save_protection_request(ProtectionRequest(-200, Owner(8, given), ()))
    await storage.add_job("text", given, {}, now=10.0)
    (job,) = await storage.claim_jobs(instance="a", now=10.0, until=20.0, limit=1)
    await storage.save_job(msgspec.structs.replace(job, key=given), {"text": given})
    await storage.postpone_job(job, attempts=0, available_at=0.0)
    (job,) = await storage.claim_jobs(instance="a", now=10.0, until=20.0, limit=1)

    group = msgspec.structs.replace(GROUP, params={"text": kept})
    channel = Channel(-1001, kept, kept, NEWS.invite_link)
    assert await storage.protected_group(-100) == ProtectedGroup(group, (channel,))
    request = ProtectionRequest(-200, Owner(8, kept), ())
    assert await storage.protection_request(-200) == request
    assert job.payload == {"text": kept}


@pytest.mark.parametrize("number", [LOWEST, HIGHEST, 0, -1_002_345_678_901])
async def test_ids_have_64_bits_and_a_sign(storage: Storage, number: int) -> None:
    channel = Channel(number, "", None, None)
    await storage.protect(Owner(number, None), Group(number, number, ""), [channel])
    restriction = await want(storage, wanted(number, number, until_date=number))
    notice = await storage.save_notice(
        unsent(number, message_id=number, people=(Named(number, ""),))
    )
    await storage.store_update(due(number), claimed_by="a", claimed_to=0.0)
    await storage.pardon(number, 1, given_at=10.0)
    await storage.warn(number, number, number, now=10.0)
    await storage.save_sightings([Sighting(number, number, 10.0)])
    await storage.save_join_request(number, number)

    assert await storage.is_pardoned(number, 1)
    assert await storage.groups_seen(number) == await storage.seen_in(number, since=0) == [number]
    assert await storage.has_join_request(number, number)
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
        restriction = await want(storage, wanted())

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
