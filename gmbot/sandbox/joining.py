"""How people come into chats, go, and change their standing, and which bots hear of it.

Nobody's rights are asked here.
"""

from typing import TYPE_CHECKING, Any, Final

from gmbot.sandbox.chats import ANONYMOUS, Account, Bot, Chat, InviteLink, JoinRequest
from gmbot.sandbox.members import EVERYTHING, LEFT, MEMBER, Standing, banned, member_payload
from gmbot.sandbox.posting import announce, delete, publish

if TYPE_CHECKING:
    from gmbot.sandbox.world import World

WRITE_AFTER_REQUEST: Final = 300  # seconds. Source: ChatJoinRequest.user_chat_id
QUERY_LIFETIME: Final = 10  # seconds. Source: ChatJoinRequest.query_id


def change(
    world: "World",
    chat: Chat,
    whom: Account,
    new: Standing,
    by: Account,
    *,
    link: InviteLink | None = None,
    via_join_request: bool = False,
) -> bool:
    """Give somebody a new standing and tell the bots; return whether anything changed."""
    now = world.clock()
    old = chat.standing(whom.id, now)
    chat.standings[whom.id] = new
    if old == new:
        return False
    for bot in world.bots.values():
        if bot is whom:
            kind = "my_chat_member"
        elif chat.type != "private" and chat.standing(bot.id, now).is_admin:
            kind = "chat_member"
        else:
            continue
        update: dict[str, Any] = {
            "chat": chat.payload(),
            "from": face(world, chat, by).payload(),
            "date": world.now,
            "old_chat_member": member_payload(old, whom.payload(), chat.type, viewer_id=bot.id),
            "new_chat_member": member_payload(new, whom.payload(), chat.type, viewer_id=bot.id),
        }
        if link is not None:
            update["invite_link"] = link.payload(bot.id)
        if via_join_request:
            update["via_join_request"] = True
        world.tell(bot, kind, update)
    return True


def face(world: "World", chat: Chat, account: Account) -> Account:
    """Return whom others see acting: an anonymous administrator hides behind the group."""
    return ANONYMOUS if chat.standing(account.id, world.clock()).is_anonymous else account


def enter(
    world: "World",
    chat: Chat,
    whom: Account,
    by: Account,
    *,
    link: InviteLink | None = None,
    via_join_request: bool = False,
) -> None:
    """Let somebody in, by themselves or by somebody else."""
    new = chat.standing(whom.id, world.clock()).inside()
    if link is not None:
        link.joined += 1
    change(world, chat, whom, new, by, link=link, via_join_request=via_join_request)
    if by is whom:
        world.note(whom, "joined", chat)
    else:
        world.note(by, "let in", chat, whom=whom)
    author = by if link is None and not via_join_request else whom
    announce(world, chat, author, {"new_chat_members": [whom.payload()]})


def go(world: "World", chat: Chat, whom: Account) -> None:
    """Let somebody leave by themselves."""
    change(world, chat, whom, chat.standing(whom.id, world.clock()).outside(), whom)
    world.note(whom, "left", chat)
    announce(world, chat, whom, {"left_chat_member": whom.payload()})


def ban(world: "World", chat: Chat, whom: Account, by: Account, until: int) -> None:
    """Remove somebody. Basic groups know no bans; elsewhere the messages go too."""
    was_in = chat.standing(whom.id, world.clock()).is_in
    changed = change(world, chat, whom, LEFT if chat.type == "group" else banned(until), by)
    if changed:
        world.note(by, "banned", chat, whom=whom)
    if chat.type == "supergroup":
        for message in chat.visible():
            if message.sender is whom and message.as_chat is None and not message.is_service:
                delete(world, message, by)
    if was_in:
        announce(world, chat, by, {"left_chat_member": whom.payload()})


def rename(world: "World", chat: Chat, title: str, username: str | None, by: Account) -> None:
    """Give a chat other names; only a new title is told."""
    is_new = title != chat.title
    world.usernames.give(username, chat)
    chat.title = title
    world.note(by, "renamed", chat)
    if is_new:
        announce(world, chat, by, {"new_chat_title": title})


