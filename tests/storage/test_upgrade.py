"""Databases of earlier versions: real files, made by the schema of their time, with rows in them."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from gmbot.storage import schema
from gmbot.storage.errors import StorageUnusable
from gmbot.storage.records import (
    Channel,
    Group,
    Named,
    Notice,
    NoticeState,
    PendingUpdate,
    ProtectedGroup,
    Restriction,
    RestrictionState,
)
from gmbot.storage.sqlite import open_sqlite

SCHEMA_1 = Path(__file__).with_name("schema_1.sql")

ROWS_1 = """
INSERT INTO owners VALUES (7, 'owner', 1.0, 2.0);
INSERT INTO protected_groups VALUES (-100, 7, 'Chat', TRUE, '{"language":"de"}', 1.0, 2.0);
INSERT INTO enforced_channels VALUES (-1001, 'News', 'news', NULL, 1.0, 2.0);
INSERT INTO enforced_channels VALUES (-1002, 'Club', NULL, 'https://t.me/+secret', 1.0, 2.0);
INSERT INTO group_channel_links (group_id, channel_id, created_at) VALUES (-100, -1002, 1.0);
INSERT INTO group_channel_links (group_id, channel_id, created_at) VALUES (-100, -1001, 1.0);
INSERT INTO restrictions VALUES (-100, 5, 'Ann', 'held', 41, NULL, NULL, 1.0, 2.0);
INSERT INTO restrictions VALUES (-100, 6, 'Bob', 'wanted', 42, '{"can_send_polls":true}', 99, 1.0, 2.0);
INSERT INTO notices VALUES (-100, 11, '[[5,"Ann"],[6,"Bob"]]', 'live', 43, 60.5, 2.0);
INSERT INTO pending_updates VALUES (1, X'7B7D', 2, 10.0, 'a', 20.0, 1.0);
"""

ANN = Restriction(-100, 5, "Ann", RestrictionState.HELD, 41, None, None, 1.0)
BOB = Restriction(-100, 6, "Bob", RestrictionState.WANTED, 42, {"can_send_polls": True}, 99, 1.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database of version 1, as a bot of that version leaves it."""
    path = tmp_path / "gmbot.db"
    db = sqlite3.connect(path)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(SCHEMA_1.read_text(encoding="utf-8"))
    db.executescript(ROWS_1)
    db.close()
    return path


def versions(path: Path) -> list[int]:
    db = sqlite3.connect(path)
    found = [row[0] for row in db.execute("SELECT version FROM schema_version ORDER BY version")]
    db.close()
    return found


def shape(path: Path) -> dict[str, object]:
    """Return all tables with their columns, and all indexes with theirs, in no order."""
    db = sqlite3.connect(path)
    names = db.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
    found: dict[str, object] = {}
    for kind, name in names.fetchall():
        columns = db.execute(f"PRAGMA {kind}_info({name})").fetchall()
        # Where a column stands in its table is all that an upgrade may leave different.
        found[name] = {row[1:] for row in columns} if kind == "table" else [c[2] for c in columns]
    db.close()
    return found


async def test_everything_of_version_1_is_there_after_the_upgrade(path: Path) -> None:
    async with open_sqlite(str(path)) as storage:
        assert await storage.protected_groups() == [
            ProtectedGroup(
                Group(-100, 7, "Chat", params={"language": "de"}),
                (
                    Channel(-1002, "Club", None, "https://t.me/+secret"),
                    Channel(-1001, "News", "news", None),
                ),
            )
        ]
        assert await storage.restrictions_in(-100) == [ANN, BOB]
        people = (Named(5, "Ann"), Named(6, "Bob"))
        assert await storage.notices() == [Notice(-100, 11, people, NoticeState.LIVE, 43, 60.5)]
        assert await storage.claim_updates(instance="b", now=20.0, until=30.0, limit=9) == [
            PendingUpdate(1, b"{}", 2, 10.0)
        ]
    assert versions(path) == [1, 2]


async def test_who_was_held_before_the_upgrade_counts_as_told_and_who_comes_later_does_not(
    path: Path,
) -> None:
    async with open_sqlite(str(path)) as storage:
        assert await storage.untold_restrictions() == []

        await storage.want_restriction(
            Restriction(-100, 8, "Cid", RestrictionState.WANTED, 0, None, None)
        )
    async with open_sqlite(str(path)) as storage:  # again: the upgrade is not done twice
        assert [one.user_id for one in await storage.untold_restrictions()] == [8]


async def test_an_upgraded_database_has_the_shape_of_a_new_one(path: Path) -> None:
    new = path.with_name("new.db")
    for either in (path, new, path):
        async with open_sqlite(str(either)):
            pass

    assert shape(path) == shape(new)
    assert versions(new) == [2]


async def test_an_upgraded_database_works_as_a_new_one(path: Path) -> None:
    async with open_sqlite(str(path)) as storage:
        assert await storage.set_channel_hidden(-1001, hidden=True)
        await storage.pardon(-100, 5, given_at=1.0)
        assert await storage.warn(-100, 6, 1, now=1.0) == 1
        await storage.add_job("recheck", "-100", {}, now=1.0)
        await storage.migrate_group(-100, -200)

        assert await storage.is_pardoned(-200, 5)
        assert [one.user_id for one in await storage.untold_restrictions()] == [6]


async def test_an_upgrade_that_fails_leaves_the_database_as_it_was(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE jobs (name TEXT)")  # somebody else's: the last step cannot be done
    db.close()
    before = shape(path)

    with pytest.raises(StorageUnusable, match="has other tables"):
        async with open_sqlite(str(path)):
            pass

    assert shape(path) == before
    assert versions(path) == [1]


OPENER = """
import sys, trio
from gmbot.storage.sqlite import open_sqlite
async def main():
    print("ready", flush=True)
    sys.stdin.readline()
    async with open_sqlite(sys.argv[1], busy_timeout=10) as storage:
        print(len(await storage.restrictions()), flush=True)
trio.run(main)
"""


def test_processes_that_upgrade_at_once_all_open_it(path: Path) -> None:
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    try:
        for opener in openers:
            assert opener.stdout is not None
            assert opener.stdout.readline() == "ready\n"
        for opener in openers:
            assert opener.stdin is not None
            opener.stdin.write("\n")
            opener.stdin.flush()

        said = [opener.communicate(timeout=30)[0] for opener in openers]
    finally:
        for opener in openers:
            opener.kill()
            opener.communicate()

    assert said == ["2\n"] * 3
    assert versions(path) == [1, 2]


async def test_storages_that_upgrade_at_once_in_one_process_all_open_it(path: Path) -> None:
    async def open_and_look() -> None:
        async with open_sqlite(str(path), busy_timeout=10) as storage:
            assert await storage.restrictions() == [ANN, BOB]

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(open_and_look)


def test_the_steps_of_an_upgrade_begin_where_the_database_is() -> None:
    assert schema.upgrade(None) == []
    assert schema.upgrade(schema.VERSION) == []
    assert all(one.startswith(("ALTER TABLE", "UPDATE")) for one in schema.upgrade(1))
    assert len(schema.upgrade(1)) == 3
