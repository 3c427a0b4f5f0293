"""Groups, their channels and what waits for them, in SQLite."""

# ruff: noqa: D102  what the methods promise is written once, in protocol.py

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from gmbot.storage import rows
from gmbot.storage.records import Channel, Group, Owner, ProtectedGroup, ProtectionRequest
from gmbot.storage.sql import groups as sql
from gmbot.storage.sql import migration
from gmbot.storage.sql.people import NOTICE
from gmbot.storage.sqlite_asking import Asking


class GroupTables(Asking):
    """The part of `gmbot.storage.protocol.Storage` that is about groups."""

    async def protect(self, owner: Owner, group: Group, channels: Sequence[Channel]) -> None:
        now = self._wall()

        def work(db: sqlite3.Connection) -> None:
            db.execute(sql.SAVE_OWNER, rows.of_owner(owner, now))
            db.execute(sql.SAVE_GROUP, rows.of_group(group, now))
            for channel in channels:
                db.execute(sql.SAVE_CHANNEL, rows.of_channel(channel, now))
                db.execute(sql.LINK, (group.group_id, channel.channel_id, now))
            db.execute(sql.DROP_PROTECTION_REQUEST, (group.group_id,))

        await self._ask("protect", self._writer, work)

    async def unprotect(self, group_id: int, channel_ids: Sequence[int]) -> None:
        pairs = [(group_id, channel_id) for channel_id in channel_ids]
        await self._change_each("unprotect", sql.UNLINK, pairs)

    async def set_group_enabled(self, group_id: int, *, enabled: bool) -> None:
        await self._change("set_group_enabled", sql.ENABLE_GROUP, (enabled, self._wall(), group_id))

    async def set_params(self, group_id: int, params: Mapping[str, Any]) -> None:
        columns = (rows.to_json(params), self._wall(), group_id)
        await self._change("set_params", sql.SET_PARAMS, columns)

    async def set_channel_hidden(self, channel_id: int, *, hidden: bool) -> bool:
        columns = (hidden, self._wall(), channel_id, hidden)
        return await self._change("set_channel_hidden", sql.HIDE_CHANNEL, columns) > 0

    async def channel(self, channel_id: int) -> Channel | None:
        row = await self._row("channel", sql.CHANNEL, (channel_id,))
        return None if row is None else rows.read_channel(row)

    async def rename_channel(
        self, channel_id: int, title: str, username: str | None, link: str | None = None
    ) -> None:
        names = (rows.clean(title), rows.clean_or_none(username), rows.clean_or_none(link))
        await self._change("rename_channel", sql.RENAME_CHANNEL, (*names, self._wall(), channel_id))

    async def migrate_group(self, old_id: int, new_id: int) -> None:
        now = self._wall()
        values = {"old": old_id, "new": new_id, "now": now, "version": rows.first_version(now)}

        def work(db: sqlite3.Connection) -> None:
            if old_id == new_id:  # nothing to follow, and the steps would remove it
                return
            for row in db.execute(NOTICE, (old_id,)).fetchall():
                named = [(old_id, one.user_id) for one in rows.read_notice(row).people]
                db.executemany(migration.FORGET_TOLD, named)
            for text, names in migration.STEPS:
                db.execute(text, [values[name] for name in names])

        await self._ask("migrate_group", self._writer, work)

    async def protected_groups(self) -> list[ProtectedGroup]:
        def work(db: sqlite3.Connection) -> list[ProtectedGroup]:
            return rows.read_groups(db.execute(sql.PROTECTED_GROUPS))

        return await self._ask("protected_groups", self._readers, work)

    async def suspended_groups(self, *, since: float) -> list[int]:
        found = await self._rows("suspended_groups", sql.SUSPENDED_GROUPS, (since,))
        return [row[0] for row in found]

    async def protected_group(self, group_id: int) -> ProtectedGroup | None:
        found = rows.read_groups(
            await self._rows("protected_group", sql.PROTECTED_GROUP, (group_id,))
        )
        return found[0] if found else None

    async def save_protection_request(self, request: ProtectionRequest) -> None:
        now = self._wall()

        def work(db: sqlite3.Connection) -> None:
            db.execute(sql.SAVE_OWNER, rows.of_owner(request.owner, now))
            db.execute(sql.SAVE_PROTECTION_REQUEST, rows.of_protection_request(request, now))

        await self._ask("save_protection_request", self._writer, work)

    async def protection_request(self, group_id: int) -> ProtectionRequest | None:
        row = await self._row("protection_request", sql.PROTECTION_REQUEST, (group_id,))
        return None if row is None else rows.read_protection_request(row)

    async def drop_protection_request(self, group_id: int) -> None:
        await self._change("drop_protection_request", sql.DROP_PROTECTION_REQUEST, (group_id,))