def release(world: "World", chat: Chat, whom: Account, by: Account) -> None:
    """End a ban, or remove a member without one: either way they are out and may come back."""
    was_in = chat.standing(whom.id, world.clock()).is_in
    if change(world, chat, whom, LEFT, by):
        world.note(by, "removed" if was_in else "unbanned", chat, whom=whom)
    if was_in:
        announce(world, chat, by, {"left_chat_member": whom.payload()})


def restrict(
    world: "World",
    chat: Chat,
    whom: Account,
    by: Account,
    permissions: frozenset[str],
    until: int,
) -> None:
    """Restrict somebody to permissions; all of them lift the restriction."""
    new = chat.standing(whom.id, world.clock()).restricted(permissions, until)
    if change(world, chat, whom, new, by):
        deed = "lifted the restriction of" if permissions == EVERYTHING else "restricted"
        world.note(by, deed, chat, whom=whom)


def appoint(world: "World", chat: Chat, whom: Account, by: Account, new: Standing) -> None:
    """Make somebody administrator, or an ordinary member again; bots cannot be that in channels."""
    if not new.is_admin and chat.type == "channel" and whom.is_bot:
        new = LEFT
    if change(world, chat, whom, new, by):
        world.note(by, "promoted" if new.is_admin else "demoted", chat, whom=whom)


def request(world: "World", chat: Chat, person: Account, link: InviteLink | None) -> JoinRequest:
    """Let somebody ask to be let in. Bots that may invite hear it and may write to the person."""
    asked = JoinRequest(chat, person, world.clock(), link)
    chat.requests[person.id] = asked
    if link is not None:
        link.pending += 1
    world.note(person, "asked to join", chat)
    for bot in world.bots.values():
        if not chat.standing(bot.id, world.clock()).may("can_invite_users"):
            continue
        bot.may_write_until[person.id] = world.clock() + WRITE_AFTER_REQUEST
        update: dict[str, Any] = {
            "chat": chat.payload(),
            "from": person.payload(),
            "user_chat_id": person.id,
            "date": world.now,
        }
        if link is not None:
            update["invite_link"] = link.payload(bot.id)
        if bot is chat.guard_bot:
            asked.query_id = update["query_id"] = world.new_id()
        world.tell(bot, "chat_join_request", update)
    return asked


def settle(world: "World", asked: JoinRequest, by: Account, *, approve: bool) -> None:
    """Approve or decline a join request."""
    del asked.chat.requests[asked.person.id]
    asked.state = "approved" if approve else "declined"
    if asked.link is not None:
        asked.link.pending -= 1
    if not approve:
        world.note(by, "declined", asked.chat, whom=asked.person)
        return
    direct = asked.link is None
    enter(world, asked.chat, asked.person, by, link=asked.link, via_join_request=direct)


def migrate(world: "World", group: Chat, by: Account) -> Chat:
    """Turn a basic group into a supergroup; both tell of it.

    To bots it looks as if they came into the supergroup; of leaving the group they are not told.
    Source: tdlib/telegram-bot-api#266.
    """
    chat = world.turn_into_supergroup(group)
    for bot in world.bots.values():
        if bot.id in chat.standings:
            change(world, chat, bot, chat.standings.pop(bot.id), by)
    publish(world, group, by, {"migrate_to_chat_id": chat.id})
    publish(world, chat, by, {"migrate_from_chat_id": group.id}, as_chat=chat)
    world.note(by, "upgraded", chat)
    return chat


def set_blocked(world: "World", bot: Bot, person: Account, *, blocked: bool) -> None:
    """Let a person block a bot, or stop blocking it; the bot's own standing says so."""
    (bot.blocked_by.add if blocked else bot.blocked_by.discard)(person.id)
    chat = world.private(bot, person)
    change(world, chat, bot, banned(0) if blocked else MEMBER, person)
    world.note(person, "blocked" if blocked else "unblocked", whom=bot)


def request_by_query(world: "World", query_id: str, bot: Bot) -> JoinRequest | None:
    """Return the pending join request that a guard bot may still decide by its query."""
    for chat in world.chats.values():
        for asked in chat.requests.values():
            fresh = world.clock() - asked.date <= QUERY_LIFETIME
            if asked.query_id == query_id and chat.guard_bot is bot and fresh:
                return asked
    return None


def permissions_changed(
    world: "World", chat: Chat, by: Account, permissions: frozenset[str]
) -> None:
    """Set what ordinary members may do."""
    chat.permissions = permissions
    world.note(by, "changed the permissions of everybody", chat)
