"""Long polling: at least once, and never asking again with an offset that has not moved.

The server gives the same hundred updates for as long as the offset stands. So the next question
waits until at least the first update of the last answer is done; the taker sees to it that this is
soon (what takes long is stored). Meanwhile the server keeps what is new: back-pressure for free.
"""

from functools import partial
from http import HTTPStatus
from math import inf
from random import Random

import msgspec
import trio

from gmbot.api.backoff import Backoff
from gmbot.api.client import BotApi
from gmbot.api.errors import ApiError, Conflict, RetryAfter, ServerUnavailable, Unauthorized
from gmbot.api.records import MalformedUpdate, Observer, SourceEvent, SourceRecord, ignore
from gmbot.api.source import Received, Sink, read_update
from gmbot.api.types import ALLOWED_UPDATES
from gmbot.api.watermark import Watermark

# Seconds a question stays open, and updates an answer holds (core.telegram.org/bots/api#getupdates:
# at most 50 and 100).
POLL_TIMEOUT = 50
BATCH = 100

# Seconds to wait for a whole batch before asking for more while some of it is still in hand. An
# answer repeats all that follows the first open update, so asking at once would be wasteful.
LINGER = 0.2

# Seconds after which a question has surely reached the server, which then forgets what is done.
HEARD = 0.5

# After a failure or a conflict: 1 s at first, doubling up to 30 s.
_PAUSE = Backoff(base=1.0, maximum=30.0, jitter=0.25)


class Polling:
    """Fetches updates and hands them to a sink, in order."""

    def __init__(
        self, api: BotApi, sink: Sink, *, random: Random, observe: Observer = ignore
    ) -> None:
        self._api = api
        self._sink = sink
        self._random = random
        self._observe = observe
        self._watermark = Watermark()
        self._asked: int | None = None  # the offset of the last question that may have been heard
        self._asked_at = -inf
        self._moved = trio.Event()
        self._troubles = 0
        self._last_trouble: SourceEvent | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Poll until cancelled. Raises Unauthorized where the token is refused."""
        await self._delete_webhook()
        self._observe(SourceRecord(SourceEvent.STARTED, "polling"))
        task_status.started()
        try:
            await self._poll()
        finally:
            self._observe(SourceRecord(SourceEvent.STOPPED))

    async def _poll(self) -> None:
        while True:
            try:
                raws = await self._ask()
            except Unauthorized:
                raise
            except ApiError as error:
                await self._rest(error)
            else:
                await self._hand_over([read_update(raw) for raw in raws])

    async def wait_heard(self) -> None:
        """Wait until the question under way has reached the server, before `run` is cut off.

        Cut off earlier, it might have told nothing, and could not be asked again. Under load there
        is always a new one: then this gives up after a second, and `confirm` does what it can.
        """
        with trio.move_on_after(2 * HEARD):
            while (left := self._asked_at + HEARD - trio.current_time()) > 0:  # noqa: ASYNC110 - time itself is waited for
                await trio.sleep(left)

    async def confirm(self) -> None:
        """Tell the server what is done, with a last short question. For after `run` has ended.

        Raises an ApiError where that fails: then the same updates come again at the next start.
        """
        offset = self._watermark.offset
        if offset is not None and offset != self._asked:
            self._asked = offset
            await self._api.get_updates(
                offset=offset, limit=1, timeout=0, allowed_updates=ALLOWED_UPDATES
            )

    async def _delete_webhook(self) -> None:
        while True:
            try:
                if (await self._api.get_webhook_info()).url:
                    await self._api.delete_webhook(drop_pending_updates=False)
                    self._observe(SourceRecord(SourceEvent.WEBHOOK_DELETED))
            except Unauthorized:
                raise
            except ApiError as error:
                await self._rest(error)
            else:
                return self._recovered()

    async def _ask(self) -> list[msgspec.Raw]:
        before, self._asked = self._asked, self._watermark.offset
        self._asked_at = trio.current_time()
        # After a failure a short question tells at once whether all is well again. After a conflict
        # only a long one does: it is the waiting one that another poller ends.
        is_short = self._last_trouble is SourceEvent.FAILING
        try:
            return await self._api.get_updates(
                offset=self._asked,
                limit=BATCH,
                timeout=0 if is_short else POLL_TIMEOUT,
                allowed_updates=ALLOWED_UPDATES,
            )
        except ApiError:
            self._asked = before  # one that is cut off by a stop was heard, one that fails was not
            raise

    async def _hand_over(self, answer: list[Received | MalformedUpdate]) -> None:
        ids = [_id_of(item) for item in answer]
        known = [i for i in ids if i is not None]
        if known or not answer:
            self._recovered()
        fresh = set(self._watermark.admit(known))
        for item, update_id in zip(answer, ids, strict=True):
            if isinstance(item, MalformedUpdate):
                if update_id is None or update_id in fresh:
                    self._observe(item)
            elif update_id not in fresh:
                continue
            elif not self._sink.decide(item.update):
                await self._sink.accept(item, partial(self._done, update_id))
                continue
            if update_id is not None:
                self._watermark.done(update_id)
        if known:
            await self._wait_moved(first=min(known))
        elif answer:
            # Nothing here can be confirmed: asking at once would only bring it again.
            await self._rest(ServerUnavailable("getUpdates", HTTPStatus.OK, "updates without id"))

    def _done(self, update_id: int) -> None:
        self._watermark.done(update_id)
        self._moved.set()

    async def _wait_moved(self, *, first: int) -> None:
        with trio.move_on_after(LINGER):
            while self._watermark.open:
                await self._wait_done()
        # The answer begins above the offset where another poller took what lay between.
        while self._watermark.open and self._watermark.offset in (self._asked, first):
            await self._wait_done()

    async def _wait_done(self) -> None:
        await self._moved.wait()
        self._moved = trio.Event()

    async def _rest(self, error: ApiError) -> None:
        """Say once what is wrong and pause, longer each time; a 429 exactly as told."""
        event = SourceEvent.CONFLICT if isinstance(error, Conflict) else SourceEvent.FAILING
        if event is not self._last_trouble:
            self._last_trouble = event
            self._observe(SourceRecord(event, error.detail))
        if isinstance(error, RetryAfter):
            await trio.sleep(error.retry_after)
        else:
            await trio.sleep(_PAUSE.delay(self._troubles, self._random))
        self._troubles += 1

    def _recovered(self) -> None:
        self._troubles = 0
        if self._last_trouble is not None:
            self._last_trouble = None
            self._observe(SourceRecord(SourceEvent.RESUMED))


def _id_of(item: Received | MalformedUpdate) -> int | None:
    return item.update.update_id if isinstance(item, Received) else item.update_id
