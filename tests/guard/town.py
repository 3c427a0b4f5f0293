"""A guarded group to try the bot in: the world of the simulated Telegram, the bot wired as always.

Without sockets and threads, so that time can be virtual: requests go straight to the simulated
server's exchange, and SQLite runs in trio's own thread, with the SQL and the rows of the real one.
"""

import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, TypeVar, cast

import msgspec
import trio
from trio.testing import wait_all_tasks_blocked

from gmbot.api.backoff import Backoff
from gmbot.api.breaker import Breaker, BreakerPolicy
from gmbot.api.client import METHODS, BotApi
from gmbot.api.errors import NetworkFailure
from gmbot.api.limiter import Limiter, Limits
from gmbot.api.polling import Polling
from gmbot.api.records import MigrationRecord, Record
from gmbot.api.source import Received, read_update
from gmbot.api.transport import Answer, Transport
from gmbot.coordination.pending import PendingUpdates
from gmbot.flows import service
from gmbot.flows.dispatch import Dispatch
from gmbot.guard.guard import Guard
from gmbot.guard.notices import Board
from gmbot.sandbox.chats import Chat, Message, Press
from gmbot.sandbox.people import Person
from gmbot.sandbox.server import Request
from gmbot.sandbox.telegram import Telegram
from gmbot.storage.errors import StorageError, StorageUnavailable
from gmbot.storage.protocol import Storage
from gmbot.storage.records import Channel, Group, Owner, Restriction
from gmbot.storage.schema import statements
from gmbot.storage.sqlite import SqliteStorage
from gmbot.storage.sqlite_connection import SqliteFile
from gmbot.storage.sqlite_worker import Work, Workers
from gmbot.telemetry.metrics import Metrics

T = TypeVar("T")

NO_LIMITS = Limits(0, 0, 0)

# What is asked all the time, whatever happens.
NOISE = {
    "getUpdates",
    "getWebhookInfo",
    "claim_updates",
    "claim_jobs",
    "extend_claims",
    "save_sightings",
    "forget_sightings",
    "forget_join_requests",
    "forget_effects",
}
JOINED = "I have joined"


class InlineStorage(SqliteStorage):
    """SQLite in memory and in this thread; `away` and `refuse` make it fail, `asked` remembers."""

    def __init__(self, wall: Callable[[], float], timeline: list[str]) -> None:
        # No super().__init__(): it starts the threads.
        self._file = SqliteFile(":memory:", busy_timeout=0)
        self._wall = wall
        self._writer = self._readers = cast("Workers", None)
        # Closed by whichever thread the garbage collector happens to run in.
        self.db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self.db.execute("PRAGMA foreign_keys = ON")
        for statement in statements():
            self.db.execute(statement)
        self.timeline = timeline
        self.away = False
        self.refuse: dict[str, StorageError] = {}
        self.after: dict[str, Callable[[], Awaitable[object]]] = {}

    async def _ask(self, query: str, workers: Workers, work: Work[T]) -> T:
        await trio.lowlevel.checkpoint()
        if self.away:
            raise StorageUnavailable("the database is away")
        if query in self.refuse:
            raise self.refuse.pop(query)
        self.timeline.append(query)
        try:
            result = work(self.db)
        except Exception as error:
            raise self._file.translate(error)[0] from error
        if query in self.after:
            await self.after.pop(query)()
        return result

    def __del__(self) -> None:
        self.db.close()

    def rows(self, table: str) -> list[tuple[Any, ...]]:
        return self.db.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - names of ours


class Direct(Transport):
    """Requests that skip the network."""

    def __init__(self, telegram: Telegram, timeline: list[str]) -> None:
        self._telegram = telegram
        self._timeline = timeline

    async def post(self, method: str, body: bytes, *, read_timeout: float) -> Answer:
        await trio.lowlevel.checkpoint()
        self._timeline.append(method)
        path = f"/bot{self._telegram.token}/{method}"
        request = Request("POST", path, "", "application/json", body)
        with trio.move_on_after(read_timeout):
            reply = await self._telegram.exchange.answer(request)
            if reply.cut is None:
                if reply.sent is not None:
                    reply.sent()
                return Answer(reply.status, reply.body)
        raise NetworkFailure(method, "read failed", sent=True)

    async def aclose(self) -> None:
        pass


