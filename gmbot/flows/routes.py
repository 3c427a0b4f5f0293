"""Which update starts which flow, about whom, and what memory decides alone."""

from collections.abc import Awaitable, Callable
from functools import partial

import msgspec

from gmbot.api.types import CallbackQuery, ChatMemberUpdated, Message, Update
from gmbot.flows.commands import Command, parse_command
from gmbot.flows.message import guard_message, is_decided
from gmbot.flows.protect import protect
from gmbot.flows.verify import press
from gmbot.guard.guard import Guard
from gmbot.guard.membership import MembershipUnknown

_COMMANDS = {"protect": protect}
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
        if update.callback_query is not None:
            return False
        if update.chat_member is not None:
            self._note(update.chat_member)
        return True

    def flow_of(self, update: Update) -> Flow | None:
        """Return the flow that an update starts; None where it starts none."""
        message = update.message or update.edited_message
        if message is not None:
            command = None if update.message is None else self._command(message)
            return self._flow_of_message(message, command)
        if update.callback_query is not None:
            return self._flow_of_press(update.callback_query)
        return None

    def _decide_message(self, message: Message) -> bool:
        if message.chat.type not in _GROUPS:
            return self._command(message) is None
        # A text that begins with a slash may be a command: looked at by the flow.
        is_command = message.text is not None and message.text.startswith("/")
        return not is_command and is_decided(self._guard, message)

    def _command(self, message: Message) -> Command | None:
        command = parse_command(message.text, self._guard.me.username)
        return command if command is not None and command.name in _COMMANDS else None

    def _flow_of_message(self, message: Message, command: Command | None) -> Flow:
        person = message.from_user.id if message.from_user else message.chat.id
        if command is None:
            return Flow("message", person, partial(guard_message, self._guard, message))
        return Flow(command.name, person, partial(self._obey, message, command))

    def _flow_of_press(self, query: CallbackQuery) -> Flow:
        return Flow("verify", query.from_user.id, partial(press, self._guard, query))

    async def _obey(self, message: Message, command: Command) -> None:
        """Guard first: a command is a message too. In doubt it is the command's own to refuse."""
        try:
            stands = await guard_message(self._guard, message)
        except MembershipUnknown:
            stands = True
        if stands:
            await _COMMANDS[command.name](self._guard, message, command.words)

    def _note(self, change: ChatMemberUpdated) -> None:
        """Remember what Telegram tells of a member: newer than what was looked up."""
        chat_id, member = change.chat.id, change.new_chat_member
        if self._guard.policies.is_required(chat_id):
            self._guard.memberships.note(chat_id, member.user.id, is_in=member.is_in)
        if self._guard.policies.get(chat_id) is not None:
            self._guard.roles.note(chat_id, member)
