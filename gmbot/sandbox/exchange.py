"""From a request to its reply: token, faults, schema, flood limits, the method, the log."""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import msgspec
import trio

from gmbot.sandbox import methods
from gmbot.sandbox.arguments import HttpError, parse_arguments
from gmbot.sandbox.calls import KEPT_VIOLATIONS, Call, CallLog, Outcome, Violation
from gmbot.sandbox.errors import (
    METHOD_NOT_FOUND,
    NOT_FOUND,
    NOT_UTF8,
    UNAUTHORIZED,
    TelegramError,
    refusal,
    too_many_requests,
)
from gmbot.sandbox.faults import Faults
from gmbot.sandbox.flood import FloodLimits
from gmbot.sandbox.outlet import Outlet
from gmbot.sandbox.replies import Reply, encode, failure, success
from gmbot.sandbox.schema import Arguments, Method, bot_api
from gmbot.sandbox.server import Request
from gmbot.sandbox.webhook import WebhookSettings
from gmbot.sandbox.world import World

_ROUTE = re.compile(r"/bot([^/]+)/([^/]*)")
_TOKEN = re.compile(r"([1-9][0-9]{0,16}):.+")

_WEBHOOK: Mapping[str, Callable[[WebhookSettings, dict[str, Any]], Any]] = {
    "setWebhook": WebhookSettings.set,
    "deleteWebhook": WebhookSettings.delete,
    "getWebhookInfo": lambda settings, _params: settings.info(),
}


