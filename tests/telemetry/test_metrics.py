from timeit import repeat

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gmbot.api.records import (
    BreakerRecord,
    CallRecord,
    FreezeRecord,
    MalformedUpdate,
    Outcome,
    SourceEvent,
    SourceRecord,
)
from gmbot.telemetry.metrics import (
    BREAKER_STATES,
    ErrorType,
    Metrics,
    UpdateOutcome,
    Verification,
)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(
        methods=["getMe", "sendMessage"], queries=["links"], breakers=["api", "database"]
    )


def samples(metrics: Metrics) -> dict[str, float]:
    """All samples as a scraper sees them, named as Prometheus writes them."""
    _, body = metrics.render()
    return {
        sample.name + "".join(f" {value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def test_every_metric_is_there_from_the_start_with_all_its_labels(metrics: Metrics) -> None:
    found = samples(metrics)

    expected = {
        *(f"bot_verifications_total {status}" for status in Verification),
        "bot_verification_latency_seconds_count",
        "bot_cache_hits_total",
        "bot_cache_misses_total",
        *(f"bot_api_calls_total {method}" for method in ("getMe", "sendMessage", "other")),
        *(f"bot_errors_total {kind}" for kind in ErrorType),
        "db_query_duration_seconds_count links",
        "db_query_duration_seconds_count other",
        "bot_active_groups",
        "bot_redis_connected",
        "bot_db_connected",
        *(f"bot_updates_total {outcome}" for outcome in UpdateOutcome),
        "bot_api_wait_seconds_count",
        "bot_api_call_duration_seconds_count",
        *(f"bot_breaker_state api {state}" for state in BREAKER_STATES),
        *(f"bot_breaker_state database {state}" for state in BREAKER_STATES),
        "bot_source_up",
    }
    assert expected <= found.keys()
    assert {name for name in expected if found[name]} == {
        "bot_breaker_state api closed",
        "bot_breaker_state database closed",
    }
    assert not [name for name in found if "_created" in name]


def test_two_processes_in_one_do_not_share_numbers(metrics: Metrics) -> None:
    other = Metrics(methods=[], queries=[])
    metrics.cache_hit()

    assert samples(other)["bot_cache_hits_total"] == 0


def test_a_verification_counts_by_its_status_with_its_time(metrics: Metrics) -> None:
    metrics.verification(Verification.MISSING, 0.03)
    metrics.verification(Verification.MEMBER, 0.00005)

    found = samples(metrics)
    assert found["bot_verifications_total missing"] == 1
    assert found["bot_verifications_total member"] == 1
    assert found["bot_verification_latency_seconds_count"] == 2
    assert found["bot_verification_latency_seconds_bucket 0.025"] == 1
    assert found["bot_verification_latency_seconds_bucket 0.05"] == 2


def test_plain_facts_are_told_plainly(metrics: Metrics) -> None:
    metrics.cache_hit()
    metrics.cache_miss()
    metrics.query("links", 0.002)
    metrics.query("DROP TABLE", 0.002)
    metrics.update(UpdateOutcome.STORED)
    metrics.error(ErrorType.FLOW)
    metrics.active_groups(12)
    metrics.redis_connected(True)
    metrics.database_connected(True)

    found = samples(metrics)
    assert found["bot_cache_hits_total"] == 1
    assert found["bot_cache_misses_total"] == 1
    assert found["db_query_duration_seconds_count links"] == 1
    assert found["db_query_duration_seconds_count other"] == 1
    assert found["bot_updates_total stored"] == 1
    assert found["bot_errors_total flow"] == 1
    assert found["bot_active_groups"] == 12
    assert found["bot_redis_connected"] == 1
    assert found["bot_db_connected"] == 1


def test_what_is_lost_is_no_longer_connected(metrics: Metrics) -> None:
    metrics.database_connected(True)
    metrics.database_connected(False)

    assert samples(metrics)["bot_db_connected"] == 0


@pytest.mark.parametrize(
    ("outcome", "calls", "error"),
    [
        (Outcome.OK, 1, None),
        (Outcome.CANCELLED, 1, None),
        (Outcome.CIRCUIT_OPEN, 0, None),
        (Outcome.REFUSED, 1, "api_refused"),
        (Outcome.FLOOD, 1, "api_flood"),
        (Outcome.UNAVAILABLE, 1, "api_unavailable"),
        (Outcome.NETWORK, 1, "api_network"),
    ],
)
def test_a_call_counts_where_it_was_sent(
    metrics: Metrics, outcome: Outcome, calls: int, error: str | None
) -> None:
    metrics.observe_record(CallRecord("getMe", outcome, 1, 0.5, 0.2))

    found = samples(metrics)
    assert found["bot_api_calls_total getMe"] == calls
    assert found["bot_api_wait_seconds_count"] == calls
    assert found["bot_api_wait_seconds_sum"] == 0.5 * calls
    assert found["bot_api_call_duration_seconds_sum"] == 0.2 * calls
    errors = {name for name, value in found.items() if name.startswith("bot_errors") and value}
    assert errors == ({f"bot_errors_total {error}"} if error else set())


def test_a_method_nobody_announced_makes_no_new_series(metrics: Metrics) -> None:
    before = samples(metrics).keys()

    metrics.observe_record(CallRecord("getChat", Outcome.OK, 1, 0.0, 0.1))

    found = samples(metrics)
    assert found["bot_api_calls_total other"] == 1
    assert found.keys() == before


def test_a_breaker_is_in_one_state_at_a_time(metrics: Metrics) -> None:
    for state in ("open", "half_open", "open"):
        metrics.observe_record(BreakerRecord("api", state))
        metrics.observe_record(BreakerRecord("unheard of", state))

        found = samples(metrics)
        states = {each: found[f"bot_breaker_state api {each}"] for each in BREAKER_STATES}
        assert states == {each: float(each == state) for each in BREAKER_STATES}
    assert found["bot_breaker_state database closed"] == 1


@pytest.mark.parametrize(
    ("events", "up"),
    [
        ([SourceEvent.STARTED], 1),
        ([SourceEvent.STARTED, SourceEvent.CONFLICT], 0),
        ([SourceEvent.STARTED, SourceEvent.FAILING], 0),
        ([SourceEvent.STARTED, SourceEvent.FAILING, SourceEvent.RESUMED], 1),
        ([SourceEvent.STARTED, SourceEvent.WEBHOOK_DELETED], 1),
        ([SourceEvent.STARTED, SourceEvent.STOPPED], 0),
    ],
)
def test_the_source_is_up_or_not(metrics: Metrics, events: list[SourceEvent], up: int) -> None:
    for event in events:
        metrics.observe_record(SourceRecord(event))

    assert samples(metrics)["bot_source_up"] == up


def test_a_malformed_update_counts_as_an_update_and_as_an_error(metrics: Metrics) -> None:
    metrics.observe_record(MalformedUpdate(None, "no id"))

    found = samples(metrics)
    assert found["bot_updates_total malformed"] == 1
    assert found["bot_errors_total malformed_update"] == 1


def test_a_freeze_is_not_counted_beside_its_flood(metrics: Metrics) -> None:
    before = samples(metrics)

    metrics.observe_record(FreezeRecord("sendMessage", 3.0, None))

    assert samples(metrics) == before


def test_the_format_is_the_one_that_was_asked_for(metrics: Metrics) -> None:
    plain, _ = metrics.render()
    modern, body = metrics.render("application/openmetrics-text; version=1.0.0")

    assert plain.startswith("text/plain; version=0.0.4")
    assert modern.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")


def test_what_the_hot_path_counts_is_cheap(metrics: Metrics) -> None:
    calls = 20_000

    seconds = min(repeat(metrics.cache_hit, number=calls, repeat=5)) / calls

    assert seconds < 5e-6  # 0.3e-6 measured; the rest is for a busy machine
