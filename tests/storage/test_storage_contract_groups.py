"""What every storage must do with groups and the channels they require."""

import time
from typing import Any

import msgspec
import pytest
import trio

from gmbot.storage.errors import StorageError
from gmbot.storage.protocol import Storage
from gmbot.storage.records import (
    Channel,
    Group,
    Owner,
    ProtectedGroup,
    ProtectionRequest,
)
from tests.storage.samples import CLUB, GROUP, HIGHEST, NEWS, OWNER

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


async def test_groups_that_were_disabled_lately_and_require_a_channel_are_suspended(
    storage: Storage,
) -> None:
    for group_id in (-100, -200, -300, -400):
        await storage.protect(OWNER, Group(group_id, 7, "Chat"), [NEWS, CLUB])
    for group_id in (-100, -200, -400):
        await storage.set_group_enabled(group_id, enabled=False)
    await storage.unprotect(-400, [-1001, -1002])
    began = time.time()

    assert await storage.suspended_groups(since=began - 60) == [-200, -100]
    assert await storage.suspended_groups(since=began + 60) == []
    await storage.set_group_enabled(-200, enabled=True)
    assert await storage.suspended_groups(since=began - 60) == [-100]


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


# What a group has set, and what becomes of its channels.


async def params(storage: Storage) -> dict[str, Any]:
    found = await storage.protected_group(-100)
    assert found is not None
    return found.group.params


async def test_what_a_group_has_set_takes_the_place_of_what_it_had(storage: Storage) -> None:
    await storage.protect(OWNER, Group(-100, 7, "Chat", params={"language": "de"}), [NEWS])

    await storage.set_params(-100, {"warnings": 2, "text": "Hi"})
    assert await params(storage) == {"warnings": 2, "text": "Hi"}
    await storage.set_params(-100, {})
    assert await params(storage) == {}


async def test_setting_params_and_renaming_leave_the_unknown_unknown(storage: Storage) -> None:
    await storage.set_params(-100, {"warnings": 2})
    await storage.rename_channel(-1001, "News", "news")
    assert await storage.set_channel_hidden(-1001, hidden=True) is False

    await storage.protect(OWNER, GROUP, [NEWS])
    assert await storage.protected_groups() == [ProtectedGroup(GROUP, (NEWS,))]


async def test_that_a_channel_is_hidden_is_news_once_and_shows_in_all_groups(
    storage: Storage,
) -> None:
    other = Group(-200, 7, "Other")
    await storage.protect(OWNER, GROUP, [NEWS, CLUB])
    await storage.protect(OWNER, other, [NEWS])
    hidden = msgspec.structs.replace(NEWS, hidden=True)

    assert await storage.set_channel_hidden(-1001, hidden=False) is False
    assert await storage.set_channel_hidden(-1001, hidden=True) is True
    assert await storage.set_channel_hidden(-1001, hidden=True) is False
    assert await storage.protected_groups() == [
        ProtectedGroup(other, (hidden,)),
        ProtectedGroup(GROUP, (hidden, CLUB)),
    ]
    found = await storage.protected_group(-200)
    assert found == ProtectedGroup(other, (hidden,))
    assert found.channels[0].hidden is True
    assert await storage.set_channel_hidden(-1001, hidden=False) is True
    assert await storage.protected_group(-200) == ProtectedGroup(other, (NEWS,))


async def test_of_many_who_find_a_channel_hidden_at_once_one_has_the_news(
    storage: Storage,
) -> None:
    await storage.protect(OWNER, GROUP, [NEWS])
    news: list[bool] = []

    async def hide() -> None:
        news.append(await storage.set_channel_hidden(-1001, hidden=True))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(hide)

    assert sum(news) == 1


