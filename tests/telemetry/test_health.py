import pytest

from gmbot.telemetry.health import HEARTBEAT_LIMIT, Check, Health, Status


@pytest.fixture
def health() -> Health:
    return Health(now=100.0, required=["database"], optional=["redis", "telegram"])


@pytest.mark.parametrize(
    ("down", "status"),
    [
        pytest.param(set(), Status.OK, id="nothing"),
        pytest.param({"redis"}, Status.DEGRADED, id="something optional"),
        pytest.param({"redis", "telegram"}, Status.DEGRADED, id="all that is optional"),
        pytest.param({"database"}, Status.DOWN, id="something required"),
        pytest.param({"database", "redis"}, Status.DOWN, id="both"),
    ],
)
def test_the_whole_is_as_well_as_what_is_missing_allows(
    health: Health, down: set[str], status: Status
) -> None:
    for name in ("database", "redis", "telegram"):
        health.set(name, ok=name not in down)

    assert health.report(100.0).status is status


def test_nothing_is_well_before_it_was_looked_at(health: Health) -> None:
    report = health.report(100.0)

    assert report.status is Status.DOWN
    assert set(report.checks) == {"database", "redis", "telegram"}


def test_a_report_says_what_was_found_and_since_when_we_run(health: Health) -> None:
    health.set("database", ok=True, latency=0.002)
    health.set("redis", ok=False)

    report = health.report(160.0)

    assert report.checks["database"] == Check(Status.OK, 0.002)
    assert report.checks["redis"] == Check(Status.DOWN, None)
    assert report.uptime == 60.0


def test_what_comes_back_is_well_again(health: Health) -> None:
    health.set("database", ok=False)
    for name in ("database", "redis", "telegram"):
        health.set(name, ok=True)

    assert health.report(100.0).status is Status.OK


def test_a_report_does_not_change_afterwards(health: Health) -> None:
    report = health.report(100.0)
    health.set("database", ok=True)

    assert report.checks["database"].status is Status.DOWN


def test_a_check_nobody_named_is_a_mistake(health: Health) -> None:
    with pytest.raises(KeyError, match="databse"):
        health.set("databse", ok=True)


def test_a_loop_that_stands_still_is_not_alive(health: Health) -> None:
    assert health.alive(100.0)
    assert health.alive(100.0 + HEARTBEAT_LIMIT - 1)
    assert not health.alive(100.0 + HEARTBEAT_LIMIT)

    health.beat(100.0 + HEARTBEAT_LIMIT)

    assert health.alive(100.0 + HEARTBEAT_LIMIT)


def test_nobody_is_ready_from_the_start(health: Health) -> None:
    assert not health.ready
