"""The simulated Telegram as a whole: a world of people and chats behind a Bot API server.

::

    async with trio.open_nursery() as nursery:
        telegram = Telegram()
        await nursery.start(telegram.serve)
        ...  # a bot with `telegram.token` talks to `telegram.base_url`
"""

import functools
import ssl
import time
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import trio

from gmbot.sandbox.calls import Call, CallLog, Violation
from gmbot.sandbox.delivery import DeliveryOptions
from gmbot.sandbox.exchange import Exchange
from gmbot.sandbox.faults import Faults
from gmbot.sandbox.flood import FloodLimits
from gmbot.sandbox.outlet import Outlet
from gmbot.sandbox.replies import Reply
from gmbot.sandbox.schema import bot_api
from gmbot.sandbox.server import IDLE, Request, Server
from gmbot.sandbox.world import World


class Telegram:
    """A Bot API server with a world behind it, for one bot (`bot`, `token`) or more.

    `strict` checks all that passes against the schema; without it the server is faster. `local`
    behaves as a server of one's own: webhooks may be http, anywhere. `latency` is the least time
    of a call, in seconds. The last `keep_calls` calls are kept.

    Made inside trio: its unix time is trio's clock, set to the present when it is made.
    """

    def __init__(
        self,
        *,
        random: Random | None = None,
        strict: bool = True,
        local: bool = False,
        latency: float = 0.0,
        keep_calls: int = 10_000,
        flood: FloodLimits | None = None,
        delivery: DeliveryOptions | None = None,
        idle: float = IDLE,
    ) -> None:
        self._started = time.time() - trio.current_time()
        self.random = random or Random()  # noqa: S311  # ids and jitter of a simulation
        self.world = World(clock=self.now, on_update=self._on_update, random=self.random)
        self.bot = self.world.bot("Guard", "guard_bot")
        self.token = self.bot.token
        self.exchange = Exchange(
            self.world,
            CallLog(keep_calls),
            FloodLimits() if flood is None else flood,
            outlet=self.outlet,
            strict=strict,
            latency=latency,
        )
        self.server = Server(self.exchange.answer, idle=idle)
        self._local = local
        self._delivery = delivery or DeliveryOptions()
        self._outlets: dict[int, Outlet] = {}
        self._nursery: trio.Nursery | None = None
        self._base_url = ""

    async def serve(
        self,
        *,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve on loopback until cancelled; reports the base URL once connections are taken."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            host, bound = await nursery.start(
                functools.partial(self.server.run, port=port, tls=tls)
            )
            self._base_url = f"http{'s' if tls else ''}://{host}:{bound}"
            task_status.started(self._base_url)

    @property
    def base_url(self) -> str:
        """Where the server listens, such as `http://127.0.0.1:4321`."""
        return self._base_url

    def now(self) -> float:
        """Return the unix time of this world."""
        return self._started + trio.current_time()

    @property
    def faults(self) -> Faults:
        """Bad luck, on demand."""
        return self.exchange.faults

    @property
    def flood(self) -> FloodLimits:
        """The limits that are answered with 429, and how the bot keeps to them."""
        return self.exchange.flood

    @property
    def violations(self) -> list[Violation]:
        """What broke the schema: requests of a bot, and answers and updates of this package."""
        return self.exchange.violations

    @property
    def log(self) -> CallLog:
        """The log of calls, with exact counters by method."""
        return self.exchange.log

    @property
    def calls(self) -> list[Call]:
        """The calls that ended, oldest first."""
        return list(self.log)

    def calls_of(self, method: str) -> list[Call]:
        """The calls of one method that ended, oldest first."""
        return [call for call in self.log if call.method == method]

    async def wait_call(self, predicate: Callable[[Call], bool], *, after: int = 0) -> Call:
        """Return the first call that fits, past or to come, numbered above `after`."""
        return await self.log.wait_call(predicate, after=after)

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds; looked at as calls come and end, and webhooks deliver."""
        await self.log.wait_until(condition)

    async def ask(self, method: str, body: bytes = b"{}", *, token: str | None = None) -> Reply:
        """Answer a JSON request with no wire between, so that time may be virtual."""
        path = f"/bot{token or self.token}/{method}"
        reply = await self.exchange.answer(Request("POST", path, "", "application/json", body))
        if reply.sent is not None:
            reply.sent()
        return reply

    def outlet(self, bot_id: int | None = None) -> Outlet:
        """Return where the updates of a bot (by default, of `bot`) come out."""
        bot_id = self.bot.id if bot_id is None else bot_id
        if bot_id not in self._outlets:
            self._outlets[bot_id] = Outlet(
                bot_api().update_kinds,
                clock=self.now,
                random=self.random,
                local=self._local,
                options=self._delivery,
                start=self._start_soon,
                on_attempt=self.log.changed,
            )
        return self._outlets[bot_id]

    def inject(self, kind: str, payload: dict[str, Any], bot_id: int | None = None) -> None:
        """Send an update that no world would make, unchecked: junk, new kinds, wrong types."""
        self.outlet(bot_id).put(kind, payload, anyway=True)

    def _on_update(self, bot_id: int, kind: str, payload: dict[str, Any]) -> None:
        self.exchange.check_update(kind, payload)
        self.outlet(bot_id).put(kind, payload)

    def _start_soon(self, function: Callable[[], Awaitable[None]]) -> None:
        if self._nursery is None:
            raise RuntimeError("a webhook needs a server that runs")
        self._nursery.start_soon(function)
