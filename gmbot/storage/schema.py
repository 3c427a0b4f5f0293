"""Finds schema.sql, takes it apart, and knows which version of it this program speaks."""

import re
from pathlib import Path

from gmbot.storage.errors import StorageUnusable

VERSION = 1  # the one that schema.sql writes

CURRENT_VERSION = "SELECT MAX(version) FROM schema_version"

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


def refuse_newer(found: int | None, database: str) -> None:
    """Raise StorageUnusable if the database's version is one this program does not know."""
    if found is not None and found > VERSION:
        raise StorageUnusable(
            f"{database} was made by a newer GMBot (schema {found}, this one knows {VERSION}):"
            " run that version again, or restore an older backup"
        )
