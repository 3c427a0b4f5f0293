"""Which update starts which flow, about whom, and what memory decides alone."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import msgspec

from gmbot.api.types import CallbackQuery, ChatMemberUpdated, Message, Update
from gmbot.flows import decision, join, leave, migration, rights, settings, sight, verify
from gmbot.flows.commands import Command, parse_command
from gmbot.flows.help import help_
from gmbot.flows.message import guard_message, is_decided
from gmbot.flows.protect import protect
from gmbot.flows.recheck import recheck
from gmbot.flows.start import start
from gmbot.flows.status import status
from gmbot.flows.unprotect import unprotect
from gmbot.guard.enforcement import is_muted
from gmbot.guard.guard import Guard
from gmbot.guard.membership import MembershipUnknown

_COMMANDS: Mapping[str, Callable[[Guard, Message, tuple[str, ...]], Awaitable[None]]] = {
    "protect": protect,
    "unprotect": unprotect,
    "status": status,
    "recheck": recheck,
    "settings": settings.settings,
    "help": help_,
    "start": start,
}
_GROUPS = frozenset({"group", "supergroup"})


class Flow(msgspec.Struct, frozen=True):
    """One story to be told: `name` from a closed set, `person` whose stories go in order."""

    name: str
    person: int
    run: Callable[[], Awaitable[object]]


class Routes:
    """Finds the flow of an update."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def decide(self, update: Update) -> bool:
        """Whether there is nothing (more) to do for an update: memory alone says so."""
        message = update.message or update.edited_message
        if message is not None:
            return self._decide_message(message)
        if update.chat_member is not None:
            self._note(update.chat_member, update.update_id)
        return self.flow_of(update) is None

    def flow_of(self, update: Update) -> Flow | None:
        """Return the flow that an update starts; None where it starts none."""
        message = update.message or update.edited_message
        if message is not None:
            return self._flow_of_message(message, is_new=update.message is not None)
        if update.callback_query is not None:
            return self._flow_of_press(update.callback_query)
        if update.chat_member is not None:
            return self._flow_of_member(update.chat_member)
        if update.my_chat_member is not None:
            return self._flow_of_bot(update.my_chat_member)
        request = update.chat_join_request
        if request is not None and self._guard.policies.is_required(request.chat.id):
            run = partial(join.asked_to_join, self._guard, request)
            return Flow("request", request.from_user.id, run)
        return None

    # Messages

    def _decide_message(self, message: Message) -> bool:
        if message.chat.type not in _GROUPS:
            return self._command(message) is None
        if message.text is not None and message.text.startswith("/"):
            return False  # it may be a command: looked at by the flow
        if message.migrate_to_chat_id is not None or message.migrate_from_chat_id is not None:
            return False
        if message.new_chat_members:
            return self._guard.policies.get(message.chat.id) is None
        return is_decided(self._guard, message)

    def _command(self, message: Message) -> Command | None:
        command = parse_command(message.text, self._guard.me.username)
        return command if command is not None and command.name in _COMMANDS else None

    def _flow_of_message(self, message: Message, *, is_new: bool) -> Flow:
        chat_id, guard = message.chat.id, self._guard
        if message.migrate_to_chat_id is not None:
            run = partial(migration.migrated, guard, chat_id, message.migrate_to_chat_id)
            return Flow("migration", chat_id, run)
        if message.migrate_from_chat_id is not None:
            run = partial(migration.migrated, guard, message.migrate_from_chat_id, chat_id)
            return Flow("migration", message.migrate_from_chat_id, run)
        person = _author(message)
        if message.new_chat_members:
            if len(message.new_chat_members) == 1:  # in the order of their own stories
                person = message.new_chat_members[0].id
            return Flow("join", person, partial(join.welcomed, guard, message))
        command = self._command(message) if is_new else None
        if command is None:
            return Flow("message", person, partial(guard_message, guard, message))
        return Flow(command.name, person, partial(self._obey, message, command))

    async def _obey(self, message: Message, command: Command) -> None:
        """Guard first: a command is a message too. In doubt an admin is heard all the same."""
        try:
            stands = await guard_message(self._guard, message)
        except MembershipUnknown as doubt:
            member = await self._guard.roles.commander(message.chat.id, doubt.user_id)
            if member is None or not member.is_admin:
                raise
            stands = True
        if stands:
            await _COMMANDS[command.name](self._guard, message, command.words)

    # Presses

    def _flow_of_press(self, query: CallbackQuery) -> Flow:
        if (query.data or "").startswith(settings.PREFIX):
            return Flow("settings", query.from_user.id, partial(settings.press, self._guard, query))
        return Flow("verify", query.from_user.id, partial(verify.press, self._guard, query))

    # Members

    def _note(self, change: ChatMemberUpdated, update_id: int) -> None:
        """Remember what Telegram tells of a member: newer than what was looked up."""
        chat_id, member = change.chat.id, change.new_chat_member
        if self._guard.policies.is_required(chat_id):
            if sight.is_renamed(self._guard, change.chat):
                self._guard.look_for_channel(chat_id)
            when = change.date, update_id
            self._guard.memberships.note(chat_id, member.user.id, is_in=member.is_in, when=when)
        if change.chat.type in _GROUPS:
            self._guard.roles.note(chat_id, member)

    def _flow_of_member(self, change: ChatMemberUpdated) -> Flow | None:
        guard, user_id = self._guard, change.new_chat_member.user.id
        was_in, is_in = change.old_chat_member.is_in, change.new_chat_member.is_in
        if guard.policies.is_required(change.chat.id):
            if not is_in:
                return Flow("leave", user_id, partial(leave.left_channel, guard, change))
            if not was_in:
                return Flow("enter", user_id, partial(leave.joined_channel, guard, change))
            return None
        if change.chat.type not in _GROUPS:
            return None
        if change.from_user.id == guard.me.id:
            return self._flow_of_own_deed(change)
        if is_in and not was_in:
            if guard.policies.get(change.chat.id) is None:
                return None
            return Flow("join", user_id, partial(join.joined, guard, change))
        return Flow("decision", user_id, partial(decision.decided, guard, change))

    def _flow_of_own_deed(self, change: ChatMemberUpdated) -> Flow | None:
        if not is_muted(change.new_chat_member) or is_muted(change.old_chat_member):
            return None
        person = change.new_chat_member.user.id
        return Flow("mute", person, partial(decision.muted_by_us, self._guard, change))

    def _flow_of_bot(self, change: ChatMemberUpdated) -> Flow | None:
        guard, chat = self._guard, change.chat
        if chat.type == "channel":
            if not guard.policies.is_required(chat.id):
                return None
            return Flow("sight", chat.id, partial(sight.in_channel, guard, change))
        if chat.type in _GROUPS:
            return Flow("rights", chat.id, partial(rights.in_group, guard, change))
        return None


def _author(message: Message) -> int:
    """Return whose story a message belongs to: behind one account may write many chats."""
    if message.sender_chat is not None:
        return message.sender_chat.id
    return message.chat.id if message.from_user is None else message.from_user.id
