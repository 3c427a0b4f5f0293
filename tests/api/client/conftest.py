"""A Bot API on a wire that is scripted, in virtual time."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio

from gmbot.api.backoff import Backoff
from gmbot.api.breaker import Breaker, BreakerPolicy
from gmbot.api.client import BotApi
from gmbot.api.errors import NetworkFailure
from gmbot.api.limiter import Limiter, Limits
from gmbot.api.records import CallRecord, FreezeRecord, Record
from gmbot.api.transport import Answer

if TYPE_CHECKING:
    from trio.testing import MockClock

    Reply = Callable[[str], Answer]

UNLIMITED = Limits(messages=0, group_messages=0, calls=0)
PATIENT = BreakerPolicy(failures=1000)
SEED = 5
_TRUE: Any = True  # what most methods answer


class Sent(msgspec.Struct, frozen=True):
    """A request; `at` in seconds since the start."""

    at: float
    method: str
    params: dict[str, Any]
    read_timeout: float


class Say:
    """What a server can say to a request."""

    @staticmethod
    def ok(result: Any = _TRUE) -> Reply:
        return lambda _method: Answer(200, json.dumps({"ok": True, "result": result}).encode())

    @staticmethod
    def no(code: int, description: str = "words", **parameters: Any) -> Reply:
        told = {"parameters": parameters} if parameters else {}
        body = {"ok": False, "error_code": code, "description": description, **told}
        return lambda _method: Answer(code, json.dumps(body).encode())

    @staticmethod
    def html(status: int) -> Reply:
        return lambda _method: Answer(status, b"<html></html>")

    @staticmethod
    def nothing(*, sent: bool) -> Reply:
        def reply(method: str) -> Answer:
            raise NetworkFailure(method, "failed", sent=sent)

        return reply


class Wire:
    """A transport whose server says what is in `replies`, one after the other, and then `ok`."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.replies: list[Reply] = []
        self.latency = 0.0
        self._began = trio.current_time()

    async def post(self, method: str, body: bytes, *, read_timeout: float) -> Answer:
        at = trio.current_time() - self._began
        self.sent.append(Sent(at, method, json.loads(body), read_timeout))
        reply = self.replies.pop(0) if self.replies else Say.ok()
        await trio.sleep(self.latency)
        return reply(method)

    async def aclose(self) -> None:
        pass

    @property
    def times(self) -> list[float]:
        return [sent.at for sent in self.sent]


class Stack:
    """The client with all its parts and what it told its observer."""

    def __init__(self, limits: Limits, policy: BreakerPolicy, backoff: Backoff) -> None:
        self.wire = Wire()
        self.limiter = Limiter(limits)
        self.breaker = Breaker("api", policy)
        self.records: list[Record] = []
        self.api = BotApi(
            self.wire,
            limiter=self.limiter,
            breaker=self.breaker,
            random=Random(SEED),
            backoff=backoff,
            observe=self.records.append,
        )

    @property
    def calls(self) -> list[CallRecord]:
        return [record for record in self.records if isinstance(record, CallRecord)]

    @property
    def freezes(self) -> list[FreezeRecord]:
        return [record for record in self.records if isinstance(record, FreezeRecord)]


class OpenStack:
    """Makes stacks that live as long as the test."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery

    async def __call__(
        self,
        *,
        limits: Limits = UNLIMITED,
        policy: BreakerPolicy = PATIENT,
        backoff: Backoff = Backoff(),  # noqa: B008 - frozen
    ) -> Stack:
        stack = Stack(limits, policy, backoff)
        await self._nursery.start(stack.limiter.run)
        return stack


@pytest.fixture
def say() -> Say:
    return Say()


@pytest.fixture
async def open_stack(nursery: trio.Nursery, autojump_clock: MockClock) -> OpenStack:
    assert trio.lowlevel.current_clock() is autojump_clock, "the test has to name the clock itself"
    return OpenStack(nursery)


@pytest.fixture
async def stack(open_stack: OpenStack) -> Stack:
    return await open_stack()
