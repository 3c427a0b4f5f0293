"""/help."""

import pytest
import trio
from trio.testing import MockClock

from gmbot.flows.menus import MENUS
from tests.guard.town import Town, settle

COMMANDS = [f"/{line.command}: " for line in MENUS["all_chat_administrators"]]


def private(town: Town) -> list[str]:
    """What the bot has written to Sue."""
    chat = town.world.private(town.telegram.bot, town.sue)
    return [m.text for m in chat.visible() if m.sender is town.telegram.bot]


async def test_in_private_it_tells_what_the_bot_does_how_to_set_it_up_and_its_commands(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.command(town.telegram.bot, "/help")
    await settle()
    (text,) = private(town)

    assert "only members of your channels" in text
    assert "/protect @channel" in text
    assert "“Ban users” and “Delete messages”" in text
    assert all(command in text for command in COMMANDS)


async def test_its_buttons_add_the_bot_with_the_rights_it_needs(
    autojump_clock: MockClock, town: Town
) -> None:
    town.sue.command(town.telegram.bot, "/help")
    await settle()
    chat = town.world.private(town.telegram.bot, town.sue)
    buttons = chat.visible()[-1].buttons()
    me = town.telegram.bot.username

    assert [button["url"] for button in buttons] == [
        f"https://t.me/{me}?startgroup&admin=restrict_members+delete_messages",
        f"https://t.me/{me}?startchannel&admin=invite_users",
    ]


async def test_in_a_group_its_admins_are_told_the_commands(
    autojump_clock: MockClock, town: Town
) -> None:
    town.mia.command(town.group, "/help")
    await settle()
    (text,) = town.said()

    assert all(command in text for command in COMMANDS)
    assert "How to set me up" not in text


@pytest.mark.parametrize("town_options", [{"protected": False}], ids=["not protected"])
async def test_where_nothing_is_protected_yet_it_tells_how(
    autojump_clock: MockClock, town: Town
) -> None:
    town.mia.command(town.group, "/help")
    await settle()

    assert "How to set me up" in town.said()[0]


@pytest.mark.parametrize("town_options", [{"protected": False}], ids=["not protected"])
async def test_an_admin_who_may_not_restrict_is_told_too(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.promote(town.group, town.mia, can_pin_messages=True)
    town.mia.command(town.group, "/help")
    await settle()

    assert COMMANDS[0] in town.said()[0]


async def test_members_get_silence(autojump_clock: MockClock, town: Town) -> None:
    for _ in range(5):
        town.max.command(town.group, "/help")
    await trio.sleep(70)
    town.max.command(town.group, "/help@guard_bot")
    await settle()

    assert town.said() == []


async def test_where_the_bot_cannot_see_who_is_an_admin_it_asks_for_that_once_a_minute(
    autojump_clock: MockClock, town: Town
) -> None:
    other = town.world.supergroup("Other", creator=town.anna, members=[town.max, town.telegram.bot])
    other.member_list_inaccessible = True
    for _ in range(3):
        town.max.command(other, "/help@guard_bot")
        town.anna.command(other, "/help@guard_bot")
        await settle()
    said = [m.text for m in other.visible() if m.sender is town.telegram.bot]

    assert len(said) == 1
    assert said[0].startswith("I am no admin here yet.")
