"""A foreign client as a witness: what aiogram can read, Telegram could have said."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

import pytest
import trio
from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import (
    TelegramBadRequest,
    TelegramConflictError,
    TelegramForbiddenError,
    TelegramMigrateToChat,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    ChatMemberAdministrator,
    ChatMemberBanned,
    ChatMemberLeft,
    ChatMemberMember,
    ChatMemberOwner,
    ChatMemberRestricted,
    ChatPermissions,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    Update,
)

from gmbot.sandbox.faults import Fault
from gmbot.sandbox.flood import FloodLimits
from gmbot.sandbox.members import RIGHTS
from gmbot.sandbox.methods import METHODS
from gmbot.sandbox.telegram import Telegram

T = TypeVar("T")
KEYBOARD = InlineKeyboardMarkup(
    inline_keyboard=[[InlineKeyboardButton(text="Here", callback_data="here")]]
)
ALL_KINDS = [name for name in Update.model_fields if name != "update_id"]


@pytest.fixture
def telegram_options() -> dict[str, Any]:
    return {"flood": FloodLimits(overall=None, group=None, private=None)}


KINDS_OF_THE_WORLD = {
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "callback_query",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
}


async def tell(telegram: Telegram, story: Callable[[Bot], Awaitable[T]]) -> T:
    """Run a story of an aiogram bot in a thread with an asyncio loop of its own."""

    async def run() -> T:
        server = TelegramAPIServer.from_base(telegram.base_url)
        session = AiohttpSession(api=server, json_loads=read_as_later)
        async with Bot(telegram.token, session=session) as bot:
            return await story(bot)

    with trio.fail_after(30):
        return await trio.to_thread.run_sync(lambda: asyncio.run(run()))


def read_as_later(text: str | bytes) -> Any:
    """Decode an answer of Bot API 10.1 for a client that demands what 10.2 and 10.3 added."""

    def fill(fields: dict[str, Any]) -> dict[str, Any]:
        if fields.get("status") == "administrator":
            fields.setdefault("can_send_welcome_messages", False)
        return fields

    return json.loads(text, object_hook=fill)


def in_world(act: Callable[[], T]) -> T:
    """Do something in the world, from within a story."""
    return trio.from_thread.run_sync(act)


class Cast:
    """Who and what takes part in a long story, and the offset of the bot's updates."""

    def __init__(self, telegram: Telegram) -> None:
        world = telegram.world
        self.guard = telegram.bot
        people = (world.person(name) for name in ("Olga", "Ann", "Bob", "Cat", "Dan"))
        self.owner, self.ann, self.bob, self.cat, self.dan = people
        self.group = world.supergroup(
            "Group", creator=self.owner, username="a_group", admins=[self.guard]
        )
        self.owner.promote(self.group, self.guard, **dict.fromkeys(RIGHTS["supergroup"], True))
        self.news = world.channel(
            "News", creator=self.owner, username="a_news", admins=[self.guard]
        )
        self.door = world.supergroup("Door", creator=self.owner, admins=[self.guard])
        self.door.guard_bot = self.guard
        self.entrance = self.owner.link(self.door, creates_join_request=True)
        for person in (self.ann, self.bob, self.dan):
            person.join(self.group)
        self.offset = 0

    async def updates(self, bot: Bot) -> list[Update]:
        updates = await bot.get_updates(self.offset, allowed_updates=ALL_KINDS)
        self.offset = updates[-1].update_id + 1
        return updates


async def account_story(bot: Bot, cast: Cast) -> None:
    assert (await bot.get_me()).id == cast.guard.id
    await bot.get_my_name()
    await bot.get_my_description()
    await bot.set_my_commands([BotCommand(command="protect", description="Protect this group")])
    assert [menu.command for menu in await bot.get_my_commands()] == ["protect"]
    await bot.delete_my_commands()


