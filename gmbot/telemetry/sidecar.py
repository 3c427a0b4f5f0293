"""The port that balancers, orchestrators and Prometheus ask: how is the bot."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import trio

from gmbot.api.http_server import Request, Response, serve_http
from gmbot.config import Bind
from gmbot.telemetry.health import Check, Health, Status
from gmbot.telemetry.metrics import Metrics


async def run_sidecar(
    bind: Bind,
    *,
    health: Health,
    metrics: Metrics,
    task_status: trio.TaskStatus[Bind] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Answer until cancelled; starts with the bound address. Raises OSError where it cannot."""
    sidecar = Sidecar(health, metrics)
    await serve_http(sidecar.answer, host=bind.host, port=bind.port, task_status=task_status)


class Sidecar:
    """The routes. Nothing here waits for anything: what is asked was found out before."""

    def __init__(self, health: Health, metrics: Metrics) -> None:
        self._health = health
        self._metrics = metrics
        self._routes: Mapping[str, Callable[[Request], Response]] = {
            "/": self._index,
            "/live": self._live,
            "/ready": self._ready,
            "/health": self._report,
            "/metrics": self._scrape,
        }

    async def answer(self, request: Request) -> Response:
        """Answer one request."""
        route = self._routes.get(request.path)
        if route is None:
            return _text(HTTPStatus.NOT_FOUND, "not found\n")
        if request.method not in {"GET", "HEAD"}:
            allow = (("allow", "GET, HEAD"),)
            return _text(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD\n", allow)
        return route(request)

    def _index(self, _request: Request) -> Response:
        return _text(
            HTTPStatus.OK, f"gmbot: {' '.join(path for path in self._routes if path[1:])}\n"
        )

    def _live(self, _request: Request) -> Response:
        alive = self._health.alive(trio.current_time())
        return _json({"alive": alive}, good=alive)

    def _ready(self, _request: Request) -> Response:
        return _json({"ready": self._health.ready}, good=self._health.ready)

    def _report(self, _request: Request) -> Response:
        report = self._health.report(trio.current_time())
        body = {
            "status": report.status,
            "checks": {name: _check(check) for name, check in report.checks.items()},
            "uptime": round(report.uptime, 3),
        }
        return _json(body, good=report.status is not Status.DOWN)

    def _scrape(self, request: Request) -> Response:
        content_type, body = self._metrics.render(request.headers.get("accept", ""))
        return Response(HTTPStatus.OK, body, content_type)


def _check(check: Check) -> dict[str, Any]:
    latency = check.latency
    return {
        "status": check.status,
        "latency_ms": None if latency is None else round(latency * 1000, 3),
    }


def _json(body: Mapping[str, Any], *, good: bool) -> Response:
    status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return Response(status, json.dumps(body).encode() + b"\n", "application/json")


def _text(status: HTTPStatus, text: str, headers: tuple[tuple[str, str], ...] = ()) -> Response:
    return Response(status, text.encode(), headers=headers)
