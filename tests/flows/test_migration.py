"""A basic group becomes a supergroup: what was known of the old one follows."""

import pytest
import trio
from trio.testing import MockClock

from gmbot.api.errors import ChatMigrated
from gmbot.flows.migration import migrated
from gmbot.guard.params import Params
from gmbot.sandbox.chats import Chat
from gmbot.storage.records import (
    Group,
    NoticeState,
    Owner,
    ProtectionRequest,
    Restriction,
    RestrictionState,
)
from tests.flows.hearing import unheard
from tests.guard.town import Town, settle


def basic_group(town: Town) -> Chat:
    return town.world.basic_group(
        "Friends", creator=town.anna, members=[town.sue, town.max, town.telegram.bot]
    )


async def asked_for(town: Town, group: Chat) -> None:
    owner = Owner(town.anna.id, town.anna.username)
    await town.storage.save_protection_request(
        ProtectionRequest(group.id, owner, (town.channel.id,))
    )


async def guarded(town: Town, group: Chat) -> None:
    """Let a group be guarded and hold Sue, as it can be where it was restored from elsewhere."""
    owner = Owner(town.anna.id, town.anna.username)
    known = await town.bot.guard.policies.known(town.group.id)
    assert known is not None
    await town.bot.guard.policies.protect(
        owner, Group(group.id, town.anna.id, group.title), known.channels
    )
    wanted = Restriction(group.id, town.sue.id, "Sue", RestrictionState.WANTED, 0, None, None)
    record, _is_new = await town.storage.want_restriction(wanted)
    await town.storage.advance_restriction(record, RestrictionState.HELD)


async def jobs_done() -> None:
    await trio.sleep(4)
    await settle()


async def test_a_protect_that_waited_is_completed(autojump_clock: MockClock, town: Town) -> None:
    basic = basic_group(town)
    town.anna.promote(basic, town.telegram.bot)
    await asked_for(town, basic)
    group = town.anna.migrate(basic)
    await jobs_done()
    message = town.sue.write(group, "Buy!")
    await settle()

    assert message.deleted
    assert len([m for m in group.visible() if m.sender is town.telegram.bot and not m.markup]) == 1


async def test_a_protect_waits_on_for_the_rights(autojump_clock: MockClock, town: Town) -> None:
    basic = basic_group(town)
    await asked_for(town, basic)
    group = town.anna.migrate(basic)
    await jobs_done()
    assert town.bot.guard.policies.get(group.id) is None
    town.anna.promote(group, town.telegram.bot)
    await jobs_done()

    assert town.bot.guard.policies.get(group.id) is not None


@pytest.mark.parametrize("order", [(1,), (2,), (1, 2), (2, 1), (2, 1, 2, 1)], ids=str)
async def test_all_follows_in_any_order_and_number(
    autojump_clock: MockClock, town: Town, order: tuple[int, ...]
) -> None:
    basic = basic_group(town)
    town.anna.promote(basic, town.telegram.bot)
    await settle()
    await guarded(town, basic)
    with unheard(town):
        group = town.anna.migrate(basic)
    for side in order:
        content = {1: (basic, "migrate_to_chat_id"), 2: (group, "migrate_from_chat_id")}
        chat, field = content[side]
        told = next(m for m in chat.messages.values() if field in m.content)
        town.world.tell(town.telegram.bot, "message", told.payload())
        await settle()
    await jobs_done()

    assert town.bot.guard.policies.get(basic.id) is None
    policy = town.bot.guard.policies.get(group.id)
    assert policy is not None
    assert policy.channel_ids == {town.channel.id}
    assert await town.storage.restriction(basic.id, town.sue.id) is None
    assert await town.storage.restrictions_in(group.id) != []


async def test_a_notice_is_shown_where_the_group_is_now(
    autojump_clock: MockClock, town: Town
) -> None:
    basic = basic_group(town)
    town.anna.promote(basic, town.telegram.bot)
    await settle()
    await guarded(town, basic)
    town.bot.board.add(basic.id, town.sue.id, "Sue")
    await settle()
    group = town.anna.migrate(basic)
    await jobs_done()

    (notice,) = [m for m in group.visible() if m.markup]
    assert notice.text.startswith("Sue")
    stored = await town.storage.notice(group.id)
    assert stored is not None
    assert stored.state is NoticeState.LIVE
    assert await town.storage.notice(basic.id) is None


async def test_a_call_that_is_refused_for_it_tells_of_it_too(
    autojump_clock: MockClock, town: Town
) -> None:
    basic = basic_group(town)
    town.anna.promote(basic, town.telegram.bot)
    await settle()
    await guarded(town, basic)
    with unheard(town):
        group = town.anna.migrate(basic)
    with pytest.raises(ChatMigrated):
        await town.bot.guard.api.send_message(basic.id, "Anybody here?")
    await jobs_done()

    assert town.bot.guard.policies.get(group.id) is not None


async def test_a_flow_that_meets_the_old_id_follows_with_everything_and_goes_on_there(
    autojump_clock: MockClock, town: Town
) -> None:
    basic = basic_group(town)
    town.anna.promote(basic, town.telegram.bot)
    await settle()
    await guarded(town, basic)
    await town.bot.guard.policies.set_params(basic.id, Params(language="de"))
    town.bot.board.add(basic.id, town.sue.id, "Sue")
    await settle()
    with unheard(town):
        group = town.anna.migrate(basic)
    town.max.leave(town.channel)  # its flow names the old id, and is told the new one
    await trio.sleep(20)

    policy = town.bot.guard.policies.get(group.id)
    assert policy is not None
    assert policy.params.language == "de"
    assert not town.world.can_write(town.max, group)
    (notice,) = [m for m in group.visible() if m.markup]
    assert notice.text.startswith("Sue und Max: ")
    town.sue.join(town.channel)
    await trio.sleep(20)
    assert notice.text.startswith("Max: ")
    assert {r.user_id for r in await town.storage.restrictions_in(group.id)} == {town.max.id}
    assert await town.storage.restrictions_in(basic.id) == []
    for table in ("pending_updates", "jobs"):
        assert town.storage.rows(table) == []


async def test_a_group_that_is_not_guarded_just_gets_another_id(
    autojump_clock: MockClock, town: Town
) -> None:
    basic = basic_group(town)
    group = town.anna.migrate(basic)
    await jobs_done()
    await migrated(town.bot.guard, basic.id, group.id)
    await jobs_done()

    assert group.texts() == []
    assert town.storage.rows("protected_groups")[0][0] == town.group.id
    assert len(town.storage.rows("protected_groups")) == 1