async def message_story(bot: Bot, cast: Cast) -> None:
    group = cast.group
    theirs = in_world(lambda: cast.ann.write(group, "hello"))
    sent = await bot.send_message(group.id, "<b>Hi</b>", parse_mode="HTML")
    assert sent.text == "Hi"
    edited = await bot.edit_message_text(
        text="Press", chat_id=group.id, message_id=sent.message_id, reply_markup=KEYBOARD
    )
    assert edited is not True
    press = in_world(lambda: cast.ann.press(group.messages[sent.message_id], "here"))
    query = (await cast.updates(bot))[-1].callback_query
    assert query is not None
    await bot.answer_callback_query(query.id, text="Thank you")
    assert press.text == "Thank you"
    await bot.edit_message_reply_markup(chat_id=group.id, message_id=sent.message_id)
    await bot.send_photo(group.id, BufferedInputFile(b"pixels", "cat.jpg"), caption="cat")
    await bot.forward_message(group.id, group.id, theirs.id)
    copy = await bot.copy_message(group.id, group.id, theirs.id)
    await bot.delete_message(group.id, theirs.id)
    await bot.delete_messages(group.id, [copy.message_id])


async def member_story(bot: Bot, cast: Cast) -> None:
    group, ann, bob = cast.group.id, cast.ann.id, cast.bob.id
    assert (await bot.get_chat("@a_news")).id == cast.news.id
    assert (await bot.get_chat(group)).title == "Group"
    assert (await bot.get_chat(ann)).first_name == "Ann"
    assert await bot.get_chat_member_count(group) == 5
    assert isinstance(await bot.get_chat_member(group, cast.owner.id), ChatMemberOwner)
    assert isinstance(await bot.get_chat_member(group, cast.guard.id), ChatMemberAdministrator)
    assert isinstance(await bot.get_chat_member(group, ann), ChatMemberMember)
    assert isinstance(await bot.get_chat_member(group, cast.cat.id), ChatMemberLeft)
    assert len(await bot.get_chat_administrators(group)) == 2
    await bot.restrict_chat_member(group, ann, ChatPermissions(can_send_messages=False))
    assert isinstance(await bot.get_chat_member(group, ann), ChatMemberRestricted)
    await bot.ban_chat_member(group, bob)
    assert isinstance(await bot.get_chat_member(group, bob), ChatMemberBanned)
    await bot.unban_chat_member(group, bob)
    await bot.promote_chat_member(group, cast.dan.id, can_delete_messages=True)
    await bot.set_chat_permissions(group, ChatPermissions(can_send_messages=True))


async def door_story(bot: Bot, cast: Cast) -> None:
    link = await bot.create_chat_invite_link(cast.group.id, name="front door")
    await bot.edit_chat_invite_link(cast.group.id, link.invite_link, name="back door")
    await bot.revoke_chat_invite_link(cast.group.id, link.invite_link)
    await bot.export_chat_invite_link(cast.group.id)
    for person in (cast.bob, cast.cat, cast.ann):
        in_world(partial(person.request_join, cast.door, via=cast.entrance))
    asked = (await cast.updates(bot))[-1].chat_join_request
    assert asked is not None
    assert asked.query_id
    await bot.approve_chat_join_request(cast.door.id, cast.bob.id)
    await bot.decline_chat_join_request(cast.door.id, cast.cat.id)
    await bot.answer_chat_join_request_query(asked.query_id, "approve")
    await bot.leave_chat(cast.door.id)


async def webhook_story(bot: Bot, _cast: Cast) -> None:
    url = "http://127.0.0.1:9/hook"
    await bot.set_webhook(url, secret_token="s3cret")
    assert (await bot.get_webhook_info()).url == url
    await bot.delete_webhook()


async def test_aiogram_calls_every_method_that_is_simulated(telegram: Telegram) -> None:
    cast = Cast(telegram)

    async def story(bot: Bot) -> None:
        for part in (account_story, message_story, member_story, door_story, webhook_story):
            await part(bot, cast)

    await tell(telegram, story)

    done = {call.method for call in telegram.calls if call.is_ok}
    assert done >= METHODS | {"getUpdates", "setWebhook", "deleteWebhook", "getWebhookInfo"}


