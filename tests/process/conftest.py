from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gmbot.sandbox.telegram import Telegram
from tests.process.support import Town


@pytest.fixture
async def town(telegram: Telegram, tmp_path: Path) -> AsyncIterator[Town]:
    """A town whose bot has not been started."""
    town = Town(telegram, tmp_path)
    yield town
    log = tmp_path / "gmbot.log"
    if log.exists():
        assert telegram.token.split(":")[1] not in log.read_text(), "the token is in the log"
