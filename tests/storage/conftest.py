from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from gmbot.storage.protocol import Storage
from gmbot.storage.sqlite import open_sqlite
from tests.storage.samples import OpenStorage


@pytest.fixture(params=["sqlite"])
def open_storage(request: pytest.FixtureRequest, tmp_path: Path) -> OpenStorage:
    def open_by_name(name: str) -> AbstractAsyncContextManager[Storage]:
        return open_sqlite(str(tmp_path / f"{name}.db"))

    return open_by_name


@pytest.fixture
async def storage(open_storage: OpenStorage) -> AsyncIterator[Storage]:
    async with open_storage("gmbot") as storage:
        yield storage
