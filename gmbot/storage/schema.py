"""Finds schema.sql, takes it apart, and brings databases of earlier versions to its version."""

import re
from collections.abc import Mapping
from pathlib import Path

from gmbot.storage.errors import StorageUnusable

VERSION = 2  # the one that schema.sql writes

CURRENT_VERSION = "SELECT MAX(version) FROM schema_version"

# What brings tables of the version before to each version, ahead of schema.sql, which adds what is
# new as a whole. In the SQL that SQLite and PostgreSQL share.
_STEPS: Mapping[int, tuple[str, ...]] = {
    2: (
        "ALTER TABLE enforced_channels ADD COLUMN hidden BOOLEAN NOT NULL DEFAULT FALSE",
        "ALTER TABLE restrictions ADD COLUMN told BOOLEAN NOT NULL DEFAULT FALSE",
        # Who has been held for long is not to be called out in the group again.
        "UPDATE restrictions SET told = TRUE",
    ),
}

# In an installed wheel it lies in the package, in a checkout at the repository's top.
_PACKAGE = Path(__file__).parents[1]
_PLACES = (_PACKAGE / "schema.sql", _PACKAGE.parent / "schema.sql")

_COMMENT = re.compile(r"--[^\n]*")


def statements(places: tuple[Path, ...] = _PLACES) -> list[str]:
    """Return schema.sql's statements in order; the first makes the table of the version.

    Raises StorageUnusable where the file is missing: the installation is incomplete.
    """
    for place in places:
        if place.is_file():
            text = _COMMENT.sub("", place.read_text(encoding="utf-8"))
            return [part.strip() for part in text.split(";") if part.strip()]
    raise StorageUnusable("schema.sql is missing from this installation: install GMBot again")


def upgrade(found: int | None) -> list[str]:
    """Return what a database of this version needs before schema.sql; None: it is a new one."""
    if found is None:
        return []
    return [one for version in range(found + 1, VERSION + 1) for one in _STEPS.get(version, ())]


def refuse_newer(found: int | None, database: str) -> None:
    """Raise StorageUnusable if the database's version is one this program does not know."""
    if found is not None and found > VERSION:
        raise StorageUnusable(
            f"{database} was made by a newer GMBot (schema {found}, this one knows {VERSION}):"
            " run that version again, or restore an older backup"
        )
