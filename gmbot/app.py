"""The composition root: opens everything, and every long nursery, nested in order of life.

::

    lifetime   sidecar, signals, heartbeat
    └ storage, transports, limiter
      └ work     flows, notices, stored updates
        └ source   long polling

Stopping goes the other way: the source first, then a deadline for the work, then the rest.
"""

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from random import Random
from uuid import uuid4

import structlog
import trio

from gmbot.api.backoff import Backoff
from gmbot.api.breaker import Breaker, BreakerPolicy, State
from gmbot.api.client import METHODS, BotApi
from gmbot.api.errors import ApiError, Unauthorized
from gmbot.api.limiter import Limiter, Limits
from gmbot.api.polling import Polling
from gmbot.api.records import MigrationRecord, Record
from gmbot.api.transport import open_transport
from gmbot.api.types import User
from gmbot.config import Config, PostgresUrl, Source
from gmbot.coordination.pending import PendingUpdates
from gmbot.flows import service
from gmbot.guard.guard import Guard
from gmbot.storage.errors import StorageError
from gmbot.storage.protocol import Storage
from gmbot.storage.records import QueryRecord
from gmbot.storage.sqlite import open_sqlite
from gmbot.telemetry import events
from gmbot.telemetry.health import Health
from gmbot.telemetry.metrics import Metrics
from gmbot.telemetry.sidecar import run_sidecar

# Connections to the Bot API: one request at a time each, and a look-up takes some 50 ms.
CONNECTIONS = 64

# Seconds. With polling a stop ends within 10: 1 at most for the last question to be heard, 5 for
# the flows at work, 2 to tell Telegram what is done, 1 to close the database, and a reserve.
DRAIN = 5.0
CONFIRM = 2.0

HEARTBEAT = 1.0  # seconds between two beats and looks at the dependencies
PING_DEADLINE = 2.0  # seconds for the database to answer one

# While Telegram cannot be reached at the start: 1 s at first, doubling up to 30 s.
_START_AGAIN = Backoff(base=1.0, maximum=30.0, jitter=0.25)

# The database's breaker as in the reference design; the API's begins at 1 s, since 30 s of rest
# would blind the guard.
_DATABASE_POLICY = BreakerPolicy(failures=3, successes=2, rest=30.0, max_rest=30.0)
_API_POLICY = BreakerPolicy(failures=3, successes=2, rest=1.0, max_rest=30.0)
# Of long polling one success closes it: on a quiet day the second would come 50 s later.
_POLL_POLICY = BreakerPolicy(failures=3, successes=1, rest=1.0, max_rest=30.0)

QUERIES = tuple(name for name in vars(Storage) if not name.startswith("_"))

log = structlog.get_logger()


async def run(config: Config) -> None:
    """Run the bot until SIGTERM or SIGINT, then drain.

    Raises Unauthorized where the token is refused, StorageError where the database cannot be
    opened, PortUnavailable where the sidecar's cannot be bound; each may come in a group.
    """
    app = App(config)
    async with trio.open_nursery() as lifetime:
        stop = trio.Event()
        await lifetime.start(_listen, app, stop, lifetime.cancel_scope, name="signals")
        bound = await lifetime.start(_sidecar, app, name="sidecar")
        log.info(events.SIDECAR_STARTED, address=str(bound))
        lifetime.start_soon(app.beat, name="heartbeat")
        async with app.open_storage() as storage, app.open_api() as (api, poll_api):
            me = await app.greet(api)
            await app.serve(me, storage, api, poll_api, stop)
        lifetime.cancel_scope.cancel()
    log.info(events.BOT_STOPPED)