async def test_aiogram_reads_every_kind_of_update_that_the_world_makes(
    telegram: Telegram,
) -> None:
    world, guard = telegram.world, telegram.bot
    telegram.outlet().queue.allow(ALL_KINDS)
    owner, ann, bob = (world.person(name) for name in ("Olga", "Ann", "Bob \N{GRINNING FACE}<b>&"))
    group = world.supergroup("Group", creator=owner, admins=[guard], username="a_group")
    news = world.channel("News", creator=owner, admins=[guard], discussion=group)
    basic = world.basic_group("Basic", creator=owner, members=[guard])
    ann.join(group)
    theirs = ann.write(group, "hello, /start @a_group https://example.org #news")
    ann.edit(theirs, "hello again")
    ann.write(group, "an answer", reply_to=theirs)
    ann.photo(group, "a cat")
    ann.album(group, 2)
    ann.forward(theirs, group)
    owner.be_anonymous(group)
    owner.write_anonymously(group, "from nobody")
    owner.pin(owner.write_anonymously(group, "still nobody"))
    owner.write_as(news, group, "from a channel")
    owner.edit(owner.post(news, "news"), "more news")
    owner.pin(theirs)
    owner.restrict(group, ann, until_date=int(telegram.now()) + 99)
    owner.lift(group, ann)
    owner.approve(bob.request_join(group, via=owner.link(group, creates_join_request=True)))
    owner.promote(group, bob)
    bob.start(guard)
    bob.block(guard)
    owner.ban(group, ann)
    owner.unban(group, ann)
    owner.rename(group, "Another name")
    owner.migrate(basic)

    async def story(bot: Bot) -> list[Update]:
        sent = await bot.send_message(
            group.id,
            "Press",
            reply_markup=KEYBOARD,
        )
        in_world(lambda: owner.press(group.messages[sent.message_id], "here"))
        return await bot.get_updates()

    updates = await tell(telegram, story)

    made = {entry.kind for entry in telegram.outlet().queue.history.values()}
    assert {update.event_type for update in updates} == made
    assert made == KINDS_OF_THE_WORLD


async def test_aiogram_understands_each_refusal(telegram: Telegram) -> None:
    world, guard = telegram.world, telegram.bot
    owner, ann = world.person("Olga"), world.person("Ann")
    basic = world.basic_group("Basic", creator=owner, members=[guard])
    supergroup = owner.migrate(basic)
    ann.start(guard)
    ann.block(guard)
    foreign = world.supergroup("Foreign", creator=owner, username="foreign")
    telegram.faults.add(Fault.flood(3), method="getMe", times=1)
    telegram.faults.add(Fault.conflict(), method="getUpdates", times=1)

    async def story(bot: Bot) -> None:
        with pytest.raises(TelegramBadRequest, match="chat not found"):
            await bot.get_chat(-1009)
        with pytest.raises(TelegramForbiddenError):
            await bot.send_message(foreign.id, "let me in")
        with pytest.raises(TelegramForbiddenError):
            await bot.send_message(ann.id, "you blocked me")
        with pytest.raises(TelegramMigrateToChat) as migration:
            await bot.send_message(basic.id, "hi")
        assert migration.value.migrate_to_chat_id == supergroup.id
        with pytest.raises(TelegramRetryAfter) as flood:
            await bot.get_me()
        assert flood.value.retry_after == 3
        with pytest.raises(TelegramConflictError):
            await bot.get_updates()

    await tell(telegram, story)
    guard.token = f"{guard.token[:-1]}!"
    with pytest.raises(TelegramUnauthorizedError):
        await tell(telegram, lambda bot: Bot("1:" + "A" * 35, session=bot.session).get_me())
