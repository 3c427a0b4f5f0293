from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import trio

from gmbot.config import Bind
from gmbot.telemetry.health import HEARTBEAT_LIMIT, Health
from gmbot.telemetry.metrics import Metrics
from gmbot.telemetry.sidecar import run_sidecar

TIME = 10.0  # seconds a test may take


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(methods=["getMe"], queries=["links"])


@asynccontextmanager
async def asking(health: Health, metrics: Metrics) -> AsyncIterator[httpx.AsyncClient]:
    async def run(task_status: trio.TaskStatus[Bind]) -> None:
        await run_sidecar(
            Bind("127.0.0.1", 0), health=health, metrics=metrics, task_status=task_status
        )

    with trio.fail_after(TIME):
        async with trio.open_nursery() as nursery:
            bind = await nursery.start(run)
            async with httpx.AsyncClient(base_url=f"http://{bind}") as client:
                yield client
            nursery.cancel_scope.cancel()


def make_health() -> Health:
    return Health(now=trio.current_time(), required=["database"], optional=["redis"])


async def test_live_is_about_the_loop(metrics: Metrics) -> None:
    health = make_health()

    async with asking(health, metrics) as client:
        alive = await client.get("/live")
        health.beat(trio.current_time() - HEARTBEAT_LIMIT)
        dead = await client.get("/live")

    assert (alive.status_code, alive.json()) == (200, {"alive": True})
    assert (dead.status_code, dead.json()) == (503, {"alive": False})


async def test_ready_is_what_the_app_says(metrics: Metrics) -> None:
    health = make_health()

    async with asking(health, metrics) as client:
        before = await client.get("/ready")
        health.ready = True
        after = await client.get("/ready")

    assert (before.status_code, before.json()) == (503, {"ready": False})
    assert (after.status_code, after.json()) == (200, {"ready": True})
    assert after.headers["content-type"] == "application/json"


async def test_health_says_what_is_wrong(metrics: Metrics) -> None:
    health = make_health()
    health.set("database", ok=True, latency=0.0012345)

    async with asking(health, metrics) as client:
        degraded = await client.get("/health")
        health.set("redis", ok=True, latency=0.0005)
        well = await client.get("/health")
        health.set("database", ok=False)
        down = await client.get("/health")

    assert (degraded.status_code, degraded.json()["status"]) == (200, "degraded")
    body = well.json()
    uptime = body.pop("uptime")
    assert 0 <= uptime < TIME
    assert well.status_code == 200
    assert body == {
        "status": "ok",
        "checks": {
            "database": {"status": "ok", "latency_ms": 1.234},
            "redis": {"status": "ok", "latency_ms": 0.5},
        },
    }
    assert (down.status_code, down.json()["status"]) == (503, "down")
    assert down.json()["checks"]["database"] == {"status": "down", "latency_ms": None}


async def test_metrics_are_what_prometheus_reads(metrics: Metrics) -> None:
    metrics.cache_hit()

    async with asking(make_health(), metrics) as client:
        answer = await client.get("/metrics")
        modern = await client.get("/metrics", headers={"accept": "application/openmetrics-text"})

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "\nbot_cache_hits_total 1.0\n" in answer.text
    assert modern.headers["content-type"].startswith("application/openmetrics-text")


async def test_the_index_names_the_rest(metrics: Metrics) -> None:
    async with asking(make_health(), metrics) as client:
        answer = await client.get("/")

    assert answer.text == "gmbot: /live /ready /health /metrics\n"


async def test_head_is_get_without_its_body(metrics: Metrics) -> None:
    async with asking(make_health(), metrics) as client:
        answer = await client.head("/ready")

    assert (answer.status_code, answer.content) == (503, b"")


async def test_nothing_can_be_changed_here(metrics: Metrics) -> None:
    async with asking(make_health(), metrics) as client:
        answer = await client.post("/ready", content=b"{}")

    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


async def test_other_paths_are_not_found(metrics: Metrics) -> None:
    async with asking(make_health(), metrics) as client:
        answer = await client.get("/healthz?x=1")
        with_query = await client.get("/live?x=1")

    assert answer.status_code == 404
    assert with_query.status_code == 200
