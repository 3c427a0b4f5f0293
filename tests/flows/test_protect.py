"""/protect: what is refused, what is written."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gmbot.flows.protect import Reason
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.faults import Fault
from gmbot.storage.records import Channel, Group, Owner
from tests.guard.town import Town, last_update, settle

pytestmark = pytest.mark.parametrize("town_options", [{"protected": False}], ids=[""])

WORKS = "This group is protected: who writes here has to be in News 0."
Tell = Callable[[Town], Awaitable[None] | None]


async def test_a_group_is_protected(autojump_clock: MockClock, town: Town) -> None:
    town.anna.command(town.group, "/protect @news_0")
    await settle()

    assert town.said() == [WORKS]
    assert town.group.visible()[-1].reply_to is not None
    message = town.sue.write(town.group, "Buy!")
    await settle()
    assert message.deleted


async def test_the_records_say_exactly_what_was_set(autojump_clock: MockClock, town: Town) -> None:
    town.anna.command(town.group, "/protect @news_0")
    await settle()
    (owner,) = town.storage.rows("owners")
    (group,) = town.storage.rows("protected_groups")
    (channel,) = town.storage.rows("enforced_channels")
    (link,) = town.storage.rows("group_channel_links")

    assert owner[:2] == (town.anna.id, "anna_owner")
    assert group[:5] == (town.group.id, town.anna.id, "Garden friends", 1, "{}")
    assert channel[:4] == (town.channel.id, "News 0", "news_0", None)
    assert link[1:3] == (town.group.id, town.channel.id)
    assert town.sent().count("protect") == 1  # one transaction


@pytest.mark.parametrize(
    "text",
    [
        "/protect@guard_bot @news_0",
        "/PROTECT @NEWS_0",
        "/protect https://t.me/news_0",
        "/protect {id}",
        "/protect t.me/c/{bare}/12",
    ],
)
async def test_these_protect_too(autojump_clock: MockClock, town: Town, text: str) -> None:
    bare = str(town.channel.id).removeprefix("-100")
    town.anna.command(town.group, text.format(id=town.channel.id, bare=bare))
    await settle()

    assert town.said() == [WORKS]


async def test_a_command_for_another_bot_is_not_ours(autojump_clock: MockClock, town: Town) -> None:
    with town.no_calls():
        town.anna.command(town.group, "/protect@other_bot @news_0")
        town.anna.command(town.group, "/protection @news_0")
        town.anna.command(town.group, "/start")
        await settle()

    assert town.said() == []


async def test_an_edited_message_is_no_command(autojump_clock: MockClock, town: Town) -> None:
    message = town.anna.write(town.group, "protect @news_0")
    await settle()
    town.anna.edit(message, "/protect @news_0")
    await settle()

    assert town.said() == []


async def test_repeating_is_harmless(autojump_clock: MockClock, town: Town) -> None:
    for _ in range(3):
        town.anna.command(town.group, "/protect @news_0")
        await settle()

    assert town.said() == [WORKS] * 3
    assert len(town.storage.rows("group_channel_links")) == 1


async def test_a_second_channel_comes_on_top(autojump_clock: MockClock, town: Town) -> None:
    town.world.channel("More", username="more", creator=town.anna, admins=[town.telegram.bot])
    town.anna.command(town.group, "/protect @news_0")
    await settle()
    town.mia.command(town.group, "/protect @more")
    await settle()

    assert town.said()[-1].endswith("has to be in News 0 and More.")
    policy = town.bot.guard.policies.get(town.group.id)
    assert policy is not None
    assert len(policy.channels) == 2
    assert town.storage.rows("protected_groups")[0][1] == town.mia.id


async def test_two_admins_at_once_lose_nothing(autojump_clock: MockClock, town: Town) -> None:
    policies = town.bot.guard.policies
    owner, group = Owner(town.anna.id, None), Group(town.group.id, town.anna.id, "Garden")

    async def dawdle() -> None:
        await trio.sleep(2)

    async def protect(number: int) -> None:
        await trio.sleep(number)
        await policies.protect(owner, group, [Channel(-number, "News", None, None)])

    town.storage.after["protected_group"] = dawdle  # of the two, the first who reads
    async with trio.open_nursery() as nursery:
        for number in (0, 1):
            nursery.start_soon(protect, number)

    policy = policies.get(town.group.id)
    assert policy is not None
    assert len(policy.channels) == 2


async def test_protection_survives_a_restart(autojump_clock: MockClock, town: Town) -> None:
    town.anna.command(town.group, "/protect @news_0")
    await settle()
    await town.restart()
    message = town.sue.write(town.group, "Buy!")
    await settle()

    assert message.deleted


async def test_an_anonymous_admin_may_and_the_creator_owns(
    autojump_clock: MockClock, town: Town
) -> None:
    town.mia.be_anonymous(town.group)
    town.mia.command(town.group, "/protect @news_0")
    await settle()

    assert town.said() == [WORKS]
    assert town.storage.rows("owners")[0][0] == town.anna.id


async def test_a_private_channel_gets_a_link_made_once_and_kept(
    autojump_clock: MockClock, town: Town
) -> None:
    secret = town.world.channel("Secret", creator=town.anna, admins=[town.telegram.bot])
    for _ in range(2):
        town.anna.command(town.group, f"/protect {secret.id}")
        await settle()
    other = town.world.supergroup("Other", creator=town.anna, admins=[town.telegram.bot])
    town.anna.command(other, f"/protect {secret.id}")
    await settle()
    await town.restart()
    town.anna.command(town.group, f"/protect {secret.id}")
    town.sue.write(town.group, "Buy!")
    await settle()

    assert town.count("createChatInviteLink") == 1
    (link,) = [row[3] for row in town.storage.rows("enforced_channels")]
    assert next(town.notice.buttons()) == {"text": "Join Secret", "url": link}
    town.sue.join(secret, via=link)
    assert secret.links[link].name == "GMBot"


# Refused


def _nothing(_town: Town) -> None:
    pass


def _demote_bot(town: Town) -> None:
    town.anna.demote(town.group, town.telegram.bot)


def _take(**rights: bool) -> Tell:
    return lambda town: town.anna.promote(town.group, town.telegram.bot, **rights)


def _bot_leaves_channel(town: Town) -> None:
    town.anna.demote(town.channel, town.telegram.bot)


def _banned_from_channel(town: Town) -> None:
    town.anna.demote(town.channel, town.telegram.bot)
    town.anna.ban(town.channel, town.telegram.bot)


def _no_inviting(town: Town) -> None:
    town.channel.username = None
    town.anna.promote(town.channel, town.telegram.bot, can_post_messages=True)


def _link_refused(town: Town) -> None:
    town.channel.username = None
    words = Fault.error(TelegramError(400, "Bad Request: CHAT_ADMIN_REQUIRED"))
    town.telegram.faults.add(words, method="createChatInviteLink")


def _hidden(town: Town) -> None:
    words = Fault.error(TelegramError(400, "Bad Request: member list is inaccessible"))
    town.telegram.faults.add(words, method="getChatMember", chat=town.channel.id)


def _strange_refusal(town: Town) -> None:
    words = Fault.error(TelegramError(400, "Bad Request: <strange>"))
    town.telegram.faults.add(words, method="getChatMember", chat=town.group.id)


@pytest.mark.parametrize(
    ("reason", "text", "prepare"),
    [
        pytest.param(Reason.BOT_NO_ADMIN, "/protect @news_0", _demote_bot),
        pytest.param(
            Reason.BOT_NO_RIGHT, "/protect @news_0", _take(can_delete_messages=True), id="restrict"
        ),
        pytest.param(
            Reason.BOT_NO_RIGHT, "/protect @news_0", _take(can_restrict_members=True), id="delete"
        ),
        pytest.param(Reason.NO_CHANNEL_NAMED, "/protect", _nothing, id="none"),
        pytest.param(Reason.NO_CHANNEL_NAMED, "/protect news", _nothing, id="no name"),
        pytest.param(Reason.NO_CHANNEL_NAMED, "/protect @news_0 @more", _nothing, id="two"),
        pytest.param(Reason.NO_CHANNEL_NAMED, "/protect <b>&\"'%00 '--", _nothing, id="junk"),
        pytest.param(Reason.NO_CHANNEL_NAMED, "/protect " + "🦊" * 2000, _nothing, id="long"),
        pytest.param(Reason.INVITE_LINK, "/protect https://t.me/+abc", _nothing),
        pytest.param(Reason.NOT_FOUND, "/protect @nowhere", _nothing, id="name"),
        pytest.param(Reason.NOT_FOUND, "/protect -1009999999999", _nothing, id="id"),
        pytest.param(Reason.NO_CHANNEL, "/protect {group}", _nothing, id="group"),
        pytest.param(Reason.BOT_NOT_IN_CHANNEL, "/protect @news_0", _bot_leaves_channel),
        pytest.param(Reason.BOT_NOT_IN_CHANNEL, "/protect @news_0", _hidden, id="hidden"),
        pytest.param(Reason.BOT_NOT_IN_CHANNEL, "/protect {id}", _banned_from_channel, id="banned"),
        pytest.param(Reason.NO_INVITE_LINK, "/protect {id}", _no_inviting),
        pytest.param(Reason.NO_INVITE_LINK, "/protect {id}", _link_refused, id="link refused"),
        pytest.param(Reason.REFUSED, "/protect @news_0", _strange_refusal),
    ],
)
async def test_what_does_not_work_is_refused_with_what_to_do(
    autojump_clock: MockClock, town: Town, logs: Any, reason: Reason, text: str, prepare: Tell
) -> None:
    prepare(town)
    await settle()
    town.anna.command(town.group, text.format(group=town.group.id, id=town.channel.id))
    await settle()

    assert [e["reason"] for e in logs if e["event"] == "command_refused"] == [reason.value]
    (said,) = town.said()
    assert len(said) > 20
    assert "{detail}" not in said
    assert town.storage.rows("protected_groups") == []
    assert town.storage.rows("pending_updates") == []
    assert town.bot.guard.policies.active == 0


async def test_only_admins_who_may_restrict_are_heard(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    town.anna.promote(town.group, town.mia, can_pin_messages=True)
    spam = town.world.channel("Spam", creator=town.sue)
    town.sue.command(town.group, "/protect @news_0")
    town.mia.command(town.group, "/protect @news_0")
    town.sue.write_as(spam, town.group, "/protect @news_0")
    await settle()

    refused = [e["reason"] for e in logs if e["event"] == "command_refused"]
    assert sorted(refused) == ["no_admin", "no_admin", "no_right"]
    assert town.storage.rows("owners") == []


async def test_an_anonymous_admin_of_a_group_without_a_creator_cannot_be_named(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    town.mia.be_anonymous(town.group)
    del town.group.standings[town.anna.id]
    town.mia.command(town.group, "/protect @news_0")
    await settle()

    assert [e["reason"] for e in logs if e["event"] == "command_refused"] == ["no_admin"]


async def test_a_command_that_nobody_wrote_is_refused(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    payload = {"message_id": 9, "date": 1, "chat": town.group.payload(), "text": "/protect @news_0"}
    town.telegram.inject("message", payload)
    await settle()

    assert [e["reason"] for e in logs if e["event"] == "command_refused"] == ["no_admin"]


async def test_basic_groups_and_private_chats_are_refused(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    basic = town.world.basic_group("Basic", creator=town.anna, members=[town.telegram.bot])
    town.anna.command(basic, "/protect @news_0")
    town.anna.command(town.telegram.bot, "/protect @news_0")
    await settle()

    refused = [e["reason"] for e in logs if e["event"] == "command_refused"]
    assert sorted(refused) == ["basic_group", "no_group"]
    assert "supergroups only" in basic.visible()[-1].text


async def test_words_of_others_come_back_as_text(autojump_clock: MockClock, town: Town) -> None:
    town.world.supergroup(
        "<b>{detail}&", username="tricky", creator=town.anna, members=[town.telegram.bot]
    )
    town.anna.command(town.group, "/protect @tricky")
    await settle()

    assert town.said() == ["<b>{detail}& is not a channel. Please name a channel."]


@pytest.mark.parametrize("title", ["", "📰" * 64, "<i>&", "\u202egnp"])
async def test_any_title_can_be_told(autojump_clock: MockClock, town: Town, title: str) -> None:
    town.channel.title = title
    town.anna.command(town.group, "/protect @news_0")
    await settle()
    town.sue.write(town.group, "Buy!")
    await settle()

    assert len(town.said()) == 1
    assert town.notice.text.startswith("Sue, to write here please join ")
    assert town.storage.rows("enforced_channels")[0][1] == title


async def test_a_reply_that_is_refused_does_not_undo_what_was_done(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    words = Fault.error(TelegramError(400, "Bad Request: not enough rights to send text messages"))
    town.telegram.faults.add(words, method="sendMessage")
    town.anna.command(town.group, "/protect @news_0")
    await settle()

    assert town.bot.guard.policies.active == 1
    assert [e["event"] for e in logs if e["log_level"] == "warning"] == ["reply_refused"]
    assert town.storage.rows("pending_updates") == []


async def test_a_command_waits_for_a_telegram_that_is_away(
    autojump_clock: MockClock, town: Town
) -> None:
    rule = town.telegram.faults.add(Fault.status(502, html=True))
    town.anna.command(town.group, "/protect @news_0")
    last = last_update(town.telegram)
    await town.bot.dispatch.accept(last, lambda: None)
    await trio.sleep(30)
    assert len(town.storage.rows("pending_updates")) == 1

    town.telegram.faults.remove(rule)
    await trio.sleep(120)
    assert WORKS in town.said()
    assert town.storage.rows("pending_updates") == []


async def test_a_stranger_in_a_guarded_group_is_guarded_against_first(
    autojump_clock: MockClock, town: Town
) -> None:
    await town.protect(town.storage)
    await town.bot.guard.policies.load()
    message = town.sue.command(town.group, "/protect @news_0")
    await settle()

    assert message.deleted
    assert town.said() == []


async def test_an_admin_outside_the_channel_may_in_a_guarded_group_too(
    autojump_clock: MockClock, town: Town
) -> None:
    await town.protect(town.storage)
    await town.bot.guard.policies.load()
    town.mia.command(town.group, "/protect @news_0")
    await settle()

    assert town.said() == [WORKS]


async def test_an_admin_may_while_the_channel_cannot_be_seen(
    autojump_clock: MockClock, town: Town
) -> None:
    await town.protect(town.storage)
    await town.bot.guard.policies.load()
    town.channel.member_list_inaccessible = True
    more = town.world.channel("More", username="more", creator=town.anna)
    town.anna.promote(more, town.telegram.bot)
    town.mia.command(town.group, "/protect @more")
    await settle()

    assert town.said()[-1].endswith("News 0 and More.")


async def test_a_channel_is_known_as_long_as_a_group_wants_it(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.command(town.group, "/protect @news_0")
    await settle()
    policies = town.bot.guard.policies

    assert policies.channel(town.channel.id) == Channel(town.channel.id, "News 0", "news_0", None)
    assert policies.is_required(town.channel.id)
    assert not policies.is_required(town.group.id)
