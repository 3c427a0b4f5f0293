"""/protect: what is refused, what is written."""

from collections.abc import Awaitable, Callable
from html import unescape
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gmbot.api.types import ChatInviteLink
from gmbot.flows.refusal import CommandRefused, Reason
from gmbot.sandbox.chats import Chat as SimulatedChat
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.faults import Fault
from gmbot.storage.records import Channel, Group, Owner
from tests.guard.town import Town, last_update, settle

pytestmark = pytest.mark.parametrize("town_options", [{"protected": False}], ids=[""])

WORKS = "This group is protected: who writes here has to be in News 0."

# What each refusal tells the sender to do.
TO_DO = {
    Reason.NO_GROUP: "Please write this in the group that it is about.",
    Reason.NO_ADMIN: "Only admins of this group can do this.",
    Reason.NO_RIGHT: "You need the admin right “Ban users” in this group",
    Reason.NO_CREATOR: "Please write this as yourself.",
    Reason.BOT_NO_ADMIN: "Make me one, with the rights “Ban users” and “Delete messages”, then write",
    Reason.BOT_NO_RIGHT: "Please give it to me, then write this again.",
    Reason.NO_CHANNEL_NAMED: "Please name the channels: /protect @channel",
    Reason.NOT_FORWARDED: "Reply to one that was forwarded from the channel itself, or name it",
    Reason.NO_NAME: "Write its @name, its id (-100…) or a t.me link.",
    Reason.INVITE_LINK: "Write the channel's id (-100…), or reply to a message forwarded from there.",
    Reason.NOT_FOUND: "Is it written correctly, and am I an admin there?",
    Reason.NO_CHANNEL: "Please name a channel.",
    Reason.BOT_NOT_IN_CHANNEL: "Make me one there, then write this again.",
    Reason.NO_INVITE_LINK: "Give me the admin right “Invite users via link” there, then write",
    Reason.TOO_MANY: "Name fewer, or drop some with /unprotect.",
    Reason.NOT_REQUIRED: "/protect tells what is required.",
    Reason.NONE_REQUIRED: "To require one: /protect @channel",
    Reason.REFUSED: "Please try again later.",
}
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


async def test_the_link_of_a_channel_that_no_group_requires_any_more_is_kept_for_the_next(
    autojump_clock: MockClock, town: Town
) -> None:
    secret = town.world.channel("Secret", creator=town.anna, admins=[town.telegram.bot])
    town.anna.command(town.group, f"/protect {secret.id}")
    await settle()
    town.anna.command(town.group, "/unprotect")
    await settle()
    other = town.world.supergroup("Other", creator=town.anna, admins=[town.telegram.bot])
    town.anna.command(other, f"/protect {secret.id}")
    await settle()

    assert other.texts()[-1] == WORKS.replace("News 0", "Secret")
    assert town.count("createChatInviteLink") == 1
    (link,) = [row[3] for row in town.storage.rows("enforced_channels")]
    assert secret.links[link].name == "GMBot"


async def test_a_link_that_was_revoked_is_made_anew(autojump_clock: MockClock, town: Town) -> None:
    secret = town.world.channel("Secret", creator=town.anna, admins=[town.telegram.bot])
    town.anna.command(town.group, f"/protect {secret.id}")
    await settle()
    (old,) = [link for link in secret.links.values() if link.name == "GMBot"]
    town.anna.revoke(old)
    other = town.world.supergroup("Other", creator=town.anna, admins=[town.telegram.bot])
    town.anna.command(other, f"/protect {secret.id}")
    await settle()
    channel = town.bot.guard.policies.channel(secret.id)

    assert town.count("createChatInviteLink") == 2
    assert channel is not None
    assert channel.invite_link not in {None, old.url}
    policy = town.bot.guard.policies.get(town.group.id)
    assert policy is not None
    assert policy.channels == (channel,)


