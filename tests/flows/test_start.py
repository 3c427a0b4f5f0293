"""/start, and the button below its answer."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gmbot.flows.start import AT_ONCE
from gmbot.guard.params import Params
from gmbot.sandbox.chats import Chat, Message, Press
from gmbot.sandbox.members import banned
from gmbot.storage.records import Channel, Group, Owner
from tests.guard.town import Town, last_update, settle

VERIFY = "verify"


class Talk:
    """What Sue and the bot say to each other."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self.bot = town.telegram.bot
        self.chat = town.world.private(self.bot, town.sue)

    def answers(self) -> list[Message]:
        return [m for m in self.chat.visible() if m.sender is self.bot]

    async def ask(self, text: str = "/start") -> Message:
        self._town.sue.command(self.bot, text)
        await settle()
        return self.answers()[-1]

    async def press(self, message: Message) -> Press:
        press = self._town.sue.press(message, VERIFY)
        await settle()
        return press


@pytest.fixture
def talk(town: Town) -> Talk:
    return Talk(town)


def urls(message: Message) -> list[str]:
    return [button["url"] for button in message.buttons() if "url" in button]


def presses(message: Message) -> list[str]:
    return [b["callback_data"] for b in message.buttons() if "callback_data" in b]


def slip_in(town: Town, channel: Chat) -> None:
    """Let Sue join a channel without a word of it to the bot."""
    channel.standings[town.sue.id] = channel.standings[town.max.id]


async def hold(town: Town, *groups: Chat) -> None:
    for group in groups or (town.group,):
        town.sue.write(group, "Buy!")
    await settle()


async def another(town: Town, title: str, *channels: Chat) -> Chat:
    """Another protected group with Sue in it."""
    bot = town.telegram.bot
    group = town.world.supergroup(title, creator=town.anna, members=[town.sue], admins=[bot])
    await town.bot.guard.policies.protect(
        Owner(town.anna.id, None),
        Group(group.id, town.anna.id, title),
        [Channel(chat.id, chat.title, chat.username, None) for chat in channels],
    )
    return group


# /start in private


