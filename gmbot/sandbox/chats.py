"""What the simulated Telegram holds: accounts, chats, messages, links, requests and presses.

State and how a bot sees it, no rules: those are in `members`, `posting` and `joining`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from gmbot.sandbox.members import EVERYTHING, LEFT, Standing

Content = dict[str, Any]  # fields of a Message: text with entities, photo with caption, service …

# Fields that make a message a service message.
SERVICE: Final = frozenset(
    {
        "new_chat_members",
        "left_chat_member",
        "pinned_message",
        "new_chat_title",
        "migrate_to_chat_id",
        "migrate_from_chat_id",
        "group_chat_created",
        "supergroup_chat_created",
        "channel_chat_created",
    }
)


@dataclass(eq=False)
class Account:
    """A person or a bot."""

    id: int
    first_name: str
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = None
    is_bot: bool = False

    def payload(self) -> dict[str, Any]:
        """Write a User."""
        user: dict[str, Any] = {
            "id": self.id,
            "is_bot": self.is_bot,
            "first_name": self.first_name,
        }
        optional = {
            "last_name": self.last_name,
            "username": self.username,
            "language_code": self.language_code,
        }
        return user | {name: value for name, value in optional.items() if value is not None}

    @property
    def name(self) -> str:
        """The name people see."""
        return f"{self.first_name} {self.last_name}" if self.last_name else self.first_name


@dataclass(eq=False)
class Bot(Account):
    """A bot; `privacy` hides the talk of groups from it where it is no administrator."""

    is_bot: bool = True
    privacy: bool = True
    token: str = ""
    description: str = ""
    commands: dict[tuple[str, str], list[dict[str, str]]] = field(default_factory=dict)
    talks_to: set[int] = field(default_factory=set)  # people who started it
    blocked_by: set[int] = field(default_factory=set)
    may_write_until: dict[int, float] = field(default_factory=dict)  # after a join request


# Accounts of Telegram itself. Source: Message, from and sender_chat.
TELEGRAM: Final = Account(777000, "Telegram")
ANONYMOUS: Final = Account(1087968824, "Group", username="GroupAnonymousBot", is_bot=True)
CHANNEL: Final = Account(136817688, "Channel", username="Channel_Bot", is_bot=True)


@dataclass(eq=False)
class InviteLink:
    """A link into a chat; `expire_date` 0 is never, `member_limit` 0 is none."""

    url: str
    creator: Account
    creates_join_request: bool = False
    is_primary: bool = False
    is_revoked: bool = False
    name: str = ""
    expire_date: int = 0
    member_limit: int = 0
    joined: int = 0
    pending: int = 0

    def payload(self, viewer_id: int) -> dict[str, Any]:
        """Write a ChatInviteLink; others than its creator see half of the address."""
        url = self.url
        if viewer_id != self.creator.id:
            url = url[: -len(url.rpartition("/")[2]) // 2] + "..."
        link: dict[str, Any] = {
            "invite_link": url,
            "creator": self.creator.payload(),
            "creates_join_request": self.creates_join_request,
            "is_primary": self.is_primary,
            "is_revoked": self.is_revoked,
        }
        optional = {
            "name": self.name,
            "expire_date": self.expire_date,
            "member_limit": self.member_limit,
            "pending_join_request_count": self.pending,
        }
        return link | {name: value for name, value in optional.items() if value}


@dataclass(eq=False)
class Chat:
    """A private chat, basic group, supergroup or channel.

    Flags are for tests to turn: `join_messages` (service messages of joining and leaving),
    `hidden_members` (only administrators see the list), `member_list_inaccessible` (nobody does),
    `absent_answer` (the words answered for people who were never there, instead of `left`).
    """

    id: int
    type: str
    title: str = ""
    username: str | None = None
    permissions: frozenset[str] = EVERYTHING
    standings: dict[int, Standing] = field(default_factory=dict)
    messages: dict[int, "Message"] = field(default_factory=dict)
    links: dict[str, InviteLink] = field(default_factory=dict)
    requests: dict[int, "JoinRequest"] = field(default_factory=dict)
    linked: "Chat | None" = None
    migrated_to: "Chat | None" = None
    person: Account | None = None  # of a private chat
    guard_bot: Bot | None = None  # is asked about join requests first
    pinned: "Message | None" = None
    join_messages: bool = True
    join_by_request: bool = False
    join_to_send_messages: bool = False
    hidden_members: bool = False
    member_list_inaccessible: bool = False
    absent_answer: str | None = None
    next_message_id: int = 1

    def payload(self) -> dict[str, Any]:
        """Write a Chat."""
        chat: dict[str, Any] = {"id": self.id, "type": self.type}
        if self.person is not None:
            user = self.person.payload()
            names = ("first_name", "last_name", "username")
            return chat | {name: user[name] for name in names if name in user}
        chat["title"] = self.title
        if self.username is not None:
            chat["username"] = self.username
        return chat

    def standing(self, account_id: int, now: float) -> Standing:
        """Return what somebody is here now."""
        return self.standings.get(account_id, LEFT).at(now)

    def visible(self) -> list["Message"]:
        """Return what a member who scrolls up sees."""
        return [message for message in self.messages.values() if not message.deleted]

    def texts(self) -> list[str]:
        """Return the visible words, service messages left out."""
        return [message.text for message in self.visible() if not message.is_service]

    def deleted_ids(self) -> list[int]:
        """Return the ids of the messages that were deleted."""
        return [message.id for message in self.messages.values() if message.deleted]

    @property
    def is_group(self) -> bool:
        """Whether people talk here."""
        return self.type in {"group", "supergroup"}

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self.person.name if self.person is not None else self.title


@dataclass(eq=False)
class Message:
    """A message; `sender` truly wrote it, `as_chat` is shown instead where it is set."""

    id: int
    chat: Chat
    date: int
    sender: Account
    content: Content
    as_chat: Chat | None = None
    reply_to: "Message | None" = None
    markup: dict[str, Any] | None = None
    media_group_id: str | None = None
    origin: dict[str, Any] | None = None
    is_automatic: bool = False
    passed_on: "Message | None" = None  # the automatic forward of a channel's post
    edit_date: int | None = None
    deleted: bool = False
    deleted_by: Account | None = None

    @property
    def is_service(self) -> bool:
        """Whether it tells of an event rather than being written by somebody."""
        return not SERVICE.isdisjoint(self.content)

    @property
    def text(self) -> str:
        """Its words: the text or the caption."""
        return str(self.content.get("text", self.content.get("caption", "")))

    @property
    def shown_sender(self) -> Account:
        """The account that a bot is told wrote it."""
        if self.is_automatic:
            return TELEGRAM
        if self.as_chat is None:
            return self.sender
        return ANONYMOUS if self.as_chat is self.chat else CHANNEL

    def buttons(self) -> Iterator[dict[str, Any]]:
        """Go through the buttons of its inline keyboard."""
        for row in (self.markup or {}).get("inline_keyboard", ()):
            yield from row

    def payload(self, *, nested: bool = False) -> dict[str, Any]:
        """Write a Message; the nested ones, of replies, tell of no further reply."""
        message: dict[str, Any] = {
            "message_id": self.id,
            "date": self.date,
            "chat": self.chat.payload(),
        }
        if self.chat.type != "channel":
            message["from"] = self.shown_sender.payload()
        if self.as_chat is not None:
            message["sender_chat"] = self.as_chat.payload()
        if self.is_automatic:
            message["is_automatic_forward"] = True
        if self.reply_to is not None and not nested:
            message["reply_to_message"] = self.reply_to.payload(nested=True)
        optional = {
            "forward_origin": self.origin,
            "edit_date": self.edit_date,
            "media_group_id": self.media_group_id,
            "reply_markup": self.markup,
        }
        message |= {name: value for name, value in optional.items() if value is not None}
        return message | self.content


@dataclass(eq=False)
class JoinRequest:
    """Somebody asks to be let in; `state` is pending, approved or declined."""

    chat: Chat
    person: Account
    date: float
    link: InviteLink | None = None
    query_id: str = ""  # while the guard bot may answer
    state: str = "pending"


@dataclass(eq=False)
class Press:
    """A press of a button as the presser sees it: what came back, if anything did."""

    id: str
    person: Account
    message: Message
    data: str
    at: float
    answered: bool = False
    text: str = ""
    show_alert: bool = False
    url: str = ""
