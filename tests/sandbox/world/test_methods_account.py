"""Methods about the bot itself, and what any call goes through."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from gmbot.sandbox import errors
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.methods import METHODS, call
from gmbot.sandbox.params import Params
from gmbot.sandbox.schema import bot_api

if TYPE_CHECKING:
    from tests.sandbox.world.conftest import Town

HELP = {"command": "help", "description": "Tell what this is"}


def test_a_bot_is_told_who_it_is(town: "Town") -> None:
    me = town.call("getMe")

    assert (me["id"], me["username"], me["is_bot"]) == (town.bot.id, "guard_bot", True)
    assert me["can_read_all_group_messages"] is False
    assert town.call("getMyName") == {"name": "Guard"}
    assert town.call("getMyDescription", language_code="de") == {"description": ""}


def test_all_methods_are_the_bot_api_s() -> None:
    assert {method.name for method in bot_api().methods.values()} >= METHODS


def test_unknown_bots_and_methods_are_refused(town: "Town") -> None:
    with pytest.raises(TelegramError) as caught:
        call(town.world, 1, "getMe", {})
    assert (caught.value.code, caught.value.description) == (401, errors.UNAUTHORIZED)
    with pytest.raises(TelegramError) as caught:
        call(town.world, town.bot.id, "sendDice", {})
    assert (caught.value.code, caught.value.description) == (404, errors.METHOD_NOT_FOUND)


def test_commands_are_kept_by_scope_and_language(town: "Town") -> None:
    scope = {"type": "chat", "chat_id": town.group.id}
    town.call("setMyCommands", commands=json.dumps([HELP]))
    town.call("setMyCommands", commands=[], scope=scope, language_code="de")

    assert town.call("getMyCommands") == [HELP]
    assert town.call("getMyCommands", scope={"type": "default"}) == [HELP]
    assert town.call("getMyCommands", scope=json.dumps(scope)) == []
    town.call("deleteMyCommands")
    assert town.call("getMyCommands") == []
    town.call("deleteMyCommands")


@pytest.mark.parametrize(
    ("commands", "words"),
    [
        ("[", errors.COMMANDS_NOT_JSON),
        ("{}", errors.COMMANDS_NOT_ARRAY),
        (["x"], errors.COMMAND_NOT_OBJECT),
        (
            [{"command": "x"}],
            "Bad Request: can't parse BotCommand: Can't find field \"description\"",
        ),
        ([{"command": "", "description": "x"}], errors.COMMAND_EMPTY),
        ([{"command": "x" * 33, "description": "x"}], errors.COMMAND_TOO_LONG),
        ([{"command": "x", "description": " "}], errors.DESCRIPTION_EMPTY),
        ([{"command": "x", "description": "x" * 257}], errors.DESCRIPTION_TOO_LONG),
        ([{"command": "Help", "description": "x"}], errors.COMMAND_INVALID),
        ([HELP] * 101, errors.TOO_MANY_COMMANDS),
    ],
)
def test_commands_that_are_none_are_refused(town: "Town", commands: Any, words: str) -> None:
    assert town.refused("setMyCommands", commands=commands) == words


def test_a_scope_is_one_and_fits_its_chat(town: "Town") -> None:
    town.bob.start(town.bot)

    def words(scope: Any) -> str:
        return town.refused("setMyCommands", commands=[HELP], scope=scope)

    assert words("{") == errors.SCOPE_NOT_JSON
    unsupported = "Bad Request: can't parse BotCommandScope: Unsupported type specified"
    assert words({"type": "world"}) == words("[]") == unsupported
    assert words({"type": "chat", "chat_id": "@nobody"}) == errors.CHAT_NOT_FOUND
    assert words({"type": "chat", "chat_id": "@news"}) == errors.SCOPE_IN_CHANNEL
    private = {"type": "chat_administrators", "chat_id": town.bob.id}
    assert words(private) == errors.SCOPE_IN_PRIVATE
    assert town.call(
        "setMyCommands", commands=[HELP], scope={"type": "chat", "chat_id": town.bob.id}
    )


@pytest.mark.parametrize(
    ("value", "integer", "boolean"),
    [
        (7, 7, True),
        ("7", 7, False),
        (" -7 ", -7, False),
        ("1", 1, True),
        ("yes", 0, True),
        ("TRUE", 0, True),
        ("no", 0, False),
        ("", 0, False),
        (None, 0, False),
        (True, 1, True),
        ([], 0, False),
    ],
)
def test_form_values_mean_what_the_server_takes_them_for(
    value: Any, integer: int, *, boolean: bool
) -> None:
    params = Params({"x": value})

    assert params.integer("x") == integer
    assert params.boolean("x") is boolean


def test_what_is_missing_has_its_zero() -> None:
    params = Params({})

    assert (params.integer("x"), params.boolean("x"), params.text("x")) == (0, False, "")
    assert params.parsed("x", not_json="") is None
    assert "x" not in params


@pytest.mark.parametrize(
    ("value", "reference"), [(-100, -100), ("-100", -100), ("@news", "@news"), ("news", 0)]
)
def test_a_chat_is_named_by_id_or_username(value: Any, reference: int | str) -> None:
    assert Params({"chat_id": value}).reference("chat_id") == reference