class Exchange:
    """Answers the requests of all bots of a world.

    A bot that breaks the schema is answered 400 in words of our own, and noted in `violations`,
    as is an answer or an update of the simulation itself that breaks it. The first violations are
    kept.
    """

    def __init__(
        self,
        world: World,
        log: CallLog,
        flood: FloodLimits,
        *,
        outlet: Callable[[int], Outlet],
        strict: bool = True,
        latency: float = 0.0,
    ) -> None:
        self.log = log
        self.flood = flood
        self.faults = Faults()
        self.violations: list[Violation] = []
        self.strict = strict
        self.latency = latency
        self._world = world
        self._outlet = outlet
        self._schema = bot_api()

    async def answer(self, request: Request) -> Reply:
        """Answer one request. Raises HttpError for what is not even a request."""
        at, started = self._world.clock(), trio.current_time()
        bot_id, method, params = 0, request.path.rpartition("/")[2], dict[str, Any]()
        try:
            arguments = parse_arguments(request.query, request.content_type, request.body)
        except HttpError as problem:
            self._note("bot", method, f"parameters that no server reads: {problem.status}")
            raise
        try:
            bot_id, known = self._route(request.path)
        except TelegramError as error:
            ended = _Ended.refused(error)
        else:
            method, params = known.name, known.read(arguments)
            with self.log.under_way(method):
                ended = await self._handle(bot_id, known, params, arguments)
        self.log.add(
            Call(
                self.log.total + 1,
                at,
                trio.current_time() - started,
                bot_id,
                method,
                params,
                ended.outcome,
                ended.reply.status,
                ended.description,
                ended.result,
            )
        )
        return ended.reply

    def check_update(self, kind: str, payload: dict[str, Any]) -> None:
        """Note an update that breaks the schema."""
        if self.strict:
            problem = self._schema.check_update({"update_id": 1, kind: payload})
            self._note("sandbox", kind, problem)

    def _route(self, path: str) -> tuple[int, Method]:
        route = _ROUTE.fullmatch(unquote(path))
        token = route and _TOKEN.fullmatch(route[1])
        if route is None or token is None:
            raise refusal(NOT_FOUND)
        bot = self._world.bots.get(int(token[1]))
        if bot is None or bot.token != route[1]:
            raise refusal(UNAUTHORIZED)
        method = self._schema.methods.get(route[2].lower())
        if method is None:
            self._note("bot", route[2], "unknown method")
            raise refusal(METHOD_NOT_FOUND)
        return bot.id, method

    async def _handle(
        self, bot_id: int, method: Method, params: dict[str, Any], arguments: Arguments
    ) -> "_Ended":
        chat, arrived = self._chat(bot_id, params), self._world.clock()
        if self.latency:
            await trio.sleep(self.latency)
        await self.faults.wait(method.name, chat)
        reply = self.faults.answer(method.name, chat)
        if reply is not None:
            if reply.retry_after is not None:
                now = self._world.clock()
                self.flood.refuse(
                    bot_id, method.name, chat, reply.retry_after, now, arrived=arrived
                )
            return _Ended(Outcome.FAULT, reply)
        ended = await self._perform(bot_id, method, params, arguments, arrived)
        spoilt = self.faults.spoil(method.name, chat, ended.reply)
        return ended if spoilt is None else _Ended(Outcome.FAULT, spoilt, result=ended.result)

    def _chat(self, bot_id: int, params: dict[str, Any]) -> int | str | None:
        """Return the id of the chat that a call is about; a username only where nobody has it."""
        chat = params.get("chat_id")
        if isinstance(chat, str) and chat.startswith("@"):
            found = self._world.find(chat, bot=self._world.bots[bot_id])
            return chat if found is None else found.id
        return chat if isinstance(chat, int | str) else None

    async def _perform(
        self,
        bot_id: int,
        method: Method,
        params: dict[str, Any],
        arguments: Arguments,
        arrived: float,
    ) -> "_Ended":
        problem = self._problem(method, params, arguments)
        if problem is not None:
            self._note("bot", method.name, problem)
            return _Ended.violated(problem)
        try:
            if method.name == "getUpdates":
                return await self._get_updates(bot_id, params)
            result = self._call(bot_id, method.name, params, arrived)
        except TelegramError as error:
            return _Ended.refused(error)
        except Exception as error:  # noqa: BLE001  # told to the test by `violations`, which fails it
            self._note("sandbox", method.name, f"{type(error).__name__}: {error}")
            return _Ended(Outcome.CRASH, failure(500, "Internal Server Error"))
        if self.strict:
            self._note("sandbox", method.name, method.check_result(result))
        return _Ended(Outcome.OK, success(encode(result)), result=result)

    def _problem(self, method: Method, params: dict[str, Any], arguments: Arguments) -> str | None:
        if not arguments.is_utf8:
            return NOT_UTF8.removeprefix("Bad Request: ")
        return method.check(params, arguments.files) if self.strict else None

    def _call(self, bot_id: int, name: str, params: dict[str, Any], arrived: float) -> Any:
        if name in _WEBHOOK:
            return _WEBHOOK[name](self._outlet(bot_id).settings, params)
        if name not in methods.METHODS:
            self._note("bot", name, "not simulated")
            raise refusal(METHOD_NOT_FOUND)
        chat = self._chat(bot_id, params)
        retry_after = self.flood.check(bot_id, name, chat, self._world.clock(), arrived=arrived)
        if retry_after is not None:
            raise too_many_requests(retry_after)
        return methods.call(self._world, bot_id, name, params)

    async def _get_updates(self, bot_id: int, params: dict[str, Any]) -> "_Ended":
        entries = await self._outlet(bot_id).poll.get_updates(params)
        body = b"[" + b",".join(entry.body for entry in entries) + b"]"

        def sent() -> None:
            for entry in entries:
                entry.delivered += 1

        reply = msgspec.structs.replace(success(body), sent=sent)
        return _Ended(Outcome.OK, reply, result=[entry.update_id for entry in entries])

    def _note(self, who: str, what: str, problem: str | None) -> None:
        if problem is not None and len(self.violations) < KEPT_VIOLATIONS:
            self.violations.append(Violation(who, what, problem))


class _Ended(msgspec.Struct, frozen=True):
    """How a call ended."""

    outcome: Outcome
    reply: Reply
    description: str | None = None
    result: Any = None

    @classmethod
    def refused(cls, error: TelegramError) -> "_Ended":
        is_flood = error.code == HTTPStatus.TOO_MANY_REQUESTS
        reply = failure(error.code, error.description, error.parameters)
        return cls(Outcome.FLOOD if is_flood else Outcome.REFUSED, reply, error.description)

    @classmethod
    def violated(cls, problem: str) -> "_Ended":
        words = f"Bad Request: {problem}"
        return cls(Outcome.VIOLATION, failure(HTTPStatus.BAD_REQUEST, words), words)