class App:
    """What is made once, for one process."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.random = Random()  # noqa: S311 - jitter, not secrets
        self.metrics = Metrics(
            methods=METHODS, queries=QUERIES, breakers=("api", "polling", "database")
        )
        self.health = Health(
            now=trio.current_time(), required=("database",), optional=("telegram",)
        )
        self.database_breaker = Breaker("database", _DATABASE_POLICY, observe=self.observe)
        self.api_breaker = Breaker("api", _API_POLICY, observe=self.observe)
        self.poll_breaker = Breaker("polling", _POLL_POLICY, observe=self.observe)
        self._storage: Storage | None = None
        self._guard: Guard | None = None
        self._is_greeted = False
        self._database_trouble: str | None = None
        self.is_serving = False  # from then on a stop has something to drain

    def observe(self, record: Record) -> None:
        """Turn what the client tells into metrics and log lines."""
        self.metrics.observe_record(record)
        events.log_record(record)
        if isinstance(record, MigrationRecord) and self._guard is not None:
            self._guard.follow(record.chat_id, record.new_chat_id)

    def observe_query(self, record: QueryRecord) -> None:
        """Count a query of the storage."""
        self.metrics.query(record.query, record.took)

    @asynccontextmanager
    async def open_storage(self) -> AsyncIterator[Storage]:
        """Open the database that the configuration names. Raises StorageError."""
        database = self.config.database
        if isinstance(database, PostgresUrl):
            raise TypeError("see unsupported()")
        async with open_sqlite(
            str(database.path), observe=self.observe_query, breaker=self.database_breaker
        ) as storage:
            self._storage = storage
            try:
                yield storage
            finally:
                self._storage = None

    @asynccontextmanager
    async def open_api(self) -> AsyncIterator[tuple[BotApi, BotApi]]:
        """Open the Bot API twice: long polling has a connection and a breaker of its own."""
        rates = self.config.rates
        limiter = Limiter(Limits(rates.messages, rates.group_messages, rates.calls))
        async with AsyncExitStack() as stack, trio.open_nursery() as service:
            await service.start(limiter.run, name="limiter")
            api = await self._api(stack, limiter, self.api_breaker, connections=CONNECTIONS)
            # Polling has its own way to rest and go on, so its calls are never repeated below it.
            poll_api = await self._api(
                stack, limiter, self.poll_breaker, connections=1, backoff=Backoff(attempts=0)
            )
            yield api, poll_api
            service.cancel_scope.cancel()

    async def _api(
        self,
        stack: AsyncExitStack,
        limiter: Limiter,
        breaker: Breaker,
        *,
        connections: int,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
    ) -> BotApi:
        transport = await stack.enter_async_context(
            open_transport(
                self.config.http_transport,
                base_url=self.config.bot_api_url,
                token=self.config.bot_token,
                connections=connections,
            )
        )
        return BotApi(
            transport,
            limiter=limiter,
            breaker=breaker,
            random=self.random,
            backoff=backoff,
            observe=self.observe,
        )

    async def greet(self, api: BotApi) -> User:
        """Ask who we are, for as long as it takes. Raises Unauthorized."""
        attempt = 0
        while True:
            try:
                me = await api.get_me()
            except Unauthorized:
                raise
            except ApiError as error:
                log.warning(events.TELEGRAM_UNREACHABLE, reason=error.detail)
                await trio.sleep(_START_AGAIN.delay(attempt, self.random))
                attempt += 1
            else:
                self._is_greeted = True
                return me

    async def serve(
        self, me: User, storage: Storage, api: BotApi, poll_api: BotApi, stop: trio.Event
    ) -> None:
        """Guard groups until `stop`, then drain."""
        async with trio.open_nursery() as work:
            instance = uuid4().hex
            guard = self._guard = Guard(
                me,
                api,
                storage,
                work,
                instance=instance,
                metrics=self.metrics,
                random=self.random,
            )
            self.is_serving = True
            dispatch = await service.start(guard, PendingUpdates(storage, instance=instance), work)
            polling = Polling(poll_api, dispatch, random=self.random, observe=self.observe)
            async with trio.open_nursery() as source:
                source.start_soon(polling.run, name="polling")
                self.health.ready = True
                log.info(events.BOT_STARTED, username=me.username, groups=guard.policies.active)
                await stop.wait()
                log.info(events.BOT_STOPPING, at_work=dispatch.at_work)
                self.health.ready = False
                await polling.wait_heard()
                source.cancel_scope.cancel()
            with trio.move_on_after(DRAIN):
                await dispatch.drain()
            with trio.move_on_after(CONFIRM), suppress(ApiError):
                await polling.confirm()
            work.cancel_scope.cancel()

    async def beat(self) -> None:
        """Show that the loop turns, and look at what the bot depends on."""
        while True:
            self.health.beat(trio.current_time())
            reached = self._is_greeted and self.poll_breaker.state is State.CLOSED
            self.health.set("telegram", ok=reached)
            if self._storage is not None:
                await self._ping(self._storage)
            if self._guard is not None:
                self.metrics.active_groups(self._guard.policies.active)
            await trio.sleep(HEARTBEAT)

    async def _ping(self, storage: Storage) -> None:
        began = trio.current_time()
        trouble: str | None = "no answer in time"
        with trio.move_on_after(PING_DEADLINE):
            try:
                await storage.ping()
            except StorageError as error:
                trouble = str(error)
            else:
                trouble = None
        ok = trouble is None
        self.health.set("database", ok=ok, latency=trio.current_time() - began)
        self.metrics.database_connected(ok)
        if ok and self._database_trouble:
            log.info(events.DATABASE_REGAINED)
        elif trouble and not self._database_trouble:
            log.warning(events.DATABASE_LOST, reason=trouble)
        self._database_trouble = trouble


def unsupported(config: Config) -> tuple[str, ...]:
    """Return what this version cannot do yet, of what the configuration asks for."""
    problems = []
    if isinstance(config.database, PostgresUrl):
        problems.append("DATABASE_URL names PostgreSQL: this version keeps SQLite, use sqlite:///…")
    if config.source is Source.WEBHOOK:
        problems.append("WEBHOOK_URL is set: this version polls, leave it away")
    return tuple(problems)


class PortUnavailable(Exception):
    """The sidecar's address cannot be bound; the text says which and why."""


async def _sidecar(app: App, *, task_status: trio.TaskStatus[object]) -> None:
    try:
        await run_sidecar(
            app.config.sidecar_bind, health=app.health, metrics=app.metrics, task_status=task_status
        )
    except OSError as error:
        raise PortUnavailable(f"SIDECAR_BIND: {error}") from error


async def _listen(
    app: App,
    stop: trio.Event,
    everything: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Set `stop` on the first signal; on the second, or before the bot serves, stop at once."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for _ in signals:
            if stop.is_set() or not app.is_serving:
                everything.cancel()
            stop.set()
