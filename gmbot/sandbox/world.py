"""The world of the simulated Telegram: who exists, which chats, what time it is, what happened.

Everything here is synchronous and in memory. Whatever a bot should see goes to `on_update`.
"""

import random as randomness
import string
from collections.abc import Callable, Iterable
from typing import Any, Final

from gmbot.sandbox.chats import Account, Bot, Chat, InviteLink, Message, Press
from gmbot.sandbox.journal import Entry, Journal
from gmbot.sandbox.members import (
    CREATOR,
    EVERYTHING,
    MEMBER,
    NOTHING,
    RIGHTS,
    administrator,
)
from gmbot.sandbox.people import Person
from gmbot.sandbox.usernames import Usernames

OnUpdate = Callable[[int, str, dict[str, Any]], None]

# Ids as today's servers give them: accounts need more than 32 bits, channels and supergroups have
# -100 in front.
_FIRST_PERSON: Final = 5_000_000_001
_FIRST_BOT: Final = 7_000_000_001
_FIRST_GROUP: Final = -4_000_000_001
_FIRST_CHANNEL: Final = -1_002_000_000_001

_BASE64URL: Final = string.ascii_letters + string.digits + "-_"
_CREATED: Final = {
    "group": {"group_chat_created": True},
    "supergroup": {"supergroup_chat_created": True},
    "channel": {"channel_chat_created": True},
}


