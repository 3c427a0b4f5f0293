"""Methods about a chat and who is in it: to look, to restrict, to ban, to promote."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from gmbot.sandbox import errors, joining
from gmbot.sandbox.access import Call
from gmbot.sandbox.chats import Account, Chat
from gmbot.sandbox.members import (
    MEMBER,
    PERMISSIONS,
    RIGHTS,
    Standing,
    administrator,
    asked_permissions,
    ends_at,
    member_payload,
    permissions_payload,
)

# ChatFullInfo requires these; nobody here depends on their values.
_DECORATION: Final[dict[str, Any]] = {
    "accent_color_id": 0,
    "max_reaction_count": 11,
    "accepted_gift_types": {
        "unlimited_gifts": True,
        "limited_gifts": True,
        "unique_gifts": True,
        "premium_subscription": True,
        "gifts_from_channels": True,
    },
}


def get_chat(call: Call) -> dict[str, Any]:
    """Tell all that the bot may know of a chat."""
    chat = call.chat(read_only=True)
    info = chat.payload() | _DECORATION
    standing = call.standing(chat)
    if chat.username is not None:
        info["active_usernames"] = [chat.username]
    if chat.is_group:
        info["permissions"] = permissions_payload(chat.permissions)
    if chat.linked is not None:
        info["linked_chat_id"] = chat.linked.id
    if chat.type != "private" and standing.may("can_invite_users"):
        info["invite_link"] = call.world.primary_link(chat, call.bot).url
    if chat.guard_bot is not None and standing.is_admin:
        info["guard_bot"] = chat.guard_bot.payload()
    if chat.pinned is not None and not chat.pinned.deleted:
        info["pinned_message"] = chat.pinned.payload(nested=True)
    flags = {
        "join_by_request": chat.join_by_request,
        "join_to_send_messages": chat.join_to_send_messages,
        "has_hidden_members": chat.hidden_members,
    }
    return info | {name: True for name, raised in flags.items() if raised}


def get_chat_member(call: Call) -> dict[str, Any]:
    """Tell what somebody is in a chat; who was never there has left."""
    chat = call.chat(read_only=True)
    user = call.user()
    if user is not call.bot:
        _check_list(call, chat)
        if user.id not in chat.standings and (chat.absent_answer or chat.type == "private"):
            raise errors.refusal(chat.absent_answer or errors.MEMBER_NOT_FOUND)
    return _member(call, chat, user)


def get_chat_administrators(call: Call) -> list[dict[str, Any]]:
    """Tell who runs a chat; other bots only where the bot asks for them."""
    chat = call.chat(read_only=True)
    if chat.type == "private":
        raise errors.refusal(errors.NO_ADMINISTRATORS)
    if chat.type == "channel" or chat.member_list_inaccessible:
        _check_list(call, chat)
    admins = [
        call.world.accounts[account_id]
        for account_id in chat.standings
        if chat.standing(account_id, call.world.clock()).is_admin
    ]
    bots_too = call.params.boolean("return_bots")
    return [
        _member(call, chat, admin)
        for admin in admins
        if bots_too or not admin.is_bot or admin is call.bot
    ]


def get_chat_member_count(call: Call) -> int:
    """Count who is in a chat."""
    chat = call.chat(read_only=True)
    now = call.world.clock()
    return sum(chat.standing(account_id, now).is_in for account_id in chat.standings)


def restrict_chat_member(call: Call) -> bool:
    """Restrict somebody in a supergroup, or lift the restriction with all permissions."""
    permissions = _permissions(call)
    chat = call.chat()
    if chat.type != "supergroup":
        raise errors.refusal(errors.SUPERGROUPS_ONLY)
    user = _target(call, chat)
    until = ends_at(call.params.integer("until_date"), call.world.clock())
    joining.restrict(call.world, chat, user, call.bot, permissions, until)
    return True


def ban_chat_member(call: Call) -> bool:
    """Remove somebody, who cannot come back until unbanned."""
    chat = call.chat()
    if chat.type == "private":
        raise errors.refusal(errors.CANNOT_BAN_IN_PRIVATE)
    user = _target(call, chat)
    until = ends_at(call.params.integer("until_date"), call.world.clock())
    joining.ban(call.world, chat, user, call.bot, until)
    return True


def unban_chat_member(call: Call) -> bool:
    """End a ban; a member is removed, unless `only_if_banned`."""
    chat = call.chat()
    if chat.type not in {"supergroup", "channel"}:
        raise errors.refusal(errors.SUPERGROUPS_AND_CHANNELS_ONLY)
    user = _target(call, chat)
    is_banned = chat.standing(user.id, call.world.clock()).status == "kicked"
    if is_banned or not call.params.boolean("only_if_banned"):
        joining.release(call.world, chat, user, call.bot)
    return True


def promote_chat_member(call: Call) -> bool:
    """Make somebody administrator with some of the bot's own rights; with none, a member again."""
    chat = call.chat()
    if chat.type not in {"supergroup", "channel"}:
        raise errors.refusal(errors.SUPERGROUPS_AND_CHANNELS_ONLY)
    user = call.user()
    if user is call.bot:
        raise errors.refusal(errors.CANNOT_PROMOTE_SELF)
    call.need(chat, "can_promote_members", errors.NOT_ENOUGH_RIGHTS)
    standing = _check_rank(call, chat, user)
    rights = {name for name in RIGHTS[chat.type] if call.params.boolean(name)}
    if rights and chat.type == "channel" and "can_restrict_members" not in call.params:
        rights.add("can_restrict_members")
    if rights - call.standing(chat).rights:
        raise errors.refusal(errors.RIGHT_FORBIDDEN)
    if not standing.is_in:
        raise errors.refusal(errors.NOT_PARTICIPANT)
    if not rights and not standing.is_admin:
        return True
    is_anonymous = call.params.boolean("is_anonymous")
    new = administrator(rights, promoted_by=call.bot.id, is_anonymous=is_anonymous)
    joining.appoint(call.world, chat, user, call.bot, new if rights else MEMBER)
    return True