async def test_protecting_writes_whether_a_new_channel_is_hidden_and_never_of_a_known_one(
    storage: Storage,
) -> None:
    hidden = msgspec.structs.replace(NEWS, hidden=True)
    await storage.protect(OWNER, GROUP, [hidden, CLUB])
    assert await storage.set_channel_hidden(-1001, hidden=True) is False

    await storage.protect(OWNER, GROUP, [NEWS, msgspec.structs.replace(CLUB, hidden=True)])

    assert await storage.protected_group(-100) == ProtectedGroup(GROUP, (hidden, CLUB))


async def test_a_channel_is_known_also_where_no_group_requires_it_any_more(
    storage: Storage,
) -> None:
    assert await storage.channel(-1002) is None
    await storage.protect(OWNER, GROUP, [NEWS, CLUB])
    await storage.set_channel_hidden(-1002, hidden=True)

    await storage.unprotect(-100, [-1002])

    assert await storage.channel(-1001) == NEWS
    found = await storage.channel(-1002)
    assert found == msgspec.structs.replace(CLUB, hidden=True)
    assert found.hidden is True


async def test_a_channel_takes_its_present_names_and_keeps_the_rest(storage: Storage) -> None:
    await storage.protect(OWNER, GROUP, [CLUB, NEWS])
    await storage.set_channel_hidden(-1001, hidden=True)

    await storage.rename_channel(-1001, "Old news", None)
    await storage.rename_channel(-1002, "Club", "club")

    assert await storage.protected_group(-100) == ProtectedGroup(
        GROUP,
        (
            Channel(-1002, "Club", "club", "https://t.me/+secret"),
            Channel(-1001, "Old news", None, "https://t.me/news", hidden=True),
        ),
    )


async def test_a_channel_takes_a_link_where_it_has_none(storage: Storage) -> None:
    await storage.protect(OWNER, GROUP, [NEWS, Channel(-1003, "Open", "open", None)])

    await storage.rename_channel(-1001, "News", "news", "https://t.me/+other")
    await storage.rename_channel(-1003, "Open", None, "https://t.me/+first")
    await storage.rename_channel(-1003, "Closed", None)

    assert await storage.protected_group(-100) == ProtectedGroup(
        GROUP, (NEWS, Channel(-1003, "Closed", None, "https://t.me/+first"))
    )


# What was asked for in a basic group.

REQUEST = ProtectionRequest(-100, OWNER, (-1002, -1001))


async def test_a_request_comes_back_until_it_is_dropped(storage: Storage) -> None:
    assert await storage.protection_request(-100) is None
    await storage.save_protection_request(REQUEST)

    assert await storage.protection_request(-100) == REQUEST
    assert await storage.protection_request(-200) is None
    assert await storage.protected_group(-100) is None
    await storage.drop_protection_request(-100)
    await storage.drop_protection_request(-100)
    assert await storage.protection_request(-100) is None


async def test_a_later_request_takes_the_place_of_the_earlier_one_of_its_group(
    storage: Storage,
) -> None:
    later = ProtectionRequest(-100, Owner(8, None), ())
    other = ProtectionRequest(-200, OWNER, (-1001,))
    await storage.save_protection_request(REQUEST)
    await storage.save_protection_request(other)

    await storage.save_protection_request(later)

    assert await storage.protection_request(-100) == later
    assert await storage.protection_request(-200) == other


async def test_protecting_a_group_is_the_end_of_its_request_alone(storage: Storage) -> None:
    other = ProtectionRequest(-200, OWNER, (-1001,))
    await storage.save_protection_request(REQUEST)
    await storage.save_protection_request(other)

    await storage.protect(OWNER, GROUP, [NEWS])

    assert await storage.protection_request(-100) is None
    assert await storage.protection_request(-200) == other


async def test_protecting_in_vain_leaves_the_request_waiting(storage: Storage) -> None:
    await storage.save_protection_request(REQUEST)

    with pytest.raises(StorageError):
        await storage.protect(OWNER, Group(-100, 8, "of nobody known"), [NEWS])

    assert await storage.protection_request(-100) == REQUEST