async def test_who_is_held_nowhere_is_told_so_and_how_the_bot_is_set_up(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    answer = await talk.ask()

    assert answer.text.startswith(NOT_HELD)
    assert [url.split("?")[1].split("&")[0] for url in urls(answer)] == [
        "startgroup",
        "startchannel",
    ]
    assert presses(answer) == []


@pytest.mark.parametrize("text", ["/start", "/start from_the_group", "/start@guard_bot x"])
async def test_who_is_held_is_told_where_and_what_is_missing(
    autojump_clock: MockClock, town: Town, talk: Talk, text: str
) -> None:
    await hold(town)
    answer = await talk.ask(text)

    assert "Garden friends" in answer.text
    assert "News 0" in answer.text
    assert urls(answer) == ["https://t.me/news_0"]
    assert presses(answer) == [VERIFY]
    assert town.is_muted(town.sue)


@pytest.mark.parametrize("town_options", [{"channels": 3}], ids=["three channels"])
async def test_a_channel_that_several_groups_want_has_one_button(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    first, second, third = town.channels
    slip_in(town, third)
    await hold(town, town.group, await another(town, "Book <club>", second, first, third))
    answer = await talk.ask()

    assert sorted(urls(answer)) == ["https://t.me/news_0", "https://t.me/news_1"]
    assert presses(answer) == [VERIFY]
    assert "Book <club>" in answer.text
    assert "News 2" not in answer.text


async def test_one_look_up_a_channel_serves_all_groups(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    groups = [await another(town, f"Group {number}", town.channel) for number in range(3)]
    await hold(town, *groups)
    calls = town.count("getChatMember")
    await talk.ask()

    assert town.count("getChatMember") == calls + 1


async def test_who_is_in_all_is_released_on_the_spot(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    """Memberships are looked up anew: no word of the join came."""
    await hold(town)
    notice = town.notice
    slip_in(town, town.channel)
    answer = await talk.ask()

    assert answer.text.startswith(NOT_HELD)
    assert not town.is_muted(town.sue)
    assert notice.deleted


async def test_where_acting_has_stopped_whoever_is_in_is_released_too(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    await hold(town)
    await town.bot.guard.policies.set_enabled(town.group.id, enabled=False)
    slip_in(town, town.channel)
    await talk.ask()

    assert not town.is_muted(town.sue)


async def test_in_a_group_of_which_nothing_is_known_whoever_is_held_is_released(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    await hold(town)
    for table in ("group_channel_links", "protected_groups"):
        town.storage.db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of ours
    await town.bot.guard.policies.load()
    await talk.ask()

    assert not town.is_muted(town.sue)


async def test_who_has_asked_to_be_let_in_counts_as_in_where_that_is_set(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    other = await another(town, "Strict", town.channel)
    await hold(town, town.group, other)
    await town.bot.guard.policies.set_params(town.group.id, Params(requests_count=True))
    await town.bot.guard.requests.note(town.channel.id, town.sue.id)
    answer = await talk.ask()

    assert not town.is_muted(town.sue)
    assert not town.world.can_write(town.sue, other)
    assert "Strict" in answer.text
    assert "Garden" not in answer.text


async def test_who_asks_often_is_looked_up_once_in_three_seconds(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    await hold(town)
    calls = town.count("getChatMember")
    for _ in range(5):
        await talk.ask()

    assert town.count("getChatMember") == calls + 1
    assert len(talk.answers()) == 5


async def test_it_is_answered_once_for_any_number_of_deliveries(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    town.sue.command(talk.bot, "/start")
    again = last_update(town.telegram)
    await settle()
    await town.bot.dispatch.accept(again, lambda: None)
    await settle()

    assert len(talk.answers()) == 1


async def test_who_is_held_in_very_many_groups_is_looked_at_in_some_at_once(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    groups = [await another(town, f"Group {n}", town.channel) for n in range(AT_ONCE + 2)]
    await hold(town, *groups)
    slip_in(town, town.channel)
    await talk.ask()
    assert sum(not town.world.can_write(town.sue, group) for group in groups) == 2

    await talk.ask()
    assert all(town.world.can_write(town.sue, group) for group in groups)


# /start in a group


async def test_in_a_group_it_is_not_for_us_unless_it_names_us(
    autojump_clock: MockClock, town: Town
) -> None:
    town.mia.command(town.group, "/start")
    await settle()
    assert town.said() == []

    town.mia.command(town.group, "/start@guard_bot true")
    await settle()
    assert "/recheck: " in town.said()[0]


# The button


async def test_the_button_says_what_is_still_missing(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    await hold(town)
    answer = await talk.ask()
    await trio.sleep(4)
    press = await talk.press(answer)

    assert "News 0" in press.text
    assert press.show_alert
    assert talk.answers() == [answer]


@pytest.mark.parametrize("town_options", [{"channels": 2}], ids=["two channels"])
async def test_the_button_releases_where_possible_and_the_message_says_what_is_left(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    other = await another(town, "Other", town.channels[0])
    await hold(town, town.group, other)
    answer = await talk.ask()
    slip_in(town, town.channels[0])
    await trio.sleep(4)
    press = await talk.press(answer)

    assert town.world.can_write(town.sue, other)
    assert town.is_muted(town.sue)
    assert "News 1" in press.text
    assert "Other" not in answer.text
    assert urls(answer) == ["https://t.me/news_1"]


async def test_who_joined_is_thanked_and_the_message_says_so(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    await hold(town)
    answer = await talk.ask()
    slip_in(town, town.channel)
    await trio.sleep(4)
    press = await talk.press(answer)

    assert press.text == RELEASED
    assert not press.show_alert
    assert answer.text.startswith(NOT_HELD)
    assert presses(answer) == []
    assert not town.is_muted(town.sue)


async def test_who_was_released_meanwhile_is_told_that_there_is_nothing_to_do(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    await hold(town)
    answer = await talk.ask()
    town.sue.join(town.channel)
    await trio.sleep(4)
    press = await talk.press(answer)

    assert press.text.startswith("You are not muted")
    assert answer.text.startswith(NOT_HELD)


async def test_pressing_at_once_again_is_asked_to_wait(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    await hold(town)
    answer = await talk.ask()
    press = await talk.press(answer)

    assert press.text == TOO_SOON


async def test_doubt_releases_nobody(autojump_clock: MockClock, town: Town, talk: Talk) -> None:
    await hold(town)
    answer = await talk.ask()
    await trio.sleep(90)
    town.channel.member_list_inaccessible = True
    press = await talk.press(answer)

    assert press.text == CANNOT_CHECK
    assert "Garden friends" in answer.text
    assert town.is_muted(town.sue)


async def test_whom_the_bot_may_not_release_is_sent_to_an_admin(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    await hold(town)
    answer = await talk.ask()
    slip_in(town, town.channel)
    town.group.standings[talk.bot.id] = town.group.standings[town.max.id]
    await trio.sleep(4)
    press = await talk.press(answer)

    assert press.text.startswith(CANNOT_RELEASE)
    assert "Garden friends" in answer.text


async def test_whom_a_human_restricted_meanwhile_is_told_so(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    await hold(town)
    answer = await talk.ask()
    slip_in(town, town.channel)
    standings = town.group.standings
    standings[town.sue.id] = banned(0)  # and no word of it came
    await trio.sleep(4)
    press = await talk.press(answer)

    assert "restricted you" in press.text
    assert standings[town.sue.id].status == "kicked"


async def test_a_press_of_a_message_that_is_gone_still_does_its_work(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    await hold(town)
    answer = await talk.ask()
    slip_in(town, town.channel)
    await trio.sleep(4)
    query: dict[str, Any] = {"from": town.sue.payload(), "message": answer.payload()}
    answer.deleted = True
    town.telegram.inject("callback_query", {**query, "id": "1", "data": "verify"})
    await settle()

    assert not town.is_muted(town.sue)
    assert town.storage.rows("pending_updates") == []


async def test_other_data_is_answered_and_harmless(
    autojump_clock: MockClock, town: Town, talk: Talk
) -> None:
    await hold(town)
    answer = await talk.ask()
    slip_in(town, town.channel)
    await trio.sleep(4)
    with town.no_restrictions():
        press = town.sue.press_data(answer, "verify:all")
        await settle()

    assert press.text == "This button is no longer in use."


NOT_HELD = "You are not muted anywhere."
RELEASED = "Thank you, you can write now."
TOO_SOON = "One moment, please: press again in a few seconds."
CANNOT_CHECK = "This can't be checked right now. Please press again in a minute."
CANNOT_RELEASE = "You are in, but I may not lift your mute here"
