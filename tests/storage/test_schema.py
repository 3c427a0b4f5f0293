import re
from pathlib import Path

import pytest

from gmbot.storage import schema
from gmbot.storage.errors import StorageUnusable


def test_the_schema_is_found_and_taken_apart_without_comments() -> None:
    statements = schema.statements()

    assert statements[0].startswith("CREATE TABLE IF NOT EXISTS schema_version")
    assert all(re.match(r"CREATE (TABLE|INDEX) IF NOT EXISTS|INSERT", one) for one in statements)
    assert not any("--" in one or ";" in one for one in statements)


def test_the_program_knows_the_version_that_the_schema_writes() -> None:
    written = [one for one in schema.statements() if one.startswith("INSERT INTO schema_version")]

    assert [re.findall(r"VALUES \((\d+)\)", one) for one in written] == [[str(schema.VERSION)]]


def test_the_tables_and_indexes_of_the_reference_design_are_there() -> None:
    text = "\n".join(schema.statements())

    for table in ("owners", "protected_groups", "enforced_channels", "group_channel_links"):
        assert f"CREATE TABLE IF NOT EXISTS {table} (" in text
    for index in (
        "protected_groups (owner_id)",
        "protected_groups (enabled)",
        "group_channel_links (group_id)",
        "group_channel_links (channel_id)",
    ):
        assert re.search(rf"CREATE INDEX IF NOT EXISTS \w+ ON {re.escape(index)}", text)


def test_an_installed_schema_comes_before_one_of_a_checkout(tmp_path: Path) -> None:
    installed, checkout = tmp_path / "installed.sql", tmp_path / "checkout.sql"
    checkout.write_text("CREATE TABLE checkout (a);")

    assert schema.statements((installed, checkout)) == ["CREATE TABLE checkout (a)"]
    installed.write_text("CREATE TABLE installed (a); -- it's here; really\n")
    assert schema.statements((installed, checkout)) == ["CREATE TABLE installed (a)"]


def test_an_installation_without_its_schema_is_said_to_be_incomplete(tmp_path: Path) -> None:
    with pytest.raises(StorageUnusable, match=r"schema\.sql is missing.*install"):
        schema.statements((tmp_path / "nowhere.sql",))


@pytest.mark.parametrize("found", [None, 0, schema.VERSION])
def test_a_version_this_program_knows_is_accepted(found: int | None) -> None:
    schema.refuse_newer(found, "database x")


def test_a_newer_version_is_refused() -> None:
    with pytest.raises(StorageUnusable, match="database x was made by a newer GMBot"):
        schema.refuse_newer(schema.VERSION + 1, "database x")
