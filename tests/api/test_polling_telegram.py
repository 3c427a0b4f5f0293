"""Long polling over real sockets, from a simulated Telegram."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from random import Random

import pytest
import trio

from gmbot.api.backoff import Backoff
from gmbot.api.breaker import Breaker, BreakerPolicy
from gmbot.api.client import BotApi
from gmbot.api.errors import Unauthorized
from gmbot.api.limiter import Limiter, Limits
from gmbot.api.polling import Polling
from gmbot.api.records import MalformedUpdate, Record, SourceEvent, SourceRecord
from gmbot.api.source import Received
from gmbot.api.transport import TRANSPORTS, open_transport
from gmbot.api.types import Update
from gmbot.config import Secret
from gmbot.sandbox.faults import Fault
from gmbot.sandbox.queue import UpdateQueue
from gmbot.sandbox.telegram import Telegram

PATIENCE = 10.0  # seconds; a test takes a fraction of one, or a rest of a second


class Taker:
    """A sink that is done with each update at once, but for texts that are held."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.held: set[str] = set()
        self.open: dict[str, Callable[[], None]] = {}
        self._changed = trio.Event()

    def decide(self, update: Update) -> bool:
        return update.message is None or update.message.text is None

    async def accept(self, received: Received, done: Callable[[], None]) -> None:
        message = received.update.message
        assert message is not None
        assert message.text is not None
        self.texts.append(message.text)
        if message.text in self.held:
            self.open[message.text] = done
        else:
            done()
        self._changed.set()
        self._changed = trio.Event()
        await trio.lowlevel.checkpoint()

    async def wait_taken(self, count: int) -> None:
        while len(self.texts) < count:
            await self._changed.wait()


class Bot:
    """A poller with its taker and what it told."""

    def __init__(self, api: BotApi) -> None:
        self.api = api
        self.taker = Taker()
        self.records: list[Record] = []
        self.polling = Polling(api, self.taker, random=Random(1), observe=self.records.append)

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            await nursery.start(self.polling.run)
            yield
            nursery.cancel_scope.cancel()

    @property
    def events(self) -> list[SourceEvent]:
        return [record.event for record in self.records if isinstance(record, SourceRecord)]


class Town:
    """Anna writes in a group that the bot sees; who listens hears each question arrive."""

    def __init__(self, telegram: Telegram, monkeypatch: pytest.MonkeyPatch) -> None:
        self.telegram = telegram
        self.anna = telegram.world.person("Anna")
        self.group = telegram.world.supergroup("Group", creator=self.anna, admins=[telegram.bot])
        telegram.outlet().queue.clear()  # that the bot was added
        self._asked = trio.Event()
        self._start = self.queue.start
        monkeypatch.setattr(self.queue, "start", self._note_question)

    def write(self, *numbers: int) -> list[str]:
        texts = [f"text {number}" for number in numbers]
        for text in texts:
            self.anna.write(self.group, text)
        return texts

    @property
    def queue(self) -> UpdateQueue:
        return self.telegram.outlet().queue

    async def wait_confirmed(self) -> None:
        while self.queue.pending_count:
            await self._asked.wait()

    def _note_question(self, offset: int) -> int:
        begin = self._start(offset)
        self._asked.set()
        self._asked = trio.Event()
        return begin


