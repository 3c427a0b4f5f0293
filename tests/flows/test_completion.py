"""A basic group: /protect is remembered, and done when the group has become a supergroup."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gmbot.flows.completion import complete
from gmbot.sandbox.chats import Chat
from gmbot.storage.records import ProtectionRequest
from tests.guard.town import Town, last_update, settle

pytestmark = pytest.mark.parametrize("town_options", [{"protected": False}], ids=[""])

DONE = "This group is protected: who writes here has to be in News 0."


@pytest.fixture
def basic(town: Town) -> Chat:
    bot = town.telegram.bot
    return town.world.basic_group("Basic", creator=town.anna, members=[bot, town.max, town.sue])


async def request(town: Town, group: Chat) -> ProtectionRequest | None:
    return await town.bot.guard.policies.remembered(group.id)


def said(town: Town, group: Chat) -> list[str]:
    return [m.text for m in group.visible() if m.sender is town.telegram.bot]


async def moved(town: Town, basic: Chat, **rights: bool) -> Chat:
    """Let the group become a supergroup, and what is written about it follow."""
    group = town.anna.migrate(basic)
    await town.bot.guard.policies.migrate(basic.id, group.id)
    await settle()
    if rights:
        town.anna.promote(group, town.telegram.bot, **rights)
        await settle()
    return group


async def test_a_basic_groups_wish_is_remembered(
    autojump_clock: MockClock, town: Town, basic: Chat
) -> None:
    town.anna.command(basic, "/protect @news_0")
    await settle()

    asked = await request(town, basic)
    assert asked is not None
    assert asked.channel_ids == (town.channel.id,)
    assert asked.owner.user_id == town.anna.id
    (text,) = said(town, basic)
    assert "supergroups only" in text
    assert "has to be in News 0" in text
    assert town.storage.rows("protected_groups") == []


async def test_wishes_add_up_and_can_be_asked_for(
    autojump_clock: MockClock, town: Town, basic: Chat
) -> None:
    town.world.channel("More", username="more", creator=town.anna, admins=[town.telegram.bot])
    for text in ("/protect @news_0", "/protect @more", "/protect"):
        town.anna.command(basic, text)
        await settle()

    asked = await request(town, basic)
    assert asked is not None
    assert len(asked.channel_ids) == 2
    assert "has to be in News 0 and More" in said(town, basic)[-1]


async def test_a_private_channel_gets_its_link_only_when_it_is_done(
    autojump_clock: MockClock, town: Town, basic: Chat
) -> None:
    secret = town.world.channel("Secret", creator=town.anna, admins=[town.telegram.bot])
    town.anna.command(basic, f"/protect {secret.id}")
    await settle()
    assert town.count("createChatInviteLink") == 0

    group = await moved(town, basic, can_restrict_members=True, can_delete_messages=True)
    await complete(town.bot.guard, group.id)
    assert town.count("createChatInviteLink") == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/protect", "no_channel_named"),
        ("/protect news", "no_name"),
        ("/protect @nowhere", "not_found"),
        ("/protect @news_0 @nowhere", "not_found"),
        ("/unprotect", "none_required"),
    ],
)
async def test_what_is_wrong_already_is_refused_and_not_remembered(
    autojump_clock: MockClock, town: Town, basic: Chat, logs: Any, text: str, reason: str
) -> None:
    town.anna.command(basic, text)
    await settle()

    assert [e["reason"] for e in logs if e["event"] == "command_refused"] == [reason]
    assert await request(town, basic) is None


async def test_only_admins_are_heard(
    autojump_clock: MockClock, town: Town, basic: Chat, logs: Any
) -> None:
    town.max.command(basic, "/protect @news_0")
    await settle()
    assert [e["reason"] for e in logs if e["event"] == "command_refused"] == ["no_admin"]

    town.anna.promote(basic, town.max, can_pin_messages=True)
    await trio.sleep(3)  # no admin itself here, the bot is not told of it
    town.max.command(basic, "/protect @news_0")
    await settle()
    assert await request(town, basic) is not None


async def test_it_is_done_when_the_group_is_a_supergroup_and_said_once(
    autojump_clock: MockClock, town: Town, basic: Chat
) -> None:
    town.anna.command(basic, "/protect @news_0")
    await settle()
    group = await moved(town, basic, can_restrict_members=True, can_delete_messages=True)
    for _ in range(3):
        await complete(town.bot.guard, group.id)

    assert said(town, group).count(DONE) == 1
    policy = town.bot.guard.policies.get(group.id)
    assert policy is not None
    assert (policy.title, policy.owner_id) == ("Basic", town.anna.id)
    assert policy.channel_ids == {town.channel.id}
    assert await request(town, group) is None


async def test_what_is_missing_is_said_once_and_it_stays_remembered(
    autojump_clock: MockClock, town: Town, basic: Chat
) -> None:
    town.anna.command(basic, "/protect @news_0")
    await settle()
    group = await moved(town, basic)
    guard = town.bot.guard
    for _ in range(2):
        assert not await complete(guard, group.id)
    (first,) = said(town, group)
    assert "“Ban users” and “Delete messages”" in first

    town.anna.promote(group, town.telegram.bot, can_restrict_members=True)
    await settle()
    assert not await complete(guard, group.id)
    assert "admin: “Delete messages”." in said(town, group)[-1]
    assert len(said(town, group)) == 2
    assert await request(town, group) is not None


async def test_a_channel_that_was_lost_meanwhile_is_said_once(
    autojump_clock: MockClock, town: Town, basic: Chat
) -> None:
    town.anna.command(basic, "/protect @news_0")
    await settle()
    town.anna.demote(town.channel, town.telegram.bot)
    group = await moved(town, basic, can_restrict_members=True, can_delete_messages=True)
    for _ in range(2):
        assert not await complete(town.bot.guard, group.id)

    assert len(said(town, group)) == 2
    assert "I am no admin of News 0" in said(town, group)[-1]
    assert await request(town, group) is not None

    town.anna.promote(town.channel, town.telegram.bot)
    town.anna.command(group, "/protect")  # without naming it again
    await settle()
    assert said(town, group)[-1] == DONE


async def test_nothing_is_done_where_nothing_was_asked_for(
    autojump_clock: MockClock, town: Town
) -> None:
    assert not await complete(town.bot.guard, town.group.id)

    assert town.said() == []


async def test_nothing_is_done_while_the_group_is_basic(
    autojump_clock: MockClock, town: Town, basic: Chat
) -> None:
    town.anna.command(basic, "/protect @news_0")
    await settle()

    assert not await complete(town.bot.guard, basic.id)
    assert len(said(town, basic)) == 1
    assert await request(town, basic) is not None


async def test_a_wish_is_taken_back_whole_or_in_part(
    autojump_clock: MockClock, town: Town, basic: Chat, logs: Any
) -> None:
    more = town.world.channel(
        "More", username="more", creator=town.anna, admins=[town.telegram.bot]
    )
    town.anna.command(basic, "/protect @news_0 @more")
    town.anna.command(basic, f"/unprotect {town.group.id}")
    town.anna.command(basic, "/unprotect @news_0")
    await settle()
    asked = await request(town, basic)
    assert asked is not None
    assert asked.channel_ids == (more.id,)
    assert [e["reason"] for e in logs if e["event"] == "command_refused"] == ["not_required"]

    town.anna.command(basic, "/unprotect")
    await settle()
    assert await request(town, basic) is None
    assert said(town, basic)[-1].startswith("I have forgotten")


async def test_a_wish_survives_a_restart(
    autojump_clock: MockClock, town: Town, basic: Chat
) -> None:
    town.anna.command(basic, "/protect @news_0")
    await settle()
    await town.restart()
    group = await moved(town, basic, can_restrict_members=True, can_delete_messages=True)
    await complete(town.bot.guard, group.id)

    assert said(town, group)[-1] == DONE


async def test_rights_that_are_heard_of_after_a_protect_need_no_words(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.demote(town.group, town.telegram.bot)
    town.anna.promote(town.group, town.telegram.bot)
    promotion = last_update(town.telegram)
    await settle()
    town.anna.command(town.group, "/protect @news_0")
    await settle()
    await town.bot.dispatch.accept(promotion, lambda: None)
    await settle()

    assert said(town, town.group) == [DONE]
