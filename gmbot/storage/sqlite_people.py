"""People in groups, and the notices that name them, in SQLite."""

# ruff: noqa: D102  what the methods promise is written once, in protocol.py

import sqlite3
from collections.abc import Sequence

import msgspec

from gmbot.storage import rows
from gmbot.storage.records import Notice, NoticeState, Restriction, RestrictionState, Sighting
from gmbot.storage.sql import people as sql
from gmbot.storage.sqlite_asking import Asking


class PeopleTables(Asking):
    """The part of `gmbot.storage.protocol.Storage` that is about people."""

    # Whom we hold.

    async def want_restriction(self, wanted: Restriction) -> tuple[Restriction, bool] | None:
        new = rows.of_new_restriction(wanted, self._wall())

        def work(db: sqlite3.Connection) -> tuple[rows.Row, bool] | None:
            if db.execute(sql.IS_PARDONED, new[:2]).fetchone() is not None:
                return None
            is_new = db.execute(sql.ADD_RESTRICTION, new).rowcount == 1
            return db.execute(sql.RESTRICTION, new[:2]).fetchone(), is_new

        stands = await self._ask("want_restriction", self._writer, work)
        return None if stands is None else (rows.read_restriction(stands[0]), stands[1])

    async def restriction(self, group_id: int, user_id: int) -> Restriction | None:
        row = await self._row("restriction", sql.RESTRICTION, (group_id, user_id))
        return None if row is None else rows.read_restriction(row)

    async def restrictions_in(self, group_id: int) -> list[Restriction]:
        return await self._restrictions("restrictions_in", sql.RESTRICTIONS_IN, (group_id,))

    async def restrictions_of(self, user_id: int) -> list[Restriction]:
        return await self._restrictions("restrictions_of", sql.RESTRICTIONS_OF, (user_id,))

    async def restricted_groups(self) -> list[int]:
        return [row[0] for row in await self._rows("restricted_groups", sql.RESTRICTED_GROUPS)]

    async def restrictions(self) -> list[Restriction]:
        return await self._restrictions("restrictions", sql.RESTRICTIONS)

    async def untold_restrictions(self) -> list[Restriction]:
        return await self._restrictions("untold_restrictions", sql.UNTOLD_RESTRICTIONS)

    async def _restrictions(
        self, query: str, text: str, parameters: rows.Row = ()
    ) -> list[Restriction]:
        return [rows.read_restriction(row) for row in await self._rows(query, text, parameters)]

    async def advance_restriction(
        self, current: Restriction, state: RestrictionState
    ) -> Restriction | None:
        key = (current.group_id, current.user_id, current.version)
        changed = await self._change(
            "advance_restriction", sql.ADVANCE_RESTRICTION, (state.value, self._wall(), *key)
        )
        if not changed:
            return None
        return msgspec.structs.replace(current, state=state, version=current.version + 1)

    async def drop_restriction(self, current: Restriction) -> bool:
        key = (current.group_id, current.user_id, current.version)
        return await self._change("drop_restriction", sql.DROP_RESTRICTION, key) > 0

    # Whom a human has freed.

    async def pardon(self, group_id: int, user_id: int, *, given_at: float) -> None:
        def work(db: sqlite3.Connection) -> None:
            db.execute(sql.FORGET_RESTRICTION, (group_id, user_id))
            db.execute(sql.PARDON, (group_id, user_id, given_at))

        await self._ask("pardon", self._writer, work)

    async def is_pardoned(self, group_id: int, user_id: int) -> bool:
        return await self._row("is_pardoned", sql.IS_PARDONED, (group_id, user_id)) is not None

    async def end_pardons(self, user_id: int, group_ids: Sequence[int], *, before: float) -> None:
        columns = [(group_id, user_id, before) for group_id in group_ids]
        await self._change_each("end_pardons", sql.END_PARDON, columns)

    # Warnings.

    async def warn(self, group_id: int, user_id: int, message_id: int, *, now: float) -> int:
        def work(db: sqlite3.Connection) -> int:
            db.execute(sql.WARN, (group_id, user_id, message_id, now))
            (times,) = db.execute(sql.WARNED, (group_id, user_id)).fetchone()
            return int(times)

        return await self._ask("warn", self._writer, work)

    async def forget_warnings(self, group_id: int, user_id: int) -> None:
        await self._change("forget_warnings", sql.FORGET_WARNINGS, (group_id, user_id))

    # Who was seen where.

    async def save_sightings(self, sightings: Sequence[Sighting]) -> None:
        columns = [(one.group_id, one.user_id, one.seen_at) for one in sightings]
        await self._change_each("save_sightings", sql.SAVE_SIGHTING, columns)

    async def seen_in(self, group_id: int, *, since: float) -> list[int]:
        return [row[0] for row in await self._rows("seen_in", sql.SEEN_IN, (group_id, since))]

    async def groups_seen(self, user_id: int) -> list[int]:
        return [row[0] for row in await self._rows("groups_seen", sql.GROUPS_SEEN, (user_id,))]

    async def forget_sightings(self, *, before: float) -> None:
        await self._change("forget_sightings", sql.FORGET_SIGHTINGS, (before,))

    # Who has asked to be let into a channel.

    async def save_join_request(self, channel_id: int, user_id: int) -> None:
        columns = (channel_id, user_id, self._wall())
        await self._change("save_join_request", sql.SAVE_JOIN_REQUEST, columns)

    async def has_join_request(self, channel_id: int, user_id: int) -> bool:
        pair = (channel_id, user_id)
        return await self._row("has_join_request", sql.HAS_JOIN_REQUEST, pair) is not None

    async def drop_join_request(self, channel_id: int, user_id: int) -> None:
        await self._change("drop_join_request", sql.DROP_JOIN_REQUEST, (channel_id, user_id))

    async def forget_join_requests(self, *, before: float) -> None:
        await self._change("forget_join_requests", sql.FORGET_JOIN_REQUESTS, (before,))

    # The live notice of a group.

    async def notice(self, group_id: int) -> Notice | None:
        row = await self._row("notice", sql.NOTICE, (group_id,))
        return None if row is None else rows.read_notice(row)

    async def notices(self) -> list[Notice]:
        return [rows.read_notice(row) for row in await self._rows("notices", sql.NOTICES)]

    async def save_notice(self, notice: Notice) -> Notice | None:
        now = self._wall()
        stored = rows.next_notice(notice, now)
        columns = rows.of_notice(stored, now)
        told = _told(stored)

        def work(db: sqlite3.Connection) -> Notice | None:
            if notice.version == 0:
                changed = db.execute(sql.ADD_NOTICE, columns).rowcount
            else:
                changed = db.execute(sql.CHANGE_NOTICE, (*columns, notice.version)).rowcount
            if not changed:
                return None
            db.executemany(sql.TOLD, told)
            return stored

        return await self._ask("save_notice", self._writer, work)

    async def drop_notice(self, notice: Notice) -> bool:
        key, told = (notice.group_id, notice.version), _told(notice)

        def work(db: sqlite3.Connection) -> bool:
            if not db.execute(sql.DROP_NOTICE, key).rowcount:
                return False
            db.executemany(sql.TOLD, told)
            return True

        return await self._ask("drop_notice", self._writer, work)


def _told(notice: Notice) -> list[rows.Row]:
    """Return whom a notice has told that they are held, by group and person."""
    if notice.state is not NoticeState.LIVE:
        return []
    return [(notice.group_id, one.user_id) for one in notice.people]