class Bot:
    """One run of the bot, wired as app.py does it."""

    def __init__(
        self,
        telegram: Telegram,
        storage: Storage,
        transport: Transport,
        *,
        limits: Limits = NO_LIMITS,
        instance: str = "one",
    ) -> None:
        self.telegram = telegram
        self.storage = storage
        self.transport = transport
        self.limiter = Limiter(limits)
        self.random = Random(3)
        self.metrics = Metrics(methods=METHODS, queries=())
        self.api = self._api(Backoff())
        self.instance = instance
        self.pending = PendingUpdates(storage, instance=instance, now=telegram.now)
        self.work: trio.Nursery
        self.guard: Guard
        self.board: Board
        self.dispatch: Dispatch
        self.polling: Polling
        self._life: trio.CancelScope

    def _api(self, backoff: Backoff) -> BotApi:
        return BotApi(
            self.transport,
            limiter=self.limiter,
            breaker=Breaker("api", BreakerPolicy()),
            random=self.random,
            backoff=backoff,
            observe=self._observe,
        )

    def _observe(self, record: Record) -> None:
        if isinstance(record, MigrationRecord):
            self.guard.follow(record.chat_id, record.new_chat_id)

    async def run(
        self, *, poll: bool = True, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        async with trio.open_nursery() as life, trio.open_nursery() as work:
            self._life, self.work = life.cancel_scope, work
            await life.start(self.limiter.run)
            self.guard = Guard(
                await self.api.get_me(),
                self.api,
                self.storage,
                work,
                instance=self.instance,
                metrics=self.metrics,
                random=self.random,
                now=self.telegram.now,
            )
            self.board = self.guard.board
            self.dispatch = await service.start(self.guard, self.pending, work)
            self.polling = Polling(self._api(Backoff(attempts=0)), self.dispatch, random=Random(4))
            if poll:
                work.start_soon(self.polling.run, name="polling")
            task_status.started()

    def kill(self) -> None:
        self._life.cancel()


class Town:
    """Anna owns the group and the channel, Mia moderates, Max is in both, Sue is a stranger."""

    def __init__(self, telegram: Telegram, *, channels: int = 1) -> None:
        self.telegram = telegram
        world = self.world = telegram.world
        self.anna = world.person("Anna", username="anna_owner")
        self.mia = world.person("Mia")
        self.max = world.person("Max")
        self.sue = world.person("Sue")
        self.tim = world.person("Tim")
        self.group = world.supergroup(
            "Garden friends",
            creator=self.anna,
            members=[self.max, self.sue, self.tim],
            admins=[self.mia, telegram.bot],
        )
        self.channels = [
            world.channel(
                f"News {number}",
                username=f"news_{number}",
                creator=self.anna,
                members=[self.max],
                admins=[telegram.bot],
            )
            for number in range(channels)
        ]
        self.channel = self.channels[0]
        self.bot: Bot
        self.storage: Any
        self.nursery: trio.Nursery
        self.timeline: list[str] = []

    async def protect(self, storage: Storage, group: Chat | None = None) -> None:
        group = group or self.group
        await storage.protect(
            Owner(self.anna.id, self.anna.username),
            Group(group.id, self.anna.id, group.title),
            [Channel(chat.id, chat.title, chat.username, None) for chat in self.channels],
        )

    async def restart(self) -> None:
        """Kill the bot and start it again; the claims of the dead one end after 10 s."""
        self.bot.kill()
        await settle()
        transport = Direct(self.telegram, self.timeline)
        self.bot = Bot(self.telegram, self.storage, transport, instance="two")
        await self.nursery.start(self.bot.run)

    # Looking

    def is_muted(self, person: Person) -> bool:
        return not self.world.can_write(person, self.group)

    def notices(self) -> list[Message]:
        return [m for m in self.group.visible() if m.sender is self.telegram.bot and m.markup]

    @property
    def notice(self) -> Message:
        (notice,) = self.notices()
        return notice

    def said(self) -> list[str]:
        """What the bot said in the group and what still stands, notices left out."""
        return [
            message.text
            for message in self.group.visible()
            if message.sender is self.telegram.bot and not message.markup
        ]

    def count(self, method: str) -> int:
        return self.telegram.log.counts[method]

    async def held(self, person: Person) -> Restriction | None:
        found: Restriction | None = await self.storage.restriction(self.group.id, person.id)
        return found

    @contextmanager
    def no_calls(self) -> Iterator[None]:
        """Nothing but getUpdates may be called, and the database not be asked, in this block."""
        before, began = self._calls(), len(self.timeline)
        yield
        assert self._calls() == before
        assert set(self.timeline[began:]) <= NOISE

    @contextmanager
    def no_restrictions(self) -> Iterator[None]:
        """Nobody's standing may be changed, and no message deleted, in this block."""
        methods = ("restrictChatMember", "deleteMessage", "deleteMessages")
        deeds = [self.count(method) for method in methods]
        yield
        assert [self.count(method) for method in methods] == deeds

    @staticmethod
    def away() -> StorageUnavailable:
        return StorageUnavailable("gone for a moment")

    def _calls(self) -> dict[str, int]:
        return {m: n for m, n in self.telegram.log.counts.items() if m != "getUpdates"}

    def sent(self) -> list[str]:
        """What went out to the API and the database, in order, but for what is always asked."""
        return [event for event in self.timeline if event not in NOISE]


async def settle() -> None:
    """Wait until nobody has anything to do without time passing."""
    await wait_all_tasks_blocked()


async def pressed(person: Person, notice: Message, button: str = JOINED) -> Press:
    press = person.press(notice, button)
    await settle()
    return press


def last_update(telegram: Telegram, *, back: int = 1) -> Received:
    """Return an update as it was made, the last one or one further back."""
    entry = list(telegram.outlet().queue.history.values())[-back]
    received = read_update(msgspec.Raw(entry.body))
    assert isinstance(received, Received)
    return received


async def end_after(seconds: float) -> None:
    """Fail a test that waits for ever: with virtual time, the bot's own timers never rest."""
    await trio.sleep(seconds)
    raise trio.TooSlowError
