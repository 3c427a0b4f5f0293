"""Methods about the bot itself: who it is, and the menu of its commands."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from gmbot.sandbox import errors
from gmbot.sandbox.access import Call
from gmbot.sandbox.chats import Chat

_COMMAND: Final = re.compile(r"[a-z0-9_]+")
_LONGEST_COMMAND: Final = 32
_LONGEST_DESCRIPTION: Final = 256
_MOST_COMMANDS: Final = 100

_PLAIN_SCOPES: Final = frozenset(
    {"default", "all_private_chats", "all_group_chats", "all_chat_administrators"}
)
_CHAT_SCOPES: Final = frozenset({"chat", "chat_administrators", "chat_member"})


def get_me(call: Call) -> dict[str, Any]:
    """Tell the bot who it is."""
    return call.bot.payload() | {
        "can_join_groups": True,
        "can_read_all_group_messages": not call.bot.privacy,
        "supports_inline_queries": False,
        "can_connect_to_business": False,
        "has_main_web_app": False,
    }


def get_my_name(call: Call) -> dict[str, Any]:
    """Tell the bot's name."""
    return {"name": call.bot.first_name}


def get_my_description(call: Call) -> dict[str, Any]:
    """Tell the bot's description."""
    return {"description": call.bot.description}


def set_my_commands(call: Call) -> bool:
    """Set the menu for a scope and a language."""
    commands = call.params.parsed("commands", not_json=errors.COMMANDS_NOT_JSON)
    if not isinstance(commands, list):
        raise errors.refusal(errors.COMMANDS_NOT_ARRAY)
    if len(commands) > _MOST_COMMANDS:
        raise errors.refusal(errors.TOO_MANY_COMMANDS)
    call.bot.commands[_place(call)] = [_command(raw) for raw in commands]
    return True


def get_my_commands(call: Call) -> list[dict[str, str]]:
    """Tell the menu of exactly this scope and language."""
    return call.bot.commands.get(_place(call), [])


def delete_my_commands(call: Call) -> bool:
    """Remove the menu of a scope and a language."""
    call.bot.commands.pop(_place(call), None)
    return True


TABLE: Final[Mapping[str, Callable[[Call], Any]]] = {
    "getMe": get_me,
    "getMyName": get_my_name,
    "getMyDescription": get_my_description,
    "setMyCommands": set_my_commands,
    "getMyCommands": get_my_commands,
    "deleteMyCommands": delete_my_commands,
}


def _command(raw: Any) -> dict[str, str]:
    if not isinstance(raw, dict):
        raise errors.refusal(errors.COMMAND_NOT_OBJECT)
    for name in ("command", "description"):
        if name not in raw:
            raise errors.refusal(errors.COMMAND_FIELD_MISSING.format(name=name))
    command, description = str(raw["command"]).removeprefix("/"), str(raw["description"]).strip()
    wrong = (
        (not command, errors.COMMAND_EMPTY),
        (len(command) > _LONGEST_COMMAND, errors.COMMAND_TOO_LONG),
        (not description, errors.DESCRIPTION_EMPTY),
        (len(description) > _LONGEST_DESCRIPTION, errors.DESCRIPTION_TOO_LONG),
        (not _COMMAND.fullmatch(command), errors.COMMAND_INVALID),
    )
    for is_wrong, words in wrong:
        if is_wrong:
            raise errors.refusal(words)
    return {"command": command, "description": description}


def _place(call: Call) -> tuple[str, str]:
    """Return scope and language, the key under which a menu is kept."""
    scope = call.params.parsed("scope", not_json=errors.SCOPE_NOT_JSON)
    language = call.params.text("language_code")
    if scope is None:
        return "default", language
    kind = scope.get("type") if isinstance(scope, dict) else None
    if kind in _PLAIN_SCOPES:
        return kind, language
    if kind not in _CHAT_SCOPES:
        raise errors.refusal(errors.SCOPE_INVALID.format(reason="Unsupported type specified"))
    chat = _scope_chat(call, scope)
    if chat.type == "channel":
        raise errors.refusal(errors.SCOPE_IN_CHANNEL)
    if chat.type == "private" and kind != "chat":
        raise errors.refusal(errors.SCOPE_IN_PRIVATE)
    return json.dumps([kind, chat.id, scope.get("user_id", 0)]), language


def _scope_chat(call: Call, scope: dict[str, Any]) -> Chat:
    inner = type(call.params)(scope)
    return Call(call.world, call.bot, inner).chat(read_only=True)
