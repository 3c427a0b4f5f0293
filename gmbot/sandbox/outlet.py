"""Where the updates of one bot come out: by getUpdates, or at a webhook."""

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from random import Random
from typing import Any, Final

from gmbot.sandbox.delivery import Attempt, Delivery, DeliveryOptions
from gmbot.sandbox.queue import LongPoll, UpdateQueue
from gmbot.sandbox.webhook import Webhook, WebhookSettings

KEPT_ATTEMPTS: Final = 10_000


class Outlet:
    """The queue of one bot's updates, with both ways out of it.

    `attempts` holds the last POSTs to webhooks. `start` runs a function in the background, and
    `on_attempt` is called after each POST. `was_gone` tells whether 410 removed the webhook.
    """

    def __init__(
        self,
        kinds: Iterable[str],
        *,
        clock: Callable[[], float],
        random: Random,
        local: bool,
        options: DeliveryOptions,
        start: Callable[[Callable[[], Awaitable[None]]], None],
        on_attempt: Callable[[], None],
    ) -> None:
        self.queue = UpdateQueue(kinds, random=random)
        self.poll = LongPoll(self.queue, clock)
        self.settings = WebhookSettings(self.poll, clock=clock, local=local, on_change=self._change)
        self.attempts: deque[Attempt] = deque(maxlen=KEPT_ATTEMPTS)
        self.delivery: Delivery | None = None
        self.was_gone = False
        self._clock = clock
        self._random = random
        self._options = options
        self._start = start
        self._on_attempt = on_attempt

    def put(self, kind: str, payload: dict[str, Any], *, anyway: bool = False) -> None:
        """Take what happened; `anyway` also where its kind is not allowed."""
        entry = self.queue.put(kind, payload, self._clock(), anyway=anyway)
        if entry is None:
            return
        if self.delivery is not None:
            self.delivery.put(entry)
        self.poll.wake()

    def _change(self, webhook: Webhook | None) -> None:
        if self.delivery is not None:
            self.delivery.stop()
            self.delivery = None
        if webhook is None:
            return
        self.delivery = Delivery(
            webhook,
            self.queue,
            clock=self._clock,
            random=self._random,
            options=self._options,
            on_attempt=self._note,
            on_gone=self._gone,
        )
        self._start(self.delivery.run)

    def _note(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        if attempt.error is not None:
            self.settings.fail(attempt.error)
        self._on_attempt()

    def _gone(self) -> None:
        self.was_gone = True
        self.settings.delete({})
