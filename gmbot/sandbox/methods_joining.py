"""Methods about the ways into a chat: invite links and join requests, and the way out."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gmbot.sandbox import errors, joining
from gmbot.sandbox.access import Call
from gmbot.sandbox.chats import Chat, InviteLink, JoinRequest


def create_chat_invite_link(call: Call) -> dict[str, Any]:
    """Make one more link."""
    chat = _chat_with_links(call)
    conditions = _conditions(call)
    link = call.world.new_link(chat, call.bot)
    vars(link).update(conditions)
    call.world.note(call.bot, "made a link to", chat)
    return link.payload(call.bot.id)


def export_chat_invite_link(call: Call) -> str:
    """Make the bot's primary link anew; the one before is revoked."""
    chat = _chat_with_links(call)
    _revoke_primary(call, chat)
    return call.world.new_link(chat, call.bot, is_primary=True).url


def edit_chat_invite_link(call: Call) -> dict[str, Any]:
    """Set a link of the bot's own anew; what is not named is taken away."""
    chat = _chat_with_links(call)
    link = chat.links.get(call.params.text("invite_link"))
    if link is None or link.creator is not call.bot:
        raise errors.refusal(errors.INVITE_HASH_INVALID)
    if link.is_revoked:
        raise errors.refusal(errors.INVITE_HASH_EXPIRED)
    vars(link).update(_conditions(call))
    return link.payload(call.bot.id)


def revoke_chat_invite_link(call: Call) -> dict[str, Any]:
    """Revoke a link of the bot's own; a primary one is followed by another."""
    chat = _chat_with_links(call)
    link = chat.links.get(call.params.text("invite_link"))
    if link is None or link.creator is not call.bot:
        raise errors.refusal(errors.INVITE_HASH_INVALID)
    link.is_revoked = True
    if link.is_primary:
        call.world.primary_link(chat, call.bot)
    return link.payload(call.bot.id)


def approve_chat_join_request(call: Call) -> bool:
    """Let somebody in who asked."""
    joining.settle(call.world, _request(call), call.bot, approve=True)
    return True


def decline_chat_join_request(call: Call) -> bool:
    """Keep somebody out who asked."""
    joining.settle(call.world, _request(call), call.bot, approve=False)
    return True


def answer_chat_join_request_query(call: Call) -> bool:
    """Decide as the chat's guard bot, or leave it to the administrators."""
    query_id = call.params.text("chat_join_request_query_id")
    asked = joining.request_by_query(call.world, query_id, call.bot)
    if asked is None or not query_id:
        raise errors.refusal(errors.QUERY_TOO_OLD)
    result = call.params.text("result")
    if result not in {"approve", "decline", "queue"}:
        raise errors.refusal(errors.RESULT_INVALID)
    asked.query_id = ""
    if result != "queue":
        joining.settle(call.world, asked, call.bot, approve=result == "approve")
    return True


def leave_chat(call: Call) -> bool:
    """Leave a chat."""
    chat = call.chat()
    if chat.type == "private":
        raise errors.refusal(errors.CANNOT_LEAVE_PRIVATE)
    joining.go(call.world, chat, call.bot)
    return True


TABLE: Final[Mapping[str, Callable[[Call], Any]]] = {
    "createChatInviteLink": create_chat_invite_link,
    "exportChatInviteLink": export_chat_invite_link,
    "editChatInviteLink": edit_chat_invite_link,
    "revokeChatInviteLink": revoke_chat_invite_link,
    "approveChatJoinRequest": approve_chat_join_request,
    "declineChatJoinRequest": decline_chat_join_request,
    "answerChatJoinRequestQuery": answer_chat_join_request_query,
    "leaveChat": leave_chat,
}


def _chat_with_links(call: Call) -> Chat:
    chat = call.chat()
    if chat.type == "private":
        raise errors.refusal(errors.NO_LINKS_IN_PRIVATE)
    call.need(chat, "can_invite_users", errors.CANNOT_MANAGE_LINKS)
    return chat


def _conditions(call: Call) -> dict[str, Any]:
    """Return what a link is to be: fields of an InviteLink."""
    expire_date = call.params.integer("expire_date")
    member_limit = call.params.integer("member_limit")
    creates_join_request = call.params.boolean("creates_join_request")
    if creates_join_request and member_limit > 0:
        raise errors.refusal(errors.LIMIT_WITH_APPROVAL)
    if expire_date and expire_date <= call.world.clock():
        raise errors.refusal(errors.EXPIRE_DATE_INVALID)
    return {
        "name": call.params.text("name"),
        "expire_date": expire_date,
        "member_limit": member_limit,
        "creates_join_request": creates_join_request,
    }


def _revoke_primary(call: Call, chat: Chat) -> None:
    for link in _primary_links(call, chat):
        link.is_revoked = True


def _primary_links(call: Call, chat: Chat) -> list[InviteLink]:
    return [link for link in chat.links.values() if link.is_primary and link.creator is call.bot]


def _request(call: Call) -> JoinRequest:
    chat = call.chat()
    if chat.type == "private":
        raise errors.refusal(errors.NO_REQUESTS_IN_PRIVATE)
    call.need(chat, "can_invite_users", errors.CANNOT_MANAGE_REQUESTS)
    user_id = call.params.integer("user_id")
    if user_id <= 0:
        raise errors.refusal(errors.INVALID_USER_ID)
    if user_id not in call.world.accounts:
        raise errors.refusal(errors.USER_ID_INVALID)
    if chat.standing(user_id, call.world.clock()).is_in:
        raise errors.refusal(errors.ALREADY_PARTICIPANT)
    if user_id not in chat.requests:
        raise errors.refusal(errors.REQUESTER_MISSING)
    return chat.requests[user_id]
