"""Replies that are visible once, however often the update that asks for them is delivered.

A reply is claimed in the storage before it is sent, and the claim is taken back where it was
surely not sent. In doubt it counts as sent: a missing reply is asked for again by the person, two
replies are noise for everybody.
"""

from collections.abc import Mapping

import structlog
import trio

from gmbot.api.client import BotApi
from gmbot.api.errors import (
    ApiError,
    ChatMigrated,
    CircuitOpen,
    NetworkFailure,
    Refusal,
    RetryAfter,
)
from gmbot.api.limiter import Priority
from gmbot.api.types import InlineKeyboardMarkup, Message
from gmbot.storage.protocol import Storage
from gmbot.telemetry import events

# How the keys of replies to messages begin, and no others.
ANSWERS = "reply:"

# At most one refusal to people who are no admins in a group in this time, in seconds: nobody can
# make the bot spend the 20 messages a minute that a group has.
REFUSAL_INTERVAL = 60.0

# Seconds to take a claim back while the caller is being cancelled.
_RELEASE_PATIENCE = 1.0

log = structlog.get_logger()


class Replies:
    """Says things in chats, each at most once."""

    def __init__(self, api: BotApi, storage: Storage) -> None:
        self._api = api
        self._storage = storage
        self._refused_at: dict[int, float] = {}  # by chat, the oldest first

    async def reply(
        self, message: Message, text: str, *, buttons: InlineKeyboardMarkup | None = None
    ) -> Message | None:
        """Reply to a message in HTML; a second reply to the same one is never sent.

        Returns what was sent; None: it was said before, or the bot may not write there. Raises an
        ApiError or a StorageError where the reply may be tried again.
        """
        key = f"{ANSWERS}{message.chat.id}:{message.message_id}"
        return await self._say(
            key, message.chat.id, text, reply_to=message.message_id, buttons=buttons
        )

    async def refuse(self, message: Message, text: str) -> Message | None:
        """Reply to somebody who is no admin, at most once a chat in REFUSAL_INTERVAL; as `reply`.

        None: also where it is silent for now.
        """
        if not self._may_refuse(message.chat.id, trio.current_time()):
            return None
        return await self.reply(message, text)

    async def say_once(
        self, key: str, chat_id: int, text: str, *, priority: Priority = Priority.REPLY
    ) -> Message | None:
        """Send HTML text under a key of the caller's, which is never used for two texts."""
        return await self._say(key, chat_id, text, priority=priority)

    async def pass_over(self, key: str) -> None:
        """Count as said what another text says as well. Raises StorageError."""
        await self._storage.claim_effect(key)

    async def forget(self, key: str) -> None:
        """Let what was said under a key be said once more. Raises StorageError."""
        await self._storage.release_effect(key)

    async def _say(
        self,
        key: str,
        chat_id: int,
        text: str,
        *,
        reply_to: int | None = None,
        buttons: InlineKeyboardMarkup | None = None,
        priority: Priority = Priority.REPLY,
    ) -> Message | None:
        if not await self._storage.claim_effect(key):
            return None
        is_sent = False  # or may have been

        def begin() -> Mapping[str, object]:
            nonlocal is_sent
            is_sent = True
            return {}

        try:
            try:
                return await self._api.send_message(
                    chat_id,
                    text,
                    reply_to=reply_to,
                    buttons=buttons,
                    priority=priority,
                    late=begin,
                )
            except ChatMigrated as moved:  # said where the group is now
                return await self._api.send_message(
                    moved.new_chat_id, text, buttons=buttons, priority=priority
                )
        except ApiError as error:
            is_sent = not _is_surely_unsent(error)
            if not isinstance(error, Refusal) or isinstance(error, RetryAfter):
                raise
            log.warning(events.REPLY_REFUSED, chat_id=chat_id, reason=error.description)
            return None
        finally:
            if not is_sent:
                with trio.move_on_after(_RELEASE_PATIENCE, shield=True):
                    await self._storage.release_effect(key)

    def _may_refuse(self, chat_id: int, now: float) -> bool:
        """Whether it is time for a refusal in this chat; if so, the next one waits."""
        for other, at in list(self._refused_at.items()):
            if now - at < REFUSAL_INTERVAL:
                break
            del self._refused_at[other]
        if chat_id in self._refused_at:
            return False
        self._refused_at[chat_id] = now
        return True


def _is_surely_unsent(error: ApiError) -> bool:
    match error:
        case NetworkFailure():
            return not error.sent
        case CircuitOpen() | Refusal():
            return True
        case _:
            return False