@pytest.fixture
def town(telegram: Telegram, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    yield Town(telegram, monkeypatch)
    assert telegram.outlet().poll.offset_repeats == 0


@asynccontextmanager
async def bot_of(
    telegram: Telegram, *, transport: str = "httpx", token: str | None = None
) -> AsyncIterator[Bot]:
    limiter = Limiter(Limits(messages=0, group_messages=0, calls=0))
    async with (
        open_transport(
            transport,
            base_url=telegram.base_url,
            token=Secret(token or telegram.token),
            connections=1,
        ) as wire,
        trio.open_nursery() as nursery,
    ):
        await nursery.start(limiter.run)
        yield Bot(
            BotApi(
                wire,
                limiter=limiter,
                breaker=Breaker("polling", BreakerPolicy()),
                random=Random(1),
                backoff=Backoff(attempts=0),
            )
        )
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("transport", list(TRANSPORTS))
async def test_a_thousand_updates_arrive_each_once_and_in_order(
    town: Town, telegram: Telegram, transport: str
) -> None:
    with trio.fail_after(PATIENCE):
        async with bot_of(telegram, transport=transport) as bot:
            texts = town.write(*range(500))
            async with bot.at_work():
                texts += town.write(*range(500, 1000))
                await bot.taker.wait_taken(1000)
                await town.wait_confirmed()

    assert bot.taker.texts == texts
    assert bot.events == [SourceEvent.STARTED, SourceEvent.STOPPED]


async def test_a_slow_update_in_the_middle_does_not_stop_the_others(
    town: Town, telegram: Telegram
) -> None:
    with trio.fail_after(PATIENCE):
        async with bot_of(telegram) as bot:
            bot.taker.held = {"text 50"}
            texts = town.write(*range(140))
            async with bot.at_work():
                await bot.taker.wait_taken(140)
                assert town.queue.pending[0].delivered > 0
                assert b"text 50" in town.queue.pending[0].body

                bot.taker.open["text 50"]()
                await town.wait_confirmed()

    assert bot.taker.texts == texts


async def test_what_was_not_done_comes_again_after_a_restart(
    town: Town, telegram: Telegram
) -> None:
    texts = town.write(*range(10))
    with trio.fail_after(PATIENCE):
        async with bot_of(telegram) as first:
            first.taker.held = set(texts[4:])
            async with first.at_work():
                await first.taker.wait_taken(10)
            await first.polling.confirm()

        async with bot_of(telegram) as second, second.at_work():
            await second.taker.wait_taken(6)
            await town.wait_confirmed()

    assert first.taker.texts == texts
    assert second.taker.texts == texts[4:]


async def test_without_a_word_at_the_end_all_of_it_comes_again(
    town: Town, telegram: Telegram
) -> None:
    texts = town.write(*range(10))
    with trio.fail_after(PATIENCE):
        async with bot_of(telegram) as first:
            first.taker.held = {texts[0]}
            async with first.at_work():
                await first.taker.wait_taken(10)

        async with bot_of(telegram) as second, second.at_work():
            await second.taker.wait_taken(10)
            await town.wait_confirmed()

    assert second.taker.texts == texts
    # The server cannot tell the second from the first, which died with its answer unconfirmed.
    assert telegram.outlet().poll.offset_repeats == 1
    telegram.outlet().poll.offset_repeats = 0


async def test_what_was_done_and_confirmed_at_the_end_does_not_come_again(
    town: Town, telegram: Telegram
) -> None:
    texts = town.write(*range(10))
    with trio.fail_after(PATIENCE):
        async with bot_of(telegram) as first:
            first.taker.held = set(texts)
            async with first.at_work():
                await first.taker.wait_taken(10)
            for done in first.taker.open.values():
                done()
            await first.polling.confirm()
            assert town.queue.pending_count == 0

        more = town.write(10)
        async with bot_of(telegram) as second, second.at_work():
            await second.taker.wait_taken(1)
            await town.wait_confirmed()

    assert second.taker.texts == more


async def test_ids_may_start_anew_again_and_again(town: Town, telegram: Telegram) -> None:
    texts = []
    starts = []
    with trio.fail_after(PATIENCE):
        async with bot_of(telegram) as bot, bot.at_work():
            for round_ in range(8):
                town.queue.renumber()
                starts.append(town.queue.head)
                texts += town.write(*range(round_ * 10, round_ * 10 + 3))
                await bot.taker.wait_taken(len(texts))
                await town.wait_confirmed()

    assert bot.taker.texts == texts
    assert starts not in (sorted(starts), sorted(starts, reverse=True))  # higher and lower


async def test_a_surrogate_and_a_malformed_update_cost_only_themselves(
    town: Town, telegram: Telegram
) -> None:
    telegram.faults.add(Fault.surrogate(), method="getUpdates", times=1)
    malformed = telegram.faults.add(Fault.malformed(), method="getUpdates", times=1)
    town.write(0)
    with trio.fail_after(PATIENCE):
        async with bot_of(telegram) as bot, bot.at_work():
            await bot.taker.wait_taken(1)
            await town.wait_confirmed()
            town.write(1)
            await town.wait_confirmed()
            town.write(2)
            await bot.taker.wait_taken(2)
            await town.wait_confirmed()

    assert malformed.fired == 1
    assert bot.taker.texts == ["text 0?", "text 2"]
    lost = [record for record in bot.records if isinstance(record, MalformedUpdate)]
    assert len(lost) == 1
    assert lost[0].update_id is not None


async def test_a_webhook_is_deleted_at_the_start_without_dropping_what_waits(
    town: Town, telegram: Telegram
) -> None:
    with trio.fail_after(PATIENCE):
        async with bot_of(telegram) as bot:
            await bot.api.call("setWebhook", {"url": "http://127.0.0.1:1/hook"}, bool)
            texts = town.write(1, 2)
            async with bot.at_work():
                await bot.taker.wait_taken(2)
                await town.wait_confirmed()

    assert bot.taker.texts == texts
    assert bot.events == [SourceEvent.WEBHOOK_DELETED, SourceEvent.STARTED, SourceEvent.STOPPED]


async def test_another_poller_is_said_once_and_waited_out(town: Town, telegram: Telegram) -> None:
    rule = telegram.faults.add(Fault.conflict(), method="getUpdates", times=1)
    with trio.fail_after(PATIENCE):
        async with bot_of(telegram) as bot, bot.at_work():
            texts = town.write(1)
            await bot.taker.wait_taken(1)
            await town.wait_confirmed()

    assert rule.fired == 1
    assert bot.taker.texts == texts
    assert bot.events == [
        SourceEvent.STARTED,
        SourceEvent.CONFLICT,
        SourceEvent.RESUMED,
        SourceEvent.STOPPED,
    ]


async def test_a_wrong_token_ends_it(town: Town, telegram: Telegram) -> None:
    with trio.fail_after(PATIENCE):
        async with bot_of(telegram, token=f"{telegram.bot.id}:wrong") as bot:
            with pytest.raises(Unauthorized) as caught:
                await bot.polling.run()

    assert "wrong" not in str(caught.value)
