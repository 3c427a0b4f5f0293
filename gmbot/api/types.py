"""The part of the Bot API's objects that this bot reads and writes (Bot API 10.1).

Names and meaning are Telegram's own, except `from`, which Python reserves: it is `from_user`.
Fields nobody reads here are left out, and unknown ones are ignored when decoding.
Ids are integers of up to 64 bits. Times are seconds since 1970.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

# Telegram's own accounts. Source: core.telegram.org/bots/api, Message.from and sender_chat.
TELEGRAM = 777000  # sends the linked channel's posts into its discussion group
ANONYMOUS_ADMIN = 1087968824  # @GroupAnonymousBot: an admin who writes as the group
CHANNEL_BOT = 136817688  # @Channel_Bot: whoever writes as a channel


class User(msgspec.Struct, frozen=True, gc=False):
    """A person or a bot."""

    id: int
    first_name: str = ""
    is_bot: bool = False
    last_name: str | None = None
    username: str | None = None
    language_code: str | None = None


class Chat(msgspec.Struct, frozen=True, gc=False):
    """A chat; `type` is private, group, supergroup or channel."""

    id: int
    type: str = ""
    title: str | None = None
    username: str | None = None


class MessageEntity(msgspec.Struct, frozen=True, gc=False):
    """A part of a text; offset and length count UTF-16 code units."""

    type: str
    offset: int
    length: int


class MessageOrigin(msgspec.Struct, frozen=True):
    """Where a forwarded message comes from; `chat` is set for type `channel`."""

    type: str
    chat: Chat | None = None


_NONE = msgspec.Raw()


class Message(msgspec.Struct, frozen=True, rename={"from_user": "from"}):
    """A message, or (with `date` 0) what is left of one that the bot can no longer see."""

    message_id: int
    chat: Chat
    date: int = 0
    from_user: User | None = None
    sender_chat: Chat | None = None
    message_thread_id: int | None = None
    is_topic_message: bool = False
    is_automatic_forward: bool = False
    media_group_id: str | None = None
    forward_origin: MessageOrigin | None = None
    reply_to_message: "Message | None" = None
    text: str | None = None
    entities: tuple[MessageEntity, ...] = ()
    new_chat_members: tuple[User, ...] = ()
    left_chat_member: User | None = None
    migrate_to_chat_id: int | None = None
    migrate_from_chat_id: int | None = None
    # Content of which only the presence matters.
    rich_message: msgspec.Raw = _NONE
    animation: msgspec.Raw = _NONE
    audio: msgspec.Raw = _NONE
    document: msgspec.Raw = _NONE
    live_photo: msgspec.Raw = _NONE
    paid_media: msgspec.Raw = _NONE
    photo: msgspec.Raw = _NONE
    sticker: msgspec.Raw = _NONE
    story: msgspec.Raw = _NONE
    video: msgspec.Raw = _NONE
    video_note: msgspec.Raw = _NONE
    voice: msgspec.Raw = _NONE
    checklist: msgspec.Raw = _NONE
    contact: msgspec.Raw = _NONE
    dice: msgspec.Raw = _NONE
    game: msgspec.Raw = _NONE
    poll: msgspec.Raw = _NONE
    venue: msgspec.Raw = _NONE
    location: msgspec.Raw = _NONE
    giveaway: msgspec.Raw = _NONE
    giveaway_winners: msgspec.Raw = _NONE
    invoice: msgspec.Raw = _NONE

    @property
    def is_content(self) -> bool:
        """Whether somebody wrote or posted this; False for service messages and unknown kinds."""
        return self.text is not None or any(getattr(self, name) for name in _CONTENT)


_CONTENT = tuple(
    field.name for field in msgspec.structs.fields(Message) if field.type is msgspec.Raw
)


class CallbackQuery(msgspec.Struct, frozen=True, rename={"from_user": "from"}):
    """A press of an inline button; `data` is under the client's control."""

    id: str
    from_user: User
    message: Message | None = None
    data: str | None = None


class _ChatMemberFields(msgspec.Struct, frozen=True):
    status: str
    user: User
    is_member: bool = False
    is_anonymous: bool = False
    until_date: int = 0


