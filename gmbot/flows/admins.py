"""Who may command the bot in a group, and what the bot itself has to be there."""

from gmbot.api.errors import BadRequest, NotEnoughRights
from gmbot.api.limiter import Priority
from gmbot.api.types import ChatMember, Message, User
from gmbot.flows.refusal import CommandRefused, Reason, refusals_told
from gmbot.guard.guard import Guard
from gmbot.storage.records import Owner

RESTRICT, DELETE, INVITE = "can_restrict_members", "can_delete_messages", "can_invite_users"

# What the bot needs in a group, by the names that Telegram's own apps show.
_NEEDED = {RESTRICT: "Ban users", DELETE: "Delete messages"}

BASIC_GROUP, SUPERGROUP = "group", "supergroup"


async def require_admin(guard: Guard, message: Message) -> Owner:
    """Return in whose name a command is given: the sender, or an anonymous admin's creator.

    Raises CommandRefused where it was not given in a group, or by nobody who may restrict there
    now; in a basic group, whose admins have no single rights, by no admin.
    """
    chat = message.chat
    if chat.type not in {BASIC_GROUP, SUPERGROUP}:
        raise CommandRefused(Reason.NO_GROUP)
    with refusals_told(is_admin=False):
        if message.sender_chat is not None:
            if message.sender_chat.id != chat.id:
                raise CommandRefused(Reason.NO_ADMIN, is_admin=False)
            return await _creator(guard, chat.id)
        if message.from_user is None:
            raise CommandRefused(Reason.NO_ADMIN, is_admin=False)
        member = await _standing(guard, chat.id, message.from_user)
    if not member.is_admin:
        raise CommandRefused(Reason.NO_ADMIN, is_admin=False)
    if chat.type == SUPERGROUP and not member.may(RESTRICT):
        raise CommandRefused(Reason.NO_RIGHT)
    return _as_owner(message.from_user)


async def require_rights(guard: Guard, group_id: int) -> None:
    """See that the bot may do its work in a group. Raises CommandRefused, or an ApiError."""
    me = await _own_standing(guard, group_id)
    if not me.is_admin:
        raise CommandRefused(Reason.BOT_NO_ADMIN)
    missing = missing_rights(me)
    if missing:
        raise CommandRefused(Reason.BOT_NO_RIGHT, named(missing))


def missing_rights(member: ChatMember) -> tuple[str, ...]:
    """Return what the bot, being this member, lacks in a group, as Telegram's apps call it."""
    return tuple(name for right, name in _NEEDED.items() if not member.may(right))


def named(rights: tuple[str, ...]) -> str:
    """Return the names of rights as part of a sentence."""
    return " and ".join(f"“{name}”" for name in rights)


async def _standing(guard: Guard, group_id: int, person: User) -> ChatMember:
    try:
        return await guard.roles.commander(group_id, person.id) or ChatMember("left", person)
    except (BadRequest, NotEnoughRights):
        # A group that hides its members shows them to admins only.
        if not (await _own_standing(guard, group_id)).is_admin:
            raise CommandRefused(Reason.BOT_NO_ADMIN, is_admin=False) from None
        raise


async def _own_standing(guard: Guard, group_id: int) -> ChatMember:
    return await guard.api.get_chat_member(group_id, guard.me.id, priority=Priority.REPLY)


async def _creator(guard: Guard, group_id: int) -> Owner:
    for admin in await guard.api.get_chat_administrators(group_id):
        if admin.status == "creator":
            return _as_owner(admin.user)
    raise CommandRefused(Reason.NO_CREATOR)


def _as_owner(user: User) -> Owner:
    return Owner(user.id, user.username)
