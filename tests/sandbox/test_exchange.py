"""The judge: what breaks the schema, on either side, is refused and noted."""

from typing import Any

import httpx
import pytest

from gmbot.sandbox.calls import Violation
from gmbot.sandbox.telegram import Telegram


def url(telegram: Telegram, method: str) -> str:
    return f"{telegram.base_url}/bot{telegram.token}/{method}"


@pytest.mark.parametrize(
    ("method", "params", "words"),
    [
        pytest.param("sendGossip", {}, "Not Found: method not found", id="unknown method"),
        pytest.param("getMe", {"x": 1}, "Bad Request: unknown parameter x", id="parameter"),
        pytest.param("getChat", {}, "Bad Request: missing parameter chat_id", id="missing"),
        pytest.param("getStarTransactions", {}, "Not Found: method not found", id="not simulated"),
        pytest.param("getChat", {"chat_id": None}, "null", id="null"),
    ],
)
async def test_a_request_against_the_schema_is_refused_and_noted(
    telegram: Telegram, http: httpx.AsyncClient, method: str, params: dict[str, Any], words: str
) -> None:
    answer = await http.post(url(telegram, method), json=params)

    assert answer.status_code in {400, 404}
    assert words in answer.json()["description"]
    (violation,) = telegram.violations
    assert violation.who == "bot"
    telegram.violations.clear()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b'{"chat_id":1,"text":"\\ud83d"}', "application/json", id="json"),
        pytest.param(b"chat_id=1&text=%ED%A0%BD", "application/x-www-form-urlencoded", id="form"),
    ],
)
async def test_an_unpaired_surrogate_is_refused_in_telegrams_words(
    telegram: Telegram, http: httpx.AsyncClient, body: bytes, content_type: str
) -> None:
    answer = await http.post(
        url(telegram, "sendMessage"), content=body, headers={"content-type": content_type}
    )

    assert answer.json()["description"] == "Bad Request: strings must be encoded in UTF-8"
    assert [violation.what for violation in telegram.violations] == ["sendMessage"]
    telegram.violations.clear()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [(b"{", "application/json"), (b"chat_id=5", "text/plain")],
    ids=["no json", "no way to pass parameters"],
)
async def test_parameters_that_no_server_reads_are_noted(
    telegram: Telegram, http: httpx.AsyncClient, body: bytes, content_type: str
) -> None:
    await http.post(url(telegram, "getChat"), content=body, headers={"content-type": content_type})

    (violation,) = telegram.violations
    assert (violation.who, violation.what) == ("bot", "getChat")
    telegram.violations.clear()


async def test_a_long_run_keeps_the_first_violations_only(
    telegram: Telegram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gmbot.sandbox.exchange.KEPT_VIOLATIONS", 2)

    for method in ("sendGossip", "getRumour", "sendGossip"):
        await telegram.ask(method)

    assert [violation.what for violation in telegram.violations] == ["sendGossip", "getRumour"]
    telegram.violations.clear()


class TestLoose:
    @pytest.fixture
    def telegram_options(self) -> dict[str, Any]:
        return {"strict": False}

    async def test_without_strictness_unknown_parameters_are_ignored(
        self, telegram: Telegram, http: httpx.AsyncClient
    ) -> None:
        telegram.world.tell(telegram.bot, "message", {"text": "junk"})
        answer = await http.post(url(telegram, "getMe"), json={"unheard_of": 1})

        assert answer.status_code == 200


async def test_a_failure_of_the_simulation_itself_is_500_and_noted(
    telegram: Telegram, http: httpx.AsyncClient
) -> None:
    owner = telegram.world.person("Olga")
    group = telegram.world.supergroup("Group", creator=owner, members=[telegram.bot])
    del group.standings

    answer = await http.post(url(telegram, "getChat"), json={"chat_id": group.id})

    assert answer.status_code == 500
    (violation,) = telegram.violations
    assert violation.who == "sandbox"
    assert violation.what == "getChat"
    telegram.violations.clear()


async def test_an_answer_or_update_of_the_simulation_against_the_schema_is_noted(
    telegram: Telegram, http: httpx.AsyncClient
) -> None:
    telegram.bot.first_name = None  # type: ignore[assignment]  # what a careless world might do
    telegram.world.tell(telegram.bot, "message", {"text": "junk"})

    await http.post(url(telegram, "getMe"))

    assert telegram.violations == [
        Violation("sandbox", "message", ".message.chat: missing in Message"),
        Violation("sandbox", "getMe", ".first_name: expected String, got None"),
    ]
    telegram.violations.clear()
