"""Who is exempt: never touched, whatever channels they are in.

What the message itself tells is a pure rule; whether a person is owner or admin is asked only
where a channel is missing.
"""

from enum import StrEnum
from random import Random

from gmbot.api.client import BotApi
from gmbot.api.errors import ChatMigrated, MemberNotFound, Refusal, RetryAfter, Unauthorized
from gmbot.api.limiter import Priority
from gmbot.api.types import TELEGRAM, ChatMember, Message, User
from gmbot.cache.memory import MemoryCache, Ttl
from gmbot.guard.policies import Policy

# An admin without the channel is asked about once a minute, not with each message.
ADMIN_TTL = Ttl(60.0, 0.15)
# Nobody makes the bot spend more than a call in 3 s by commands that are not theirs to give.
STRANGER_TTL = Ttl(3.0, 0.0)
# A group's linked channel changes once in a blue moon.
LINKED_TTL = Ttl(600.0, 0.15)
CAPACITY = 20_000


class Exemption(StrEnum):
    """Why somebody is left alone."""

    SERVICE = "service"  # not written by anybody: joins, pins, titles, and kinds we do not know
    TELEGRAM = "telegram"  # Telegram's own account
    BOT = "bot"
    ANONYMOUS_ADMIN = "anonymous_admin"  # writes as the group itself
    LINKED_CHANNEL = "linked_channel"  # its posts come into the discussion group by themselves
    ADMIN = "admin"


def exemption_of_message(message: Message, policy: Policy) -> Exemption | None:
    """Return why a message's sender is exempt, as far as the message tells; None: look further.

    Also None for who writes as a channel that is not required here: see `Roles.is_linked`.
    """
    if not message.is_content:
        return Exemption.SERVICE
    if message.is_automatic_forward:
        return Exemption.LINKED_CHANNEL
    sender = message.sender_chat
    if sender is not None:
        if sender.id == message.chat.id:
            return Exemption.ANONYMOUS_ADMIN
        if any(sender.id == channel.channel_id for channel in policy.channels):
            return Exemption.LINKED_CHANNEL
        return None  # who writes as another channel is nobody whose membership can be looked up
    person = message.from_user
    if person is None:
        return Exemption.SERVICE
    if person.id == TELEGRAM:
        return Exemption.TELEGRAM
    if person.is_bot:
        return Exemption.BOT
    return None


def exemption_of_member(member: ChatMember) -> Exemption | None:
    """Return why a member of the group is exempt by their standing there."""
    if member.user.is_bot:
        return Exemption.BOT
    return Exemption.ADMIN if member.is_admin else None


class Roles:
    """Who is owner or admin of which group, as far as it is known and can be found out."""

    def __init__(self, api: BotApi, *, random: Random) -> None:
        self._api = api
        self._admins: MemoryCache[tuple[int, int], bool] = MemoryCache(
            capacity=CAPACITY, random=random
        )
        self._strangers: MemoryCache[tuple[int, int], bool] = MemoryCache(
            capacity=CAPACITY, random=random
        )
        self._linked: MemoryCache[int, int] = MemoryCache(capacity=CAPACITY, random=random)

    def is_known_admin(self, group_id: int, user_id: int) -> bool:
        """Whether memory alone says that a person is exempt by their standing."""
        return self._admins.get((group_id, user_id)) is not None

    async def commander(self, group_id: int, user_id: int) -> ChatMember | None:
        """Ask for the standing of somebody who gives a command. Raises an ApiError.

        None, without a call: they were found to be no admin, or could not be looked up, in the
        last 3 s.
        """
        key = group_id, user_id
        if self._strangers.get(key) is not None:
            return None
        try:
            member = await self.standing(group_id, user_id, priority=Priority.REPLY)
        except (RetryAfter, ChatMigrated, Unauthorized):
            raise
        except Refusal:
            self._strangers.put(key, True, STRANGER_TTL)
            raise
        if not member.is_admin:
            self._strangers.put(key, True, STRANGER_TTL)
        return member

    async def standing(
        self, group_id: int, user_id: int, *, priority: Priority = Priority.LOOKUP
    ) -> ChatMember:
        """Ask for a person's standing in a group. Raises an ApiError.

        Who was never there may write all the same, in a group that discusses a channel.
        """
        try:
            member = await self._api.get_chat_member(group_id, user_id, priority=priority)
        except MemberNotFound:
            return ChatMember("left", User(user_id))
        if member.is_admin:
            self._admins.put((group_id, user_id), True, ADMIN_TTL)
        return member

    async def is_linked(self, group_id: int, channel_id: int) -> bool:
        """Whether a channel is the one whose discussion group this is. Raises an ApiError."""
        linked = self._linked.get(group_id)
        if linked is None:
            linked = await self._linked_channel(group_id)
            self._linked.put(group_id, linked, LINKED_TTL)
        return linked == channel_id

    async def _linked_channel(self, group_id: int) -> int:
        """Ask for the linked channel's id; 0 where there is none, or where we may not see it."""
        try:
            chat = await self._api.get_chat(group_id, priority=Priority.LOOKUP)
        except (RetryAfter, ChatMigrated):
            raise
        except Refusal:
            return 0
        return chat.linked_chat_id or 0

    def note(self, group_id: int, member: ChatMember) -> None:
        """Remember what Telegram just told of a member."""
        key = group_id, member.user.id
        self._strangers.drop(key)
        if member.is_admin:
            self._admins.put(key, True, ADMIN_TTL)
        else:
            self._admins.drop(key)
