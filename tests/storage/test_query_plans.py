"""How SQLite finds the rows that each statement is about."""

import re
import sqlite3
from collections.abc import Iterator
from types import ModuleType

import pytest

from gmbot.storage.schema import statements
from gmbot.storage.sql import groups, migration, people, work

# Asked for at a start, when all rows are wanted: they may read whole tables.
WHOLE = {"RESTRICTIONS", "RESTRICTED_GROUPS", "UNTOLD_RESTRICTIONS", "NOTICES", "PROTECTED_GROUPS"}

# What is asked for each message of somebody who is not in the channels, or at each press.
BY_PRIMARY_KEY = [
    pytest.param(people.IS_PARDONED, id="IS_PARDONED"),
    pytest.param(people.RESTRICTION, id="RESTRICTION"),
    pytest.param(people.WARNED, id="WARNED"),
    pytest.param(people.HAS_JOIN_REQUEST, id="HAS_JOIN_REQUEST"),
    pytest.param(people.DROP_RESTRICTION, id="DROP_RESTRICTION"),
    pytest.param(people.ADVANCE_RESTRICTION, id="ADVANCE_RESTRICTION"),
    pytest.param(people.TOLD, id="TOLD"),
    pytest.param(work.SAVE_JOB, id="SAVE_JOB"),
    pytest.param(work.FINISH_JOB, id="FINISH_JOB"),
]


def texts(module: ModuleType) -> Iterator[tuple[str, str]]:
    for name, text in vars(module).items():
        if name.isupper() and isinstance(text, str):
            yield name, text


ALL = [
    pytest.param(text, id=name)
    for module in (groups, people, work, migration)
    for name, text in texts(module)
    if name not in WHOLE
] + [pytest.param(text, id=f"STEPS-{n}") for n, (text, _) in enumerate(migration.STEPS)]


@pytest.fixture(scope="module")
def db() -> Iterator[sqlite3.Connection]:
    db = sqlite3.connect(":memory:")
    for statement in statements():
        db.execute(statement)
    yield db
    db.close()


def plan(db: sqlite3.Connection, text: str) -> list[str]:
    parameters = [0] * text.count("?")
    return [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {text}", parameters)]


@pytest.mark.parametrize("text", ALL)
def test_no_statement_reads_a_whole_table(db: sqlite3.Connection, text: str) -> None:
    assert not [step for step in plan(db, text) if step.startswith("SCAN")]


@pytest.mark.parametrize("text", BY_PRIMARY_KEY)
def test_what_a_message_costs_is_found_by_the_primary_key(
    db: sqlite3.Connection, text: str
) -> None:
    steps = plan(db, text)

    assert len(steps) == 1
    assert re.search(
        r"USING (COVERING )?INDEX sqlite_autoindex_\w+_1 \(\w+=\? AND \w+=\?\)", steps[0]
    )
