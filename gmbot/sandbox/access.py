"""One call of a method: who calls, with what, and what of the world they can reach."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gmbot.sandbox import errors
from gmbot.sandbox.chats import Account, Bot, Chat, Message
from gmbot.sandbox.members import Standing
from gmbot.sandbox.params import Params

if TYPE_CHECKING:
    from gmbot.sandbox.world import World


@dataclass(frozen=True)
class Call:
    """A bot's call. Whatever it cannot reach raises TelegramError."""

    world: "World"
    bot: Bot
    params: Params

    def chat(self, name: str = "chat_id", *, read_only: bool = False) -> Chat:
        """Return the chat that a parameter names, where the bot is in it or may look into it."""
        chat = self.world.find(self.params.reference(name), bot=self.bot)
        if chat is None or not self._knows(chat):
            raise errors.refusal(errors.CHAT_NOT_FOUND)
        if chat.type == "private" or (read_only and chat.type == "group"):
            return chat  # the server asks nothing of who only reads about a basic group
        if chat.migrated_to is not None:
            raise errors.migrated(chat.migrated_to.id)
        standing = self.standing(chat)
        if standing.status == "kicked":
            raise errors.refusal(errors.KICKED[chat.type])
        if not standing.is_in and not (read_only and chat.username is not None):
            raise errors.refusal(errors.NOT_A_MEMBER[chat.type])
        return chat

    def user(self) -> Account:
        """Return whom `user_id` names."""
        user_id = self.params.integer("user_id")
        if user_id <= 0:
            raise errors.refusal(errors.INVALID_USER_ID)
        account = self.world.accounts.get(user_id)
        if account is None:
            raise errors.refusal(errors.PARTICIPANT_ID_INVALID)
        return account

    def message(self, chat: Chat, missing: str, name: str = "message_id") -> Message:
        """Return the message that a parameter names, or refuse in the words of `missing`."""
        message = chat.messages.get(self.params.integer(name))
        if message is None or message.deleted:
            raise errors.refusal(missing)
        return message

    def standing(self, chat: Chat) -> Standing:
        """Return what the bot is in a chat."""
        return chat.standing(self.bot.id, self.world.clock())

    def need(self, chat: Chat, right: str, words: str) -> None:
        """Refuse where the bot lacks an administrator's right."""
        if not self.standing(chat).may(right):
            raise errors.refusal(words)

    def check_private(self, chat: Chat) -> None:
        """Refuse to write to a person who did not start the bot, or blocked it, or is a bot."""
        person = chat.person
        if person is None:
            return
        if person.is_bot:
            raise errors.refusal(errors.BOT_TO_BOT)
        if person.id in self.bot.blocked_by:
            raise errors.refusal(errors.BLOCKED)
        invited = self.world.clock() <= self.bot.may_write_until.get(person.id, 0)
        if person.id not in self.bot.talks_to and not invited:
            raise errors.refusal(errors.CANNOT_INITIATE)

    def _knows(self, chat: Chat) -> bool:
        """Whether the bot ever met a chat: it has no way to one by a bare id it never saw."""
        if chat.person is None:
            return chat.username is not None or self.bot.id in chat.standings
        person = chat.person.id
        if person in self.bot.talks_to or person in self.bot.may_write_until:
            return True
        return any(
            person in shared.standings and self.bot.id in shared.standings
            for shared in self.world.chats.values()
        )
