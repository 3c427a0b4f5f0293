"""A foreign library reads what the world says: proof that it speaks the Bot API."""

from typing import TYPE_CHECKING, Any

import aiogram.methods
import pydantic
from aiogram.types import Update

if TYPE_CHECKING:
    from tests.sandbox.world.conftest import Town

KINDS = {
    "message",
    "edited_message",
    "channel_post",
    "edited_channel_post",
    "callback_query",
    "my_chat_member",
    "chat_member",
    "chat_join_request",
}


def newer(value: Any) -> Any:
    """Add what this aiogram, which speaks Bot API 10.3, requires and 10.1 does not know."""
    if isinstance(value, list):
        return [newer(item) for item in value]
    if not isinstance(value, dict):
        return value
    added = {"can_send_welcome_messages": False} if value.get("status") == "administrator" else {}
    return {name: newer(item) for name, item in value.items()} | added


def play(town: "Town") -> None:
    """Let everything happen that a bot can hear of."""
    markup = {"inline_keyboard": [[{"text": "OK", "callback_data": "ok"}]]}
    sent = town.call("sendMessage", chat_id=town.group, text="Sure?", reply_markup=markup)
    question = town.group.messages[sent["message_id"]]
    town.bob.press(question, "OK")
    town.bob.edit(town.bob.write(town.group, "/help @ann_owner", reply_to=question), "fine")
    town.bob.album(town.group, 2, "#pictures")
    town.channel.linked, town.group.linked = town.group, town.channel
    post = town.ann.post(town.channel, "https://x.example")
    town.ann.edit(post, "news")
    town.ann.forward(post, town.group)
    town.ann.write_as(town.channel, town.group, "as a channel")
    town.zed.request_join(town.group, via=town.ann.link(town.group, creates_join_request=True))
    town.call("approveChatJoinRequest", chat_id=town.group, user_id=town.zed.id)
    town.ann.restrict(town.group, town.zed, until_date=int(town.now) + 99)
    town.zed.leave(town.group)
    town.ann.ban(town.group, town.zed)
    town.ann.promote(town.group, town.bob)
    town.ann.be_anonymous(town.group)
    town.ann.pin(town.ann.write(town.group, "anonymous"))
    basic = town.world.basic_group("Friends", creator=town.ann, members=[town.bot])
    town.ann.migrate(basic)
    town.bob.start(town.bot)
    town.bob.block(town.bot)


def test_every_update_is_read_by_aiogram(town: "Town") -> None:
    play(town)

    for _, kind, payload in town.updates:
        update = Update.model_validate({"update_id": 1, kind: newer(payload)})
        assert getattr(update, kind) is not None
    assert {kind for _, kind, _ in town.updates} == KINDS


def test_every_answer_is_read_by_aiogram(town: "Town") -> None:
    play(town)
    town.bob.unblock(town.bot)
    group: dict[str, Any] = {"chat_id": town.group}
    bob = {**group, "user_id": town.bob.id}

    def answer(method: type[aiogram.methods.TelegramMethod[Any]], **params: Any) -> Any:
        result = town.call(method.__api_method__, **params)
        return pydantic.TypeAdapter(method.__returning__).validate_python(newer(result))

    me = answer(aiogram.methods.GetMe)
    assert me.username == "guard_bot"
    for chat_id in (town.group.id, town.channel.id, town.bob.id):
        assert answer(aiogram.methods.GetChat, chat_id=chat_id).id == chat_id
    for user_id in (town.ann.id, town.bob.id, town.zed.id, town.bot.id):
        member = answer(aiogram.methods.GetChatMember, chat_id=town.group, user_id=user_id)
        assert member.user.id == user_id
    assert len(answer(aiogram.methods.GetChatAdministrators, **group)) == 3
    link = answer(aiogram.methods.CreateChatInviteLink, **group)
    assert answer(
        aiogram.methods.RevokeChatInviteLink, invite_link=link.invite_link, **group
    ).is_revoked
    sent = answer(aiogram.methods.SendMessage, text="<b>hi</b>", parse_mode="HTML", **group)
    same = {**group, "message_id": sent.message_id}
    assert answer(aiogram.methods.EditMessageText, text="ho", **same).text == "ho"
    copy = answer(aiogram.methods.CopyMessage, from_chat_id=town.group, **same)
    assert copy.message_id > sent.message_id
    assert answer(aiogram.methods.SendPhoto, photo="1", **group).photo[0].file_id == "1"
    town.ann.demote(town.group, town.bob)
    assert answer(aiogram.methods.RestrictChatMember, permissions={}, **bob) is True