class World:
    """All accounts and chats. `clock` gives seconds since 1970, `random` makes ids and links."""

    def __init__(
        self, *, clock: Callable[[], float], on_update: OnUpdate, random: randomness.Random
    ) -> None:
        self.clock = clock
        self.on_update = on_update
        self.random = random
        self.journal = Journal()
        self.accounts: dict[int, Account] = {}
        self.bots: dict[int, Bot] = {}
        self.chats: dict[int, Chat] = {}
        self.presses: dict[str, Press] = {}
        self._privates: dict[tuple[int, int], Chat] = {}
        self.usernames = Usernames()

    @property
    def now(self) -> int:
        """Seconds since 1970, whole, as messages are dated."""
        return int(self.clock())

    def person(
        self,
        first_name: str,
        last_name: str | None = None,
        *,
        username: str | None = None,
        account_id: int | None = None,
        language_code: str | None = None,
    ) -> Person:
        """Let a person exist."""
        people = len(self.accounts) - len(self.bots)
        person = Person(
            account_id or _FIRST_PERSON + people,
            first_name,
            last_name,
            username,
            language_code,
            world=self,
        )
        self._add_account(person)
        return person

    def bot(
        self, name: str, username: str, *, account_id: int | None = None, privacy: bool = True
    ) -> Bot:
        """Let a bot exist; its token begins with its id."""
        bot_id = account_id or _FIRST_BOT + len(self.bots)
        bot = Bot(
            bot_id,
            name,
            username=username,
            privacy=privacy,
            token=f"{bot_id}:AA{self._secret(33)}",
        )
        self._add_account(bot)
        self.bots[bot.id] = bot
        return bot

    def basic_group(self, title: str, *, creator: Account, members: Iterable[Account] = ()) -> Chat:
        """Let a basic group exist, with its members in it already."""
        return self._add_chat("group", title, None, creator, members, EVERYTHING)

    def supergroup(
        self,
        title: str,
        *,
        creator: Account,
        username: str | None = None,
        members: Iterable[Account] = (),
        admins: Iterable[Account] = (),
        permissions: Iterable[str] = EVERYTHING,
    ) -> Chat:
        """Let a supergroup exist, with its members and admins in it already; public by username."""
        chat = self._add_chat(
            "supergroup", title, username, creator, members, frozenset(permissions)
        )
        self._appoint(chat, admins, creator)
        return chat

    def channel(
        self,
        title: str,
        *,
        creator: Account,
        username: str | None = None,
        members: Iterable[Account] = (),
        admins: Iterable[Account] = (),
        discussion: Chat | None = None,
    ) -> Chat:
        """Let a channel exist; its posts go on to the `discussion` group by themselves."""
        chat = self._add_chat("channel", title, username, creator, members, EVERYTHING)
        self._appoint(chat, admins, creator)
        if discussion is not None:
            chat.linked, discussion.linked = discussion, chat
        return chat

    def private(self, bot: Bot, person: Account) -> Chat:
        """Return the private chat of a bot and a person, which exists as soon as it is named."""
        key = (bot.id, person.id)
        if key not in self._privates:
            self._privates[key] = Chat(
                person.id,
                "private",
                person=person,
                standings={bot.id: MEMBER, person.id: MEMBER},
            )
        return self._privates[key]

    def find(self, reference: int | str, *, bot: Bot) -> Chat | None:
        """Return the chat that a bot names by id or @username; usernames ignore case."""
        if isinstance(reference, str):
            found = self.usernames.find(reference)
            return found if isinstance(found, Chat) else None
        account = self.accounts.get(reference)
        if account is not None:
            return self.private(bot, account)
        return self.chats.get(reference)

    def account_of(self, username: str) -> Account | None:
        """Return the person or bot of a username."""
        found = self.usernames.find(username)
        return found if isinstance(found, Account) else None

    def link(self, url: str) -> tuple[Chat, InviteLink] | None:
        """Return the chat and the invite link of an address."""
        for chat in self.chats.values():
            if url in chat.links:
                return chat, chat.links[url]
        return None

    def new_link(self, chat: Chat, creator: Account, *, is_primary: bool = False) -> InviteLink:
        """Make an invite link."""
        url = f"https://t.me/+{self._secret(16)}"
        chat.links[url] = InviteLink(url, creator, is_primary=is_primary)
        return chat.links[url]

    def primary_link(self, chat: Chat, creator: Account) -> InviteLink:
        """Return the primary link that each administrator has, making it where it is missing."""
        for link in chat.links.values():
            if link.is_primary and not link.is_revoked and link.creator is creator:
                return link
        return self.new_link(chat, creator, is_primary=True)

    def new_id(self) -> str:
        """Make an id of a query or an album."""
        return str(self.random.randrange(1 << 61, 1 << 63))

    def can_write(self, person: Account, chat: Chat) -> bool:
        """Whether somebody could write a text in a chat now."""
        return self.may(person, chat, "can_send_messages")

    def may(self, person: Account, chat: Chat, permission: str) -> bool:
        """Whether somebody has a permission in a chat now."""
        return permission in self.permissions(person, chat)

    def permissions(self, person: Account, chat: Chat) -> frozenset[str]:
        """Return all that somebody may in a chat now, by standing, defaults and kind of chat.

        Who is not in a group may write there where it discusses a channel, unless they have to
        join first.
        """
        standing = chat.standing(person.id, self.clock())
        if chat.type == "channel":
            return EVERYTHING if standing.may("can_post_messages") else NOTHING
        is_guest = chat.linked is not None and not chat.join_to_send_messages
        if chat.migrated_to is not None or not (standing.is_in or is_guest):
            return NOTHING
        return standing.allowed(chat.permissions)

    def tell(self, bot: Bot, kind: str, payload: dict[str, Any]) -> None:
        """Let a bot see something."""
        self.on_update(bot.id, kind, payload)

    def note(
        self,
        who: Account,
        deed: str,
        chat: Chat | None = None,
        *,
        whom: Account | None = None,
        message: Message | None = None,
        text: str = "",
    ) -> None:
        """Write into the journal what somebody did."""
        self.journal.note(
            Entry(
                at=self.clock(),
                who=who.name,
                who_id=who.id,
                by_bot=who.is_bot,
                deed=deed,
                chat=chat.name if chat is not None else "",
                chat_id=chat.id if chat is not None else 0,
                whom=whom.name if whom is not None else "",
                whom_id=whom.id if whom is not None else 0,
                message_id=message.id if message is not None else 0,
                text=text,
            )
        )

    def turn_into_supergroup(self, group: Chat) -> Chat:
        """Make the supergroup that a basic group becomes, with the same people in it."""
        chat = Chat(
            _FIRST_CHANNEL - len(self.chats),
            "supergroup",
            group.title,
            permissions=group.permissions,
            standings=dict(group.standings),
            join_messages=group.join_messages,
        )
        self.chats[chat.id] = group.migrated_to = chat
        return chat

    def _add_account(self, account: Account) -> None:
        if account.id in self.accounts:
            raise ValueError(f"there is an account {account.id} already")
        self.usernames.give(account.username, account)
        self.accounts[account.id] = account

    def _add_chat(
        self,
        kind: str,
        title: str,
        username: str | None,
        creator: Account,
        members: Iterable[Account],
        permissions: frozenset[str],
    ) -> Chat:
        first = _FIRST_GROUP if kind == "group" else _FIRST_CHANNEL
        chat = Chat(first - len(self.chats), kind, title, username, permissions)
        self.usernames.give(username, chat)
        chat.standings |= {member.id: MEMBER for member in members}
        chat.standings[creator.id] = CREATOR
        chat.messages[1] = Message(1, chat, self.now, creator, dict(_CREATED[kind]))
        chat.next_message_id = 2
        self.chats[chat.id] = chat
        return chat

    def _appoint(self, chat: Chat, admins: Iterable[Account], creator: Account) -> None:
        rights = set(RIGHTS[chat.type]) - {"can_promote_members"}
        for admin in admins:
            chat.standings[admin.id] = administrator(rights, promoted_by=creator.id)

    def _secret(self, length: int) -> str:
        return "".join(self.random.choices(_BASE64URL, k=length))