def set_chat_permissions(call: Call) -> bool:
    """Set what ordinary members may do."""
    permissions = _permissions(call)
    chat = call.chat()
    if not chat.is_group:
        raise errors.refusal(errors.CANNOT_CHANGE_PERMISSIONS)
    call.need(chat, "can_restrict_members", errors.CANNOT_CHANGE_PERMISSIONS)
    joining.permissions_changed(call.world, chat, call.bot, permissions)
    return True


TABLE: Final[Mapping[str, Callable[[Call], Any]]] = {
    "getChat": get_chat,
    "getChatMember": get_chat_member,
    "getChatAdministrators": get_chat_administrators,
    "getChatMemberCount": get_chat_member_count,
    "restrictChatMember": restrict_chat_member,
    "banChatMember": ban_chat_member,
    "unbanChatMember": unban_chat_member,
    "promoteChatMember": promote_chat_member,
    "setChatPermissions": set_chat_permissions,
}


def _member(call: Call, chat: Chat, user: Account) -> dict[str, Any]:
    standing = chat.standing(user.id, call.world.clock())
    return member_payload(standing, user.payload(), chat.type, viewer_id=call.bot.id)


def _check_list(call: Call, chat: Chat) -> None:
    """Refuse to tell of others where the bot cannot see them."""
    is_admin = call.standing(chat).is_admin
    if chat.member_list_inaccessible or (chat.type == "channel" and not is_admin):
        raise errors.refusal(errors.MEMBER_LIST_INACCESSIBLE)
    if chat.hidden_members and not is_admin:
        raise errors.refusal(errors.CHAT_ADMIN_REQUIRED)


def _target(call: Call, chat: Chat) -> Account:
    """Return whom a restriction or ban is for, where the bot may act on them."""
    user = call.user()
    if user is call.bot:
        raise errors.refusal(errors.CANNOT_RESTRICT_SELF)
    if chat.standing(user.id, call.world.clock()).status == "creator":
        raise errors.refusal(errors.CANNOT_REMOVE_OWNER)
    call.need(chat, "can_restrict_members", errors.CANNOT_RESTRICT)
    _check_rank(call, chat, user)
    return user


def _check_rank(call: Call, chat: Chat, user: Account) -> Standing:
    """Refuse to act on the owner, or on administrators whom the bot did not appoint."""
    standing = chat.standing(user.id, call.world.clock())
    if standing.status == "creator":
        raise errors.refusal(errors.CANNOT_REMOVE_OWNER)
    if standing.is_admin and standing.promoted_by != call.bot.id:
        raise errors.refusal(errors.USER_IS_ADMINISTRATOR)
    return standing


def _permissions(call: Call) -> frozenset[str]:
    fields = call.params.parsed("permissions", not_json=errors.PERMISSIONS_NOT_JSON)
    if not isinstance(fields, dict):
        raise errors.refusal(errors.PERMISSIONS_NOT_OBJECT)
    for name in PERMISSIONS:
        if not isinstance(fields.get(name, False), bool):
            raise errors.refusal(errors.PERMISSION_NOT_BOOLEAN.format(name=name))
    independent = call.params.boolean("use_independent_chat_permissions")
    return asked_permissions(fields, independent=independent)
