"""setWebhook, deleteWebhook and getWebhookInfo, and the rules by which a webhook is served.

Sources: td/telegram-bot-api Client.cpp (process_set_webhook_query, do_set_webhook) and
WebhookActor.cpp.
"""

import ipaddress
import re
from collections.abc import Callable
from random import Random
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from gmbot.sandbox.errors import TelegramError, too_many_requests
from gmbot.sandbox.queue import SET_WEBHOOK, LongPoll

PORTS: Final = frozenset({80, 88, 443, 8443})
DEFAULT_CONNECTIONS: Final = 40
MAX_CONNECTIONS: Final = 100
MAX_CONNECTIONS_LOCAL: Final = 100_000
SET_INTERVAL: Final = 1.0  # seconds between two setWebhook
MAX_RETRY_AFTER: Final = 3600  # seconds
MAX_DELAY: Final = 60  # seconds; the longest delays are spread up to twice this
GONE_AFTER: Final = 82_800.0  # seconds of 410 and nothing else that remove a webhook: 23 hours


class Webhook(msgspec.Struct, frozen=True):
    """Where and how updates are delivered."""

    url: str
    secret_token: str
    max_connections: int
    ip_address: str
    has_custom_certificate: bool

    @property
    def parts(self) -> SplitResult:
        """The URL, taken apart."""
        return urlsplit(self.url)


def read_webhook(params: dict[str, Any], *, local: bool) -> Webhook:
    """Check the parameters of setWebhook as the server does. Raises TelegramError."""
    url = params["url"]
    if "://" not in url:
        url = f"https://{url}"
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise _bad("invalid webhook URL specified") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _bad("invalid webhook URL specified")
    secret = params.get("secret_token", "")
    if len(secret) > 256:  # noqa: PLR2004  # as documented
        raise _bad("secret token is too long")
    if not re.fullmatch("[A-Za-z0-9_-]*", secret):
        raise _bad("secret token contains unallowed characters")
    if not local:
        if parts.scheme != "https":
            raise _bad("bad webhook: An HTTPS URL must be provided for webhook")
        if port not in PORTS:
            raise _bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
        _check_address(params.get("ip_address") or parts.hostname)
    most = MAX_CONNECTIONS_LOCAL if local else MAX_CONNECTIONS
    return Webhook(
        url,
        secret,
        min(max(params.get("max_connections", DEFAULT_CONNECTIONS), 1), most),
        params.get("ip_address", ""),
        "certificate" in params,
    )


def retry_delay(fails: int, delay: float, retry_after: int, random: Random) -> tuple[float, float]:
    """Return the next base delay and the seconds to wait after a failure.

    `fails` counts earlier failures of this update and `delay` is its base delay, at first 1: again
    at once, then after 2, 4, 8 … and in the end 60 to 120 s, unless the receiver said when.
    """
    if retry_after > 0:
        return delay, min(retry_after, MAX_RETRY_AFTER)
    if fails == 0:
        return delay, 0.0
    delay = min(random.randint(MAX_DELAY, 2 * MAX_DELAY), delay * 2)
    return delay, delay


class WebhookSettings:
    """The three methods about a webhook, over the updates of one bot.

    `on_change` is called with the webhook that is in force from now on, or None.
    """

    def __init__(
        self,
        poll: LongPoll,
        *,
        clock: Callable[[], float],
        local: bool,
        on_change: Callable[[Webhook | None], None],
    ) -> None:
        self.webhook: Webhook | None = None
        self._poll = poll
        self._clock = clock
        self._local = local
        self._on_change = on_change
        self._next_set = 0.0
        self._error: tuple[int, str] | None = None

    def set(self, params: dict[str, Any]) -> bool:
        """Answer setWebhook. Raises TelegramError."""
        if not params.get("url"):
            return self.delete(params)
        now = self._clock()
        if now < self._next_set:
            raise too_many_requests(1)
        self._next_set = now + SET_INTERVAL
        webhook = read_webhook(params, local=self._local)
        drop = params.get("drop_pending_updates", False)
        self._poll.queue.allow(params.get("allowed_updates"))
        if webhook == self.webhook and not webhook.has_custom_certificate and not drop:
            return True
        self._poll.abort(SET_WEBHOOK)
        if drop:
            self._poll.queue.clear()
        self._change(webhook)
        return True

    def delete(self, params: dict[str, Any]) -> bool:
        """Answer deleteWebhook."""
        if params.get("drop_pending_updates"):
            self._poll.queue.clear()
        if self.webhook is not None:
            self._change(None)
        return True

    def info(self) -> dict[str, Any]:
        """Answer getWebhookInfo."""
        queue = self._poll.queue
        queue.expire(self._clock())
        info: dict[str, Any] = {
            "url": "",
            "has_custom_certificate": False,
            "pending_update_count": queue.pending_count,
        }
        if self.webhook is not None:
            info["url"] = self.webhook.url
            info["has_custom_certificate"] = self.webhook.has_custom_certificate
            info["max_connections"] = self.webhook.max_connections
            if self.webhook.ip_address:
                info["ip_address"] = self.webhook.ip_address
        if self._error is not None:
            info["last_error_date"], info["last_error_message"] = self._error
        if queue.allowed is not None:
            info["allowed_updates"] = queue.allowed
        return info

    def fail(self, message: str) -> None:
        """Note the last error of a delivery."""
        self._error = (int(self._clock()), message)

    def _change(self, webhook: Webhook | None) -> None:
        self.webhook = webhook
        self._error = None
        self._poll.is_webhook_active = webhook is not None
        self._on_change(webhook)


def _check_address(host: str) -> None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return  # a name; the simulation does not resolve names
    if address.version != 4:  # noqa: PLR2004  # IPv4
        raise _bad("bad webhook: IPv6-only addresses are not allowed")
    if not address.is_global:
        raise _bad(f"bad webhook: IP address {address} is reserved")


def _bad(words: str) -> TelegramError:
    return TelegramError(400, f"Bad Request: {words}")