class ChatMember:
    """A person's standing in a chat.

    `status` is creator, administrator, member, restricted, left or kicked. `rights` holds every
    `can_*` the server named, known to this version or not, so that they can be given back whole.
    `until_date` 0 means for ever.
    """

    __slots__ = ("is_anonymous", "is_member", "rights", "status", "until_date", "user")

    def __init__(
        self,
        status: str,
        user: User,
        *,
        is_member: bool = False,
        is_anonymous: bool = False,
        until_date: int = 0,
        rights: Mapping[str, bool] = MappingProxyType({}),
    ) -> None:
        self.status = status
        self.user = user
        self.is_member = is_member
        self.is_anonymous = is_anonymous
        self.until_date = until_date
        self.rights = rights

    @classmethod
    def from_dict(cls, raw: Any) -> "ChatMember":
        """Read one of the six ChatMember types. Raises msgspec.ValidationError."""
        fields = msgspec.convert(raw, _ChatMemberFields)
        rights = {
            name: value
            for name, value in raw.items()
            if name.startswith("can_") and isinstance(value, bool)
        }
        return cls(
            fields.status,
            fields.user,
            is_member=fields.is_member,
            is_anonymous=fields.is_anonymous,
            until_date=fields.until_date,
            rights=MappingProxyType(rights),
        )

    @property
    def is_in(self) -> bool:
        """Whether the person is in the chat."""
        if self.status == "restricted":
            return self.is_member
        return self.status in {"creator", "administrator", "member"}

    @property
    def is_admin(self) -> bool:
        """Whether the person is owner or administrator."""
        return self.status in {"creator", "administrator"}

    def may(self, right: str) -> bool:
        """Whether an admin has a right such as `can_restrict_members`; an owner has them all."""
        return self.status == "creator" or (
            self.status == "administrator" and self.rights.get(right, False)
        )

    def __repr__(self) -> str:
        return f"ChatMember({self.status!r}, user={self.user.id}, is_member={self.is_member})"


class ChatInviteLink(msgspec.Struct, frozen=True):
    """A link to join a chat."""

    invite_link: str
    is_revoked: bool = False


class ChatMemberUpdated(msgspec.Struct, frozen=True, rename={"from_user": "from"}):
    """A member's standing changed; `from_user` did it."""

    chat: Chat
    from_user: User
    date: int
    old_chat_member: ChatMember
    new_chat_member: ChatMember
    invite_link: ChatInviteLink | None = None
    via_join_request: bool = False


class ChatJoinRequest(msgspec.Struct, frozen=True, rename={"from_user": "from"}):
    """Somebody asks to join a chat."""

    chat: Chat
    from_user: User
    user_chat_id: int
    date: int


class Update(msgspec.Struct, frozen=True):
    """Something that happened; of the optional fields one is set, or none that we know."""

    update_id: int
    message: Message | None = None
    edited_message: Message | None = None
    callback_query: CallbackQuery | None = None
    my_chat_member: ChatMemberUpdated | None = None
    chat_member: ChatMemberUpdated | None = None
    chat_join_request: ChatJoinRequest | None = None


# Named at every start: the list is sticky on the server, and its default leaves out chat_member.
ALLOWED_UPDATES = tuple(
    field.name for field in msgspec.structs.fields(Update) if field.name != "update_id"
)


class ChatFullInfo(msgspec.Struct, frozen=True):
    """A chat as getChat tells it."""

    id: int
    type: str
    title: str | None = None
    username: str | None = None
    invite_link: str | None = None
    linked_chat_id: int | None = None


class WebhookInfo(msgspec.Struct, frozen=True):
    """Where updates are delivered; an empty `url` means by getUpdates."""

    url: str
    pending_update_count: int = 0
    last_error_date: int | None = None
    last_error_message: str | None = None
    max_connections: int | None = None
    allowed_updates: tuple[str, ...] = ()


class BotCommand(msgspec.Struct, frozen=True):
    """A line of the command menu."""

    command: str
    description: str


class InlineKeyboardButton(msgspec.Struct, frozen=True, omit_defaults=True):
    """A button below a message: an address to open, or data that comes back in a press."""

    text: str
    url: str | None = None
    callback_data: str | None = None


class InlineKeyboardMarkup(msgspec.Struct, frozen=True):
    """Rows of buttons."""

    inline_keyboard: tuple[tuple[InlineKeyboardButton, ...], ...]


# All that a person can be allowed in a supergroup (type ChatPermissions).
PERMISSIONS = (
    "can_send_messages",
    "can_send_audios",
    "can_send_documents",
    "can_send_photos",
    "can_send_videos",
    "can_send_video_notes",
    "can_send_voice_notes",
    "can_send_polls",
    "can_send_other_messages",
    "can_add_web_page_previews",
    "can_react_to_messages",
    "can_edit_tag",
    "can_change_info",
    "can_invite_users",
    "can_pin_messages",
    "can_manage_topics",
)


def decode_hook(kind: type, raw: Any) -> Any:
    """Decode the one type that msgspec cannot: see `ChatMember.from_dict`."""
    if kind is ChatMember:
        return ChatMember.from_dict(raw)
    raise NotImplementedError(kind)
