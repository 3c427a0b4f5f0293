"""`gmbot check`: what is wrong with token, database, webhook and rights, one line each.

It may run beside a running bot: it binds no port, takes no lease and fetches no updates.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import trio

from gmbot.api.client import BotApi
from gmbot.api.errors import ApiError, Unauthorized
from gmbot.api.types import ChatMember, User
from gmbot.app import App
from gmbot.config import Config, Source, SqliteUrl
from gmbot.storage.errors import StorageError
from gmbot.storage.records import ProtectedGroup

DEADLINE = 20.0  # seconds for an answer of Telegram, repeated attempts included

_GROUP_RIGHTS = {"can_restrict_members": "Ban users", "can_delete_messages": "Delete messages"}
_AT_ONCE = 8  # groups looked at side by side


class Report:
    """Says one line for everything that is looked at, and remembers whether all is well."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.well = True
        self._say = say

    def ok(self, subject: str, text: str) -> None:
        """Say that something is well."""
        self._say(f"ok     {subject:<9} {_one_line(text)}")

    def wrong(self, subject: str, text: str) -> None:
        """Say what is wrong with something, and what to do."""
        self.well = False
        self._say(f"WRONG  {subject:<9} {_one_line(text)}")


async def check(config: Config, say: Callable[[str], None] = print) -> bool:
    """Look at everything the bot needs; return whether all is well."""
    report, app = Report(say), App(config)
    groups = await _look_at_database(app, report)
    async with app.open_api() as (api, _):
        me = await _look_at_token(api, report)
        if me is not None:
            await _look_at_webhook(api, config, report)
            await _look_at_rights(api, me, groups, report)
    if config.redis_url is not None:
        report.ok("redis", "not used by this version: the cache is in memory")
    return report.well


async def _look_at_database(app: App, report: Report) -> list[ProtectedGroup]:
    database = app.config.database
    if isinstance(database, SqliteUrl) and not database.path.exists():
        # Opening would make it, perhaps in the wrong place or as the wrong user.
        _look_at_place(database.path, report)
        return []
    try:
        async with app.open_storage() as storage:
            groups = await storage.protected_groups()
    except StorageError as error:
        report.wrong("database", str(error))
        return []
    path = database.path if isinstance(database, SqliteUrl) else "PostgreSQL"
    report.ok("database", f"{path}, {len(groups)} protected groups")
    return groups


def _look_at_place(path: Path, report: Report) -> None:
    directory = path.absolute().parent
    if not directory.is_dir():
        report.wrong("database", f"{directory} is no directory: make it, or mend DATABASE_URL")
    elif not os.access(directory, os.W_OK | os.X_OK):
        report.wrong("database", f"{directory} may not be written: let gmbot's user write there")
    else:
        report.ok("database", f"{path} is not there yet: gmbot run makes it")


async def _look_at_token(api: BotApi, report: Report) -> User | None:
    try:
        with trio.fail_after(DEADLINE):
            me = await api.get_me()
    except Unauthorized:
        report.wrong("token", "Telegram refuses BOT_TOKEN: copy it anew from @BotFather")
    except (ApiError, trio.TooSlowError) as error:
        report.wrong("token", f"Telegram cannot be reached: {_reason(error)}")
    else:
        report.ok("token", f"@{me.username}, id {me.id}")
        return me
    return None


async def _look_at_webhook(api: BotApi, config: Config, report: Report) -> None:
    try:
        with trio.fail_after(DEADLINE):
            info = await api.get_webhook_info()
    except (ApiError, trio.TooSlowError) as error:
        report.wrong("webhook", f"cannot be looked at: {_reason(error)}")
        return
    if info.last_error_message:
        report.wrong("webhook", f"Telegram could not deliver: {info.last_error_message}")
    elif info.url and config.source is Source.POLLING:
        report.ok("webhook", "one is set; gmbot run polls, and deletes it at its start")
    else:
        report.ok("webhook", f"{info.pending_update_count} updates wait to be delivered")


async def _look_at_rights(
    api: BotApi, me: User, groups: list[ProtectedGroup], report: Report
) -> None:
    limiter = trio.CapacityLimiter(_AT_ONCE)

    async def look(title: str, chat_id: int, rights: Mapping[str, str]) -> None:
        async with limiter:
            await _look_at_rights_in(api, me, title, chat_id, rights, report)

    channels = {c.channel_id: c.title for group in groups for c in group.channels}
    async with trio.open_nursery() as nursery:
        for protected in groups:
            group = protected.group
            nursery.start_soon(look, f"group “{group.title}”", group.group_id, _GROUP_RIGHTS)
        for channel_id, title in channels.items():
            nursery.start_soon(look, f"channel “{title}”", channel_id, {})


async def _look_at_rights_in(
    api: BotApi, me: User, title: str, chat_id: int, rights: Mapping[str, str], report: Report
) -> None:
    try:
        with trio.fail_after(DEADLINE):
            member = await api.get_chat_member(chat_id, me.id)
    except (ApiError, trio.TooSlowError) as error:
        report.wrong("rights", f"{title} ({chat_id}): {_reason(error)}")
        return
    missing = _missing(member, rights)
    if missing:
        report.wrong("rights", f"{title} ({chat_id}): make the bot an admin with {missing}")
    else:
        report.ok("rights", f"{title} ({chat_id})")


def _missing(member: ChatMember, rights: Mapping[str, str]) -> str:
    if not member.is_admin:
        return " and ".join(f"“{name}”" for name in rights.values()) or "any right"
    return " and ".join(f"“{name}”" for right, name in rights.items() if not member.may(right))


def _reason(error: ApiError | trio.TooSlowError) -> str:
    return error.detail if isinstance(error, ApiError) else "no answer in time"


def _one_line(text: str) -> str:
    return " ".join(text.split())
