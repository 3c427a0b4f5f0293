from random import Random
from typing import Any

import pytest

from gmbot.sandbox.errors import TelegramError
from gmbot.sandbox.queue import LongPoll, UpdateQueue
from gmbot.sandbox.schema import bot_api
from gmbot.sandbox.webhook import Webhook, WebhookSettings, retry_delay

URL = "https://bot.example.org:8443/hook"


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """Settings of one bot, with what they changed."""

    def __init__(self, *, local: bool = False) -> None:
        self.clock = Clock()
        self.queue = UpdateQueue(bot_api().update_kinds, random=Random(1))
        self.poll = LongPoll(self.queue, self.clock)
        self.changes: list[Webhook | None] = []
        self.settings = WebhookSettings(
            self.poll, clock=self.clock, local=local, on_change=self.changes.append
        )

    def set(self, **params: Any) -> bool:
        self.clock.now += 1
        return self.settings.set(params)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        pytest.param(
            {"url": "http://bot.example.org"},
            "bad webhook: An HTTPS URL must be provided for webhook",
            id="http",
        ),
        pytest.param(
            {"url": "https://bot.example.org:444"},
            "bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443",
            id="port",
        ),
        pytest.param(
            {"url": "https://127.0.0.1"},
            "bad webhook: IP address 127.0.0.1 is reserved",
            id="loopback",
        ),
        pytest.param(
            {"url": URL, "ip_address": "10.0.0.1"},
            "bad webhook: IP address 10.0.0.1 is reserved",
            id="private",
        ),
        pytest.param(
            {"url": "https://[2001:db8::1]"},
            "bad webhook: IPv6-only addresses are not allowed",
            id="ipv6",
        ),
        pytest.param(
            {"url": "ftp://bot.example.org"}, "invalid webhook URL specified", id="scheme"
        ),
        pytest.param({"url": "https://bot:port"}, "invalid webhook URL specified", id="no port"),
        pytest.param({"url": "https://"}, "invalid webhook URL specified", id="no host"),
        pytest.param(
            {"url": URL, "secret_token": "s" * 257}, "secret token is too long", id="long"
        ),
        pytest.param(
            {"url": URL, "secret_token": "s e"},
            "secret token contains unallowed characters",
            id="chars",
        ),
    ],
)
def test_a_webhook_is_refused_in_telegrams_words(params: dict[str, Any], words: str) -> None:
    bench = Bench()

    with pytest.raises(TelegramError) as refusal:
        bench.set(**params)

    assert refusal.value.code == 400
    assert refusal.value.description == f"Bad Request: {words}"
    assert bench.changes == []
    assert not bench.poll.is_webhook_active


def test_a_local_server_takes_any_address() -> None:
    bench = Bench(local=True)

    assert bench.set(url="http://127.0.0.1:5000/hook", max_connections=500)
    assert bench.changes[-1] is not None
    assert bench.changes[-1].max_connections == 500


@pytest.mark.parametrize(("asked", "given"), [(None, 40), (0, 1), (7, 7), (500, 100)])
def test_connections_are_kept_in_bounds(asked: int | None, given: int) -> None:
    bench = Bench()

    bench.set(url=URL, **({} if asked is None else {"max_connections": asked}))

    assert bench.settings.info()["max_connections"] == given


def test_once_a_second_and_no_more() -> None:
    bench = Bench()
    bench.set(url=URL)
    bench.clock.now += 0.9

    with pytest.raises(TelegramError) as refusal:
        bench.settings.set({"url": URL})

    assert refusal.value.code == 429
    assert refusal.value.parameters == {"retry_after": 1}


def test_the_same_webhook_again_changes_nothing_but_the_allowed_kinds() -> None:
    bench = Bench()
    bench.set(url="bot.example.org", secret_token="s3cret")

    bench.set(url="https://bot.example.org", secret_token="s3cret", allowed_updates=["message"])

    assert len(bench.changes) == 1
    assert bench.settings.info()["allowed_updates"] == ["message"]
    bench.set(url="https://bot.example.org", secret_token="other")
    assert len(bench.changes) == 2


def test_the_webhook_is_told_but_never_its_secret() -> None:
    bench = Bench()
    bench.queue.put("message", {"chat": {"id": 1}}, bench.clock.now)
    assert bench.settings.info() == {
        "url": "",
        "has_custom_certificate": False,
        "pending_update_count": 1,
    }

    bench.set(url=URL, secret_token="s3cret", certificate="attach://x", ip_address="8.8.8.8")
    bench.settings.fail("Connection refused")

    info = bench.settings.info()
    assert bot_api().check_type("WebhookInfo", info) is None
    assert info == {
        "url": URL,
        "has_custom_certificate": True,
        "pending_update_count": 1,
        "max_connections": 40,
        "ip_address": "8.8.8.8",
        "last_error_date": int(bench.clock.now),
        "last_error_message": "Connection refused",
    }


@pytest.mark.parametrize("way", ["setWebhook without url", "deleteWebhook"])
def test_a_webhook_is_deleted_and_updates_dropped_only_when_asked(way: str) -> None:
    bench = Bench()
    bench.set(url=URL)
    bench.queue.put("message", {"chat": {"id": 1}}, bench.clock.now)
    remove = bench.settings.delete if way == "deleteWebhook" else bench.settings.set

    assert remove({})
    assert bench.queue.pending_count == 1
    assert remove({"drop_pending_updates": True})

    assert bench.changes[1:] == [None]
    assert bench.queue.pending_count == 0
    assert not bench.poll.is_webhook_active


def test_set_webhook_can_drop_what_is_pending() -> None:
    bench = Bench()
    bench.queue.put("message", {"chat": {"id": 1}}, bench.clock.now)

    bench.set(url=URL, drop_pending_updates=True)

    assert bench.queue.pending_count == 0


def test_again_at_once_then_after_2_4_8_seconds_and_in_the_end_1_to_2_minutes() -> None:
    random, delay, waits = Random(1), 1.0, []
    for fails in range(12):
        delay, wait = retry_delay(fails, delay, 0, random)
        waits.append(wait)

    assert waits[:6] == [0, 2, 4, 8, 16, 32]
    assert all(60 <= wait <= 120 for wait in waits[6:])
    assert len(set(waits[6:])) > 1


def test_the_receiver_may_say_when_up_to_an_hour() -> None:
    assert retry_delay(3, 8, 5, Random(1)) == (8, 5)
    assert retry_delay(0, 1, 100_000, Random(1)) == (1, 3600)
