"""The command menus."""

from random import Random
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from gmbot.api.breaker import Breaker, BreakerPolicy
from gmbot.api.client import BotApi
from gmbot.api.limiter import Limiter
from gmbot.flows.menus import MENUS, set_menus
from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.faults import Fault
from gmbot.sandbox.telegram import Telegram
from tests.guard.town import NO_LIMITS, Direct

ADMINS = ["protect", "unprotect", "status", "recheck", "settings", "help"]


@pytest.fixture
async def telegram(autojump_clock: MockClock) -> Telegram:
    return Telegram(random=Random(1))


@pytest.fixture
async def api(telegram: Telegram, nursery: trio.Nursery) -> BotApi:
    limiter = Limiter(NO_LIMITS)
    await nursery.start(limiter.run)
    return BotApi(
        Direct(telegram, []),
        limiter=limiter,
        breaker=Breaker("api", BreakerPolicy()),
        random=Random(2),
    )


def shown(telegram: Telegram, scope: str) -> list[str]:
    return [line["command"] for line in telegram.bot.commands.get((scope, ""), [])]


async def test_each_scope_shows_what_is_of_use_there(telegram: Telegram, api: BotApi) -> None:
    await set_menus(api)

    assert shown(telegram, "all_private_chats") == ["start", "help"]
    assert shown(telegram, "all_chat_administrators") == ADMINS
    assert shown(telegram, "default") == []


async def test_what_is_there_already_is_not_set_again(telegram: Telegram, api: BotApi) -> None:
    await set_menus(api)
    await set_menus(api)

    assert telegram.log.counts["setMyCommands"] == 2
    assert telegram.log.counts["getMyCommands"] == 2 * len(MENUS)


async def test_what_somebody_else_has_set_is_replaced(telegram: Telegram, api: BotApi) -> None:
    old = [{"command": "old", "description": "From an earlier bot"}]
    telegram.bot.commands["default", ""] = list(old)
    telegram.bot.commands["all_private_chats", ""] = list(old)
    await set_menus(api)

    assert shown(telegram, "default") == []
    assert shown(telegram, "all_private_chats") == ["start", "help"]


@pytest.mark.parametrize("method", ["getMyCommands", "setMyCommands"])
async def test_a_failure_is_a_line_in_the_log_and_the_next_start_tries_again(
    telegram: Telegram, api: BotApi, method: str, logs: list[Any]
) -> None:
    words = Fault.error(TelegramError(400, "Bad Request: BOT_COMMAND_INVALID"))
    rule = telegram.faults.add(words, method=method)
    await set_menus(api)
    assert [line["event"] for line in logs] == ["menus_failed"]

    telegram.faults.remove(rule)
    await set_menus(api)

    assert shown(telegram, "all_chat_administrators") == ADMINS
