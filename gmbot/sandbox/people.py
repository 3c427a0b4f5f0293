"""What people do: they join, write, press buttons, and leave.

Whatever Telegram's own apps would refuse raises `NotAllowed`: whoever is muted cannot write here
either, so a mute that does not hold shows.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from gmbot.sandbox import joining, posting
from gmbot.sandbox.chats import Bot, Chat, Content, InviteLink, JoinRequest, Message, Press
from gmbot.sandbox.errors import NotAllowed
from gmbot.sandbox.moderators import Moderator
from gmbot.sandbox.texts import with_found

if TYPE_CHECKING:
    from gmbot.sandbox.world import World

# What a message's content needs; anything else counts as "other".
_NEEDS: Final = {
    "text": "can_send_messages",
    "photo": "can_send_photos",
    "audio": "can_send_audios",
    "document": "can_send_documents",
    "video": "can_send_videos",
    "video_note": "can_send_video_notes",
    "voice": "can_send_voice_notes",
    "poll": "can_send_polls",
}


@dataclass(eq=False)
class Person(Moderator):
    """A person. Where a chat is expected, a bot stands for the private chat with it."""

    world: "World" = field(kw_only=True)

    def join(self, chat: Chat, *, via: InviteLink | str | None = None) -> None:
        """Join a public chat, or any chat by an invite link that lets people in at once."""
        link = self._check_entry(chat, via)
        if chat.join_by_request if link is None else link.creates_join_request:
            raise NotAllowed("one has to ask to be let in")
        joining.enter(self.world, chat, self, self, link=link)

    def request_join(self, chat: Chat, *, via: InviteLink | str | None = None) -> JoinRequest:
        """Ask to be let in; the request's `state` tells what became of it."""
        link = self._check_entry(chat, via)
        if not (chat.join_by_request if link is None else link.creates_join_request):
            raise NotAllowed("one can join without asking")
        if self.id in chat.requests:
            raise NotAllowed("asked already")
        return joining.request(self.world, chat, self, link)

    def leave(self, chat: Chat) -> None:
        """Leave a chat. An owner cannot."""
        standing = self._standing(chat)
        if not standing.is_in or standing.status == "creator":
            raise NotAllowed(f"{self.name} cannot leave {chat.name}")
        joining.go(self.world, chat, self)

    def start(self, bot: Bot) -> Message:
        """Press the start button of a bot, which may write from then on."""
        if self.id in bot.blocked_by:
            joining.set_blocked(self.world, bot, self, blocked=False)
        return self.write(bot, "/start")

    def block(self, bot: Bot) -> None:
        """Block a bot."""
        joining.set_blocked(self.world, bot, self, blocked=True)

    def unblock(self, bot: Bot) -> None:
        """Stop blocking a bot."""
        joining.set_blocked(self.world, bot, self, blocked=False)

    def write(self, where: Chat | Bot, text: str, *, reply_to: Message | None = None) -> Message:
        """Write a text; an anonymous administrator writes as the group."""
        return self.share(where, _text(text), reply_to=reply_to)

    def command(self, where: Chat | Bot, text: str) -> Message:
        """Write a command such as `/protect @news`."""
        if not text.startswith("/"):
            raise ValueError(f"no command: {text}")
        return self.write(where, text)

    def write_anonymously(self, group: Chat, text: str) -> Message:
        """Write as the group, which only anonymous administrators do."""
        if not self._standing(group).is_anonymous:
            raise NotAllowed(f"{self.name} is not anonymous in {group.name}")
        return self.write(group, text)

    def write_as(self, channel: Chat, group: Chat, text: str) -> Message:
        """Write in a group as a channel one owns."""
        if self._standing(channel).status != "creator" or channel.type != "channel":
            raise NotAllowed(f"{self.name} does not own {channel.name}")
        return self.share(group, _text(text), as_chat=channel)

    def photo(self, where: Chat | Bot, caption: str = "") -> Message:
        """Send a photo."""
        return self.share(where, self._photo(caption))

    def album(self, where: Chat | Bot, size: int, caption: str = "") -> list[Message]:
        """Send photos that belong together: one message each, with one `media_group_id`."""
        album_id = self.world.new_id()
        captions = [caption] + [""] * (size - 1)
        return [
            self.share(where, self._photo(words), media_group_id=album_id) for words in captions
        ]

    def share(
        self,
        where: Chat | Bot,
        content: Content,
        *,
        as_chat: Chat | None = None,
        reply_to: Message | None = None,
        media_group_id: str | None = None,
        origin: dict[str, Any] | None = None,
    ) -> Message:
        """Send any content: fields of a Message, such as `voice` or `sticker`."""
        chat = self._chat(where)
        needed = next((_NEEDS[name] for name in content if name in _NEEDS), _OTHER)
        if not self.world.may(self, chat, needed):
            raise NotAllowed(f"{self.name} cannot write in {chat.name}: {needed}")
        if isinstance(where, Bot):
            if self.id in where.blocked_by:
                raise NotAllowed(f"{self.name} blocked {where.name}")
            where.talks_to.add(self.id)
        if as_chat is None and chat.is_group and self._standing(chat).is_anonymous:
            as_chat = chat
        return posting.publish(
            self.world,
            chat,
            self,
            content,
            as_chat=as_chat,
            reply_to=reply_to,
            media_group_id=media_group_id,
            origin=origin,
        )

    def post(self, channel: Chat, text: str) -> Message:
        """Post in a channel."""
        if channel.type != "channel":
            raise ValueError(f"no channel: {channel.name}")
        return self.write(channel, text)

    def edit(self, message: Message, text: str) -> None:
        """Change the words of one's own message."""
        editor = message.chat.type == "channel" and self._may(message.chat, "can_edit_messages")
        is_there = not message.deleted and not message.is_service and self._sees(message.chat)
        if not is_there or not (message.sender is self or editor):
            raise NotAllowed(f"{self.name} cannot edit #{message.id}")
        field_name = "text" if "text" in message.content else "caption"
        content = {**message.content, **_text(text, field_name)}
        posting.edit(self.world, message, content, message.markup)

    def forward(self, message: Message, where: Chat | Bot) -> Message:
        """Forward a message."""
        if message.deleted or message.is_service or not self._sees(message.chat):
            raise NotAllowed(f"{self.name} cannot forward #{message.id}")
        return self.share(where, dict(message.content), origin=posting.origin_of(message))

    def press(self, message: Message, button: str) -> Press:
        """Press the button with this label or data; what the bot answers appears in the press."""
        for candidate in message.buttons():
            if button in {candidate["text"], candidate.get("callback_data")}:
                if "callback_data" not in candidate:
                    raise NotAllowed(f"{button} opens an address, no bot hears of it")
                return self.press_data(message, candidate["callback_data"])
        raise NotAllowed(f"#{message.id} has no button {button}")

    def press_data(self, message: Message, data: str) -> Press:
        """Press with data of one's own making, as a forged client can."""
        bot = message.sender
        if message.deleted or not isinstance(bot, Bot) or not self._sees(message.chat):
            raise NotAllowed(f"{self.name} cannot press #{message.id}")
        press = Press(self.world.new_id(), self, message, data, self.world.clock())
        self.world.presses[press.id] = press
        self.world.note(self, "pressed", message.chat, message=message, text=data)
        query = {
            "id": press.id,
            "from": self.payload(),
            "message": message.payload(),
            "chat_instance": str(message.chat.id * 7919),
            "data": data,
        }
        self.world.tell(bot, "callback_query", query)
        return press

    def _chat(self, where: Chat | Bot) -> Chat:
        return self.world.private(where, self) if isinstance(where, Bot) else where

    def _sees(self, chat: Chat) -> bool:
        standing = self._standing(chat)
        is_open = chat.username is not None or chat.linked is not None
        return standing.is_in or (is_open and standing.status != "kicked")

    def _check_entry(self, chat: Chat, via: InviteLink | str | None) -> InviteLink | None:
        standing = self._standing(chat)
        if standing.is_in or standing.status == "kicked":
            raise NotAllowed(f"{self.name} is {standing.status} in {chat.name}")
        if via is None:
            if chat.username is None:
                raise NotAllowed(f"{chat.name} is private: it takes an invite link")
            return None
        link = chat.links.get(via if isinstance(via, str) else via.url)
        if link is None or link.is_revoked or 0 < link.expire_date <= self.world.clock():
            raise NotAllowed("the link is revoked, expired or another chat's")
        if 0 < link.member_limit <= link.joined:
            raise NotAllowed("the link let in as many as it may")
        return link

    def _photo(self, caption: str) -> Content:
        return photo_content(self.world.new_id()) | (_text(caption, "caption") if caption else {})


_OTHER: Final = "can_send_other_messages"


def photo_content(file_id: str) -> Content:
    """Make the content of a photo message."""
    size = {"file_id": file_id, "file_unique_id": f"u{file_id}", "width": 640, "height": 480}
    return {"photo": [size]}


def _text(text: str, name: str = "text") -> Content:
    entities = with_found(text, [])
    kind = "entities" if name == "text" else "caption_entities"
    return {name: text} | ({kind: entities} if entities else {})