async def test_a_link_that_comes_back_as_revoked_is_made_anew(
    autojump_clock: MockClock, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = town.world.channel("Secret", creator=town.anna, admins=[town.telegram.bot])
    town.anna.command(town.group, f"/protect {secret.id}")
    await settle()

    async def edit(_channel: int, link: str, *, name: str) -> ChatInviteLink:
        return ChatInviteLink(link, is_revoked=True)

    monkeypatch.setattr(town.bot.guard.api, "edit_chat_invite_link", edit)
    town.anna.command(town.group, f"/protect {secret.id}")
    await settle()

    assert town.count("createChatInviteLink") == 2


@pytest.mark.parametrize("right", [True, False])
async def test_a_link_that_may_not_be_looked_at_stands(
    autojump_clock: MockClock, town: Town, *, right: bool
) -> None:
    secret = town.world.channel("Secret", creator=town.anna, admins=[town.telegram.bot])
    town.anna.command(town.group, f"/protect {secret.id}")
    await settle()
    if right:
        words = Fault.error(TelegramError(400, "Bad Request: not enough rights to manage link"))
        town.telegram.faults.add(words, method="editChatInviteLink")
    else:
        town.anna.promote(secret, town.telegram.bot, can_post_messages=True)
    town.anna.command(town.group, f"/protect {secret.id}")
    await settle()

    assert len(town.said()) == 2
    assert town.said()[0] == town.said()[1]
    assert town.count("createChatInviteLink") == 1


# Several channels


@pytest.fixture
def many(town: Town) -> list[SimulatedChat]:
    """Twelve channels in which the bot is an admin."""
    return [
        town.world.channel(
            f"Many {n}", username=f"many_{n}", creator=town.anna, admins=[town.telegram.bot]
        )
        for n in range(12)
    ]


def required(town: Town) -> list[int]:
    policy = town.bot.guard.policies.get(town.group.id)
    return [] if policy is None else [c.channel_id for c in policy.channels]


async def test_several_channels_at_once_in_any_mix(
    autojump_clock: MockClock, town: Town, many: list[SimulatedChat]
) -> None:
    secret = town.world.channel("Secret", creator=town.anna, admins=[town.telegram.bot])
    town.anna.command(
        town.group, f"/protect @many_0 {many[1].id}, https://t.me/many_2\n{secret.id},@news_0"
    )
    await settle()

    assert required(town) == [many[0].id, many[1].id, many[2].id, secret.id, town.channel.id]
    assert town.said() == [
        (
            "This group is protected: who writes here has to be in "
            "Many 0, Many 1, Many 2, Secret and News 0."
        )
    ]
    assert town.sent().count("protect") == 1


async def test_a_channel_named_twice_counts_once(
    autojump_clock: MockClock, town: Town, many: list[SimulatedChat]
) -> None:
    names = [f"@many_{n}" for n in range(10)]
    again = [str(many[0].id), "t.me/MANY_1", f"t.me/c/{str(many[2].id).removeprefix('-100')}/7"]
    town.anna.command(town.group, " ".join(["/protect", *again, *names]))
    await settle()

    assert len(required(town)) == 10


@pytest.mark.parametrize(("before", "now"), [(0, 11), (9, 2), (10, 1)])
async def test_more_than_ten_channels_are_too_many(
    autojump_clock: MockClock,
    town: Town,
    many: list[SimulatedChat],
    logs: Any,
    before: int,
    now: int,
) -> None:
    names = [f"@many_{n}" for n in range(12)]
    if before:
        town.anna.command(town.group, " ".join(["/protect", *names[:before]]))
        await settle()
    town.anna.command(town.group, " ".join(["/protect", *names[before : before + now]]))
    await settle()

    assert len(required(town)) == before
    assert [e["reason"] for e in logs if e["event"] == "command_refused"] == ["too_many"]
    assert f"{before} it requires already" in town.said()[-1]


async def test_channels_that_are_required_already_may_be_named_with_ten(
    autojump_clock: MockClock, town: Town, many: list[SimulatedChat]
) -> None:
    names = [f"@many_{n}" for n in range(10)]
    for _ in range(2):
        town.anna.command(town.group, " ".join(["/protect", *names]))
        await settle()

    assert len(required(town)) == 10
    assert town.said()[0] == town.said()[1]


async def test_hundreds_of_names_are_not_all_looked_up(
    autojump_clock: MockClock, town: Town, many: list[SimulatedChat]
) -> None:
    names = [f"@many_{n}" for n in range(12)] + [f"@nowhere_{n}" for n in range(200)]
    town.anna.command(town.group, " ".join(["/protect", *names]))
    await settle()

    assert town.count("getChat") == 11
    assert "10 channels at most" in town.said()[0]


async def test_where_one_is_wrong_nothing_is_made_or_written(
    autojump_clock: MockClock, town: Town, many: list[SimulatedChat]
) -> None:
    secret = town.world.channel("Secret", creator=town.anna, admins=[town.telegram.bot])
    town.anna.demote(many[1], town.telegram.bot)
    town.anna.command(town.group, f"/protect {secret.id} @many_0 @many_1 @nowhere")
    await settle()

    (said,) = town.said()
    assert said.startswith("I am no admin of Many 1,")
    assert said.endswith("Nothing was changed.")
    assert town.count("createChatInviteLink") == 0
    assert town.storage.rows("enforced_channels") == []


# As a reply


async def test_the_reply_to_a_forwarded_message_names_its_channel(
    autojump_clock: MockClock, town: Town, many: list[SimulatedChat]
) -> None:
    post = town.anna.forward(town.anna.post(many[0], "Look"), town.group)
    town.anna.write(town.group, "/protect", reply_to=post)
    await settle()
    assert required(town) == [many[0].id]

    town.anna.write(town.group, "/protect @many_0 @many_1", reply_to=post)
    await settle()
    assert required(town) == [many[0].id, many[1].id]


async def test_words_and_a_forwarded_message_name_channels_together(
    autojump_clock: MockClock, town: Town, many: list[SimulatedChat]
) -> None:
    post = town.anna.forward(town.anna.post(many[0], "Look"), town.group)
    town.anna.write(town.group, "/protect @many_1", reply_to=post)
    await settle()

    assert required(town) == [many[1].id, many[0].id]


async def test_a_reply_to_what_is_from_no_channel_is_told_so(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    forwarded = town.anna.forward(town.max.write(town.group, "Hello"), town.group)
    town.anna.write(town.group, "/protect", reply_to=forwarded)
    town.anna.write(town.group, "/protect", reply_to=town.max.write(town.group, "Hi"))
    await settle()
    assert [e["reason"] for e in logs if e["event"] == "command_refused"] == [
        "not_forwarded",
        "no_channel_named",
    ]

    town.anna.write(town.group, "/protect @news_0", reply_to=forwarded)
    await settle()
    assert required(town) == [town.channel.id]


async def test_a_comment_on_the_linked_channel_names_it_only_without_words(
    autojump_clock: MockClock, town: Town, many: list[SimulatedChat]
) -> None:
    many[0].linked, town.group.linked = town.group, many[0]
    town.anna.post(many[0], "Discuss")
    post = town.group.visible()[-1]
    assert post.is_automatic
    town.anna.write(town.group, "/protect @many_1", reply_to=post)
    await settle()
    assert required(town) == [many[1].id]

    town.anna.write(town.group, "/protect", reply_to=post)
    await settle()
    assert required(town) == [many[1].id, many[0].id]


# Without a channel


async def test_without_a_channel_it_tells_what_is_required_and_how_to_change_it(
    autojump_clock: MockClock, town: Town
) -> None:
    secret = town.world.channel("Secret & more", creator=town.anna, admins=[town.telegram.bot])
    town.anna.command(town.group, f"/protect @news_0 {secret.id}")
    await settle()
    town.mia.command(town.group, "/protect")
    await settle()

    assert town.said()[-1] == (
        f"Who writes here has to be in:\n• News 0 (@news_0)\n• Secret & more ({secret.id})\n"
        "To require more: /protect @channel\nTo require less: /unprotect @channel"
    )


async def test_a_disabled_group_is_enabled_by_it(autojump_clock: MockClock, town: Town) -> None:
    town.anna.command(town.group, "/protect @news_0")
    await settle()
    await town.bot.guard.policies.set_enabled(town.group.id, enabled=False)
    town.anna.command(town.group, "/protect")
    await settle()
    assert "is not protected at present" in town.said()[-1]
    assert "/protect @news_0\n" in town.said()[-1]
    assert required(town) == []

    town.anna.command(town.group, "/protect @news_0")
    await settle()
    assert town.said()[-1] == WORKS
    assert required(town) == [town.channel.id]


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


def _strange_once(town: Town) -> None:
    words = Fault.error(TelegramError(400, "Bad Request: strange"))
    town.telegram.faults.add(words, method="getChatMember", chat=town.group.id, times=1)


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
        pytest.param(Reason.NO_CHANNEL_NAMED, "/protect ,", _nothing, id="comma"),
        pytest.param(Reason.NO_NAME, "/protect news", _nothing, id="no name"),
        pytest.param(Reason.NO_NAME, "/protect @news_0 more", _nothing, id="one of two"),
        pytest.param(Reason.NO_NAME, "/protect <b>&\"'%00 '--", _nothing, id="junk"),
        pytest.param(Reason.NO_NAME, "/protect " + "🦊" * 2000, _nothing, id="long"),
        pytest.param(Reason.INVITE_LINK, "/protect https://t.me/+abc", _nothing),
        pytest.param(Reason.NOT_FOUND, "/protect @nowhere", _nothing, id="name"),
        pytest.param(Reason.NOT_FOUND, "/protect -1009999999999", _nothing, id="id"),
        pytest.param(Reason.NOT_FOUND, "/protect @news_0 @nowhere", _nothing, id="second"),
        pytest.param(Reason.NO_CHANNEL, "/protect {group}", _nothing, id="group"),
        pytest.param(Reason.NO_CHANNEL, "/protect {id} {group}", _nothing, id="second a group"),
        pytest.param(Reason.BOT_NOT_IN_CHANNEL, "/protect @news_0", _bot_leaves_channel),
        pytest.param(Reason.BOT_NOT_IN_CHANNEL, "/protect @news_0", _hidden, id="hidden"),
        pytest.param(Reason.BOT_NOT_IN_CHANNEL, "/protect {id}", _banned_from_channel, id="banned"),
        pytest.param(Reason.NO_INVITE_LINK, "/protect {id}", _no_inviting),
        pytest.param(Reason.NO_INVITE_LINK, "/protect {id}", _link_refused, id="link refused"),
        pytest.param(Reason.REFUSED, "/protect @news_0", _strange_refusal),
        pytest.param(Reason.REFUSED, "/protect @news_0", _strange_once, id="sender refused"),
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
    assert TO_DO[reason] in said
    assert "{detail}" not in said
    assert town.storage.rows("protected_groups") == []
    assert town.storage.rows("pending_updates") == []
    assert town.bot.guard.policies.active == 0


@pytest.mark.parametrize(
    ("reason", "text", "named"),
    [
        (Reason.NOT_FOUND, "/protect @nowhere", "@nowhere"),
        (Reason.NO_NAME, "/protect @news_0 more", "“more”"),
        (Reason.INVITE_LINK, "/protect t.me/+abc", "t.me/+abc"),
        (Reason.NO_CHANNEL, "/protect {group}", "Garden friends"),
        (Reason.BOT_NOT_IN_CHANNEL, "/protect @news_0", "News 0"),
        (Reason.NO_INVITE_LINK, "/protect {id}", "News 0"),
        (Reason.BOT_NO_RIGHT, "/protect @news_0", "“Delete messages”"),
        (Reason.REFUSED, "/protect @news_0", "<strange>"),
    ],
)
async def test_a_refusal_names_what_is_wrong(
    autojump_clock: MockClock, town: Town, reason: Reason, text: str, named: str
) -> None:
    prepare: dict[Reason, Tell] = {
        Reason.BOT_NOT_IN_CHANNEL: _bot_leaves_channel,
        Reason.NO_INVITE_LINK: _no_inviting,
        Reason.BOT_NO_RIGHT: _take(can_restrict_members=True),
        Reason.REFUSED: _strange_refusal,
    }
    prepare.get(reason, _nothing)(town)
    town.anna.command(town.group, text.format(group=town.group.id, id=town.channel.id))
    await settle()

    (said,) = town.said()
    assert named in said


def test_every_refusal_tells_what_to_do(town_options: dict[str, Any]) -> None:
    for reason in Reason:
        text = unescape(CommandRefused(reason, "x").text).replace("<code>", "")
        assert TO_DO[reason] in text.replace("</code>", "")


async def test_all_that_the_bot_lacks_is_named_at_once(
    autojump_clock: MockClock, town: Town
) -> None:
    _take(can_pin_messages=True)(town)
    town.anna.command(town.group, "/protect @news_0")
    await settle()

    assert "“Ban users” and “Delete messages”" in town.said()[0]


async def test_people_who_are_no_admins_cannot_make_the_bot_talk(
    autojump_clock: MockClock, town: Town
) -> None:
    for person in (town.sue, town.max, town.tim) * 5:
        person.command(town.group, "/protect @news_0")
        await settle()
    assert town.said() == ["Only admins of this group can do this."]

    await trio.sleep(60)
    town.sue.command(town.group, "/protect @news_0")
    await settle()
    assert len(town.said()) == 2


async def test_a_bot_that_is_not_shown_the_members_asks_to_be_made_an_admin(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    town.anna.demote(town.group, town.telegram.bot)
    town.group.hidden_members = True
    for person in (town.anna, town.sue, town.sue):
        person.command(town.group, "/protect @news_0")
        await settle()

    refused = [e["reason"] for e in logs if e["event"] == "command_refused"]
    assert refused == ["bot_no_admin", "bot_no_admin", "no_admin"]  # Sue is not asked about twice
    assert len(town.said()) == 1  # whoever asks may be anybody


async def test_who_was_never_there_is_no_admin(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    town.group.absent_answer = "Bad Request: member not found"
    guest = town.world.person("Guest")
    payload = {
        "message_id": 99,
        "date": 1,
        "chat": town.group.payload(),
        "from": guest.payload(),
        "text": "/protect @news_0",
    }
    town.telegram.inject("message", payload)
    await settle()

    assert [e["reason"] for e in logs if e["event"] == "command_refused"] == ["no_admin"]


async def test_a_command_that_comes_twice_is_answered_once(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.command(town.group, "/protect @news_0")
    last = last_update(town.telegram)
    await settle()
    await town.bot.dispatch.accept(last, lambda: None)
    await settle()
    await town.restart()
    await town.bot.dispatch.accept(last, lambda: None)
    await settle()

    assert town.said() == [WORKS]
    assert len(town.storage.rows("group_channel_links")) == 1


async def test_a_token_that_is_revoked_is_nothing_to_tell_about(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    words = Fault.error(TelegramError(401, "Unauthorized"))
    town.telegram.faults.add(words, method="getChat")
    town.anna.command(town.group, "/protect @news_0")
    await settle()

    assert town.said() == []
    assert not [e for e in logs if e["event"] == "command_refused"]


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

    assert [e["reason"] for e in logs if e["event"] == "command_refused"] == ["no_creator"]


async def test_a_command_that_nobody_wrote_is_refused(
    autojump_clock: MockClock, town: Town, logs: Any
) -> None:
    payload = {"message_id": 9, "date": 1, "chat": town.group.payload(), "text": "/protect @news_0"}
    town.telegram.inject("message", payload)
    await settle()

    assert [e["reason"] for e in logs if e["event"] == "command_refused"] == ["no_admin"]


async def test_a_private_chat_is_no_group(autojump_clock: MockClock, town: Town, logs: Any) -> None:
    town.anna.command(town.telegram.bot, "/protect @news_0")
    await settle()

    assert [e["reason"] for e in logs if e["event"] == "command_refused"] == ["no_group"]


async def test_words_of_others_come_back_as_text(autojump_clock: MockClock, town: Town) -> None:
    town.world.supergroup(
        "<b>{detail}&", username="tricky", creator=town.anna, members=[town.telegram.bot]
    )
    town.anna.command(town.group, "/protect @tricky")
    await settle()

    assert town.said() == [
        "<b>{detail}& is not a channel. Please name a channel. Nothing was changed."
    ]


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


async def test_a_command_of_whoever_is_in_doubt_stands_unheard_and_is_looked_at_again(
    autojump_clock: MockClock, town: Town
) -> None:
    await town.protect(town.storage)
    await town.bot.guard.policies.load()
    town.channel.member_list_inaccessible = True
    message = town.sue.command(town.group, "/protect my flat: buy a lock")
    await trio.sleep(4)
    assert town.group.deleted_ids() == []
    town.channel.member_list_inaccessible = False
    await trio.sleep(10)

    assert town.group.deleted_ids() == [message.id]
    assert town.is_muted(town.sue)
    assert town.said() == []


async def test_a_channel_is_known_as_long_as_a_group_wants_it(
    autojump_clock: MockClock, town: Town
) -> None:
    town.anna.command(town.group, "/protect @news_0")
    await settle()
    policies = town.bot.guard.policies

    assert policies.channel(town.channel.id) == Channel(town.channel.id, "News 0", "news_0", None)
    assert policies.is_required(town.channel.id)
    assert not policies.is_required(town.group.id)
