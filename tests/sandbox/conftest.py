"""A bare client of the wire: what a well-behaved library would hide is what these tests look at."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from gmbot.sandbox.telegram import Telegram

Ask = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
        yield client


@pytest.fixture
def ask(telegram: Telegram, http: httpx.AsyncClient) -> Ask:
    """Call a method with a JSON body."""

    async def call(method: str, **params: Any) -> httpx.Response:
        url = f"{telegram.base_url}/bot{telegram.token}/{method}"
        return await http.post(url, json=params)

    return call
