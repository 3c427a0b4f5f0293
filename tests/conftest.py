"""Fixtures for the whole tree: a simulated Telegram that judges whoever talks to it."""

from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest
import trio
from hypothesis import settings

from gmbot.sandbox.telegram import Telegram

# The whole suite is to take less than 5 minutes on 2 cores; a bound of its own stands where a test
# wants more, or fewer, examples.
settings.register_profile("gmbot", max_examples=50)
settings.load_profile("gmbot")


@pytest.fixture
def telegram_options() -> dict[str, Any]:
    """Arguments of the `telegram` fixture's server; a module overrides this to change them."""
    return {}


@pytest.fixture
async def telegram(
    nursery: trio.Nursery, telegram_options: dict[str, Any]
) -> AsyncIterator[Telegram]:
    """A running server on the real clock; at the end nothing may have broken the schema or a freeze."""
    options = {"random": Random(1), "local": True, **telegram_options}
    server = Telegram(**options)
    await nursery.start(server.serve)
    yield server
    assert server.violations == []
    assert server.flood.violations == [], "a call inside a retry_after"
