"""What Prometheus reads: counted here, from records and plain calls.

Every label comes from a closed set and is there from the start with 0, so that a rate has
something to begin with and no chat, person or error text can ever become a time series.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import assert_never

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from gmbot.api.records import (
    BreakerRecord,
    CallRecord,
    FreezeRecord,
    MalformedUpdate,
    MigrationRecord,
    Outcome,
    Record,
    SourceEvent,
    SourceRecord,
)

OTHER = "other"  # where a name is none of those that were handed in


class Verification(StrEnum):
    """What came out of asking whether a person may write."""

    MEMBER = "member"
    MISSING = "missing"
    UNKNOWN = "unknown"
    EXEMPT = "exempt"


class ErrorType(StrEnum):
    """What went wrong, by who has to look."""

    FLOW = "flow"  # our own mistake
    DATABASE = "database"
    REDIS = "redis"
    API_NETWORK = "api_network"
    API_UNAVAILABLE = "api_unavailable"
    API_FLOOD = "api_flood"
    API_REFUSED = "api_refused"
    MALFORMED_UPDATE = "malformed_update"
    OTHER = OTHER


class UpdateOutcome(StrEnum):
    """How the handling of an update ended."""

    HANDLED = "handled"
    STORED = "stored"  # to go on later
    GIVEN_UP = "given_up"
    MALFORMED = "malformed"


_ERRORS: Mapping[Outcome, ErrorType] = MappingProxyType(
    {
        Outcome.NETWORK: ErrorType.API_NETWORK,
        Outcome.UNAVAILABLE: ErrorType.API_UNAVAILABLE,
        Outcome.FLOOD: ErrorType.API_FLOOD,
        Outcome.REFUSED: ErrorType.API_REFUSED,
    }
)

_SOURCE_UP: Mapping[SourceEvent, bool] = MappingProxyType(
    {
        SourceEvent.STARTED: True,
        SourceEvent.RESUMED: True,
        SourceEvent.CONFLICT: False,
        SourceEvent.FAILING: False,
        SourceEvent.STOPPED: False,
    }
)

BREAKER_STATES = ("closed", "open", "half_open")

# Seconds. A verification is decided in memory, or asks Telegram (target: 95 % within 0.1), or is
# stored after 2; a query should end within 0.05; the limiter may hold a notice for a minute.
_VERIFICATION = (0.0001, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5)
_QUERY = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_CALL = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """All metrics of one process, in a registry of their own.

    `methods`, `queries` and `breakers` are the names that may become labels; any other is `other`.
    Used from the trio thread; a counter takes 0.3 µs, so the hot path may call it.
    """

    def __init__(
        self, *, methods: Iterable[str], queries: Iterable[str], breakers: Iterable[str] = ()
    ) -> None:
        # A second time series beside each, which nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types here
        registry = self.registry = CollectorRegistry()
        self._verifications = _counters(
            registry, "bot_verifications_total", "Verification outcomes.", "status", Verification
        )
        self._latency = Histogram(
            "bot_verification_latency_seconds",
            "From receiving an update to its decision being carried out.",
            buckets=_VERIFICATION,
            registry=registry,
        )
        self._hits = Counter(
            "bot_cache_hits_total", "Memberships known without asking.", registry=registry
        )
        self._misses = Counter(
            "bot_cache_misses_total", "Memberships that had to be asked for.", registry=registry
        )
        self._calls = _counters(
            registry, "bot_api_calls_total", "Calls on the wire.", "method", [*methods, OTHER]
        )
        self._errors = _counters(
            registry, "bot_errors_total", "What went wrong.", "type", ErrorType
        )
        durations = Histogram(
            "db_query_duration_seconds",
            "Database queries.",
            ["query"],
            buckets=_QUERY,
            registry=registry,
        )
        self._queries = {name: durations.labels(name) for name in (*queries, OTHER)}
        self._active_groups = Gauge("bot_active_groups", "Protected groups.", registry=registry)
        self._redis = Gauge("bot_redis_connected", "1 if Redis answers.", registry=registry)
        self._database = Gauge("bot_db_connected", "1 if the database answers.", registry=registry)
        self._updates = _counters(
            registry, "bot_updates_total", "How updates ended.", "outcome", UpdateOutcome
        )
        self._waits = Histogram(
            "bot_api_wait_seconds",
            "What calls waited in our own limiter.",
            buckets=_CALL,
            registry=registry,
        )
        self._took = Histogram(
            "bot_api_call_duration_seconds",
            "What calls took on the wire.",
            buckets=_CALL,
            registry=registry,
        )
        self._breakers = _Breakers(registry, breakers)
        self._source = Gauge("bot_source_up", "1 if updates can arrive.", registry=registry)

    def verification(self, status: Verification, seconds: float) -> None:
        """Count a decision about a person and what it took."""
        self._verifications[status].inc()
        self._latency.observe(seconds)

    def cache_hit(self) -> None:
        """Count a membership that was known."""
        self._hits.inc()

    def cache_miss(self) -> None:
        """Count a membership that was not."""
        self._misses.inc()

    def query(self, name: str, seconds: float) -> None:
        """Count a database query and what it took."""
        self._queries.get(name, self._queries[OTHER]).observe(seconds)

    def update(self, outcome: UpdateOutcome) -> None:
        """Count an update that is done with."""
        self._updates[outcome].inc()

    def error(self, kind: ErrorType) -> None:
        """Count something that went wrong."""
        self._errors[kind].inc()

    def active_groups(self, count: int) -> None:
        """Set how many groups are protected."""
        self._active_groups.set(count)

    def redis_connected(self, connected: bool) -> None:  # noqa: FBT001  one plain fact
        """Set whether Redis answers."""
        self._redis.set(connected)

    def database_connected(self, connected: bool) -> None:  # noqa: FBT001  one plain fact
        """Set whether the database answers."""
        self._database.set(connected)

    def observe_record(self, record: Record) -> None:
        """Count what the Bot API client and the source of updates tell. An Observer."""
        match record:
            case CallRecord():
                self._call(record)
            case BreakerRecord():
                self._breakers.set(record.name, record.state)
            case MalformedUpdate():
                self._updates[UpdateOutcome.MALFORMED].inc()
                self._errors[ErrorType.MALFORMED_UPDATE].inc()
            case SourceRecord():
                if record.event in _SOURCE_UP:
                    self._source.set(_SOURCE_UP[record.event])
            case FreezeRecord() | MigrationRecord():
                pass  # its call was counted: as a flood, as refused
            case _:
                assert_never(record)

    def render(self, accept: str = "") -> tuple[str, bytes]:
        """Write everything in the format that `accept` names. Returns content type and body."""
        encode, content_type = choose_encoder(accept)
        return content_type, encode(self.registry)

    def _call(self, record: CallRecord) -> None:
        if record.outcome is Outcome.CIRCUIT_OPEN:
            return
        self._calls.get(record.method, self._calls[OTHER]).inc()
        self._waits.observe(record.waited)
        self._took.observe(record.took)
        if record.outcome in _ERRORS:
            self._errors[_ERRORS[record.outcome]].inc()


class _Breakers:
    """One gauge for each state of each circuit breaker; the current one is 1, the rest 0."""

    def __init__(self, registry: CollectorRegistry, names: Iterable[str]) -> None:
        gauge = Gauge(
            "bot_breaker_state",
            "1 for the state a circuit breaker is in.",
            ["name", "state"],
            registry=registry,
        )
        self._gauges = {
            name: {state: gauge.labels(name, state) for state in BREAKER_STATES} for name in names
        }
        for name in self._gauges:
            self.set(name, "closed")

    def set(self, name: str, state: str) -> None:
        for each, gauge in self._gauges.get(name, {}).items():
            gauge.set(each == state)


def _counters(
    registry: CollectorRegistry, name: str, text: str, label: str, values: Iterable[str]
) -> dict[str, Counter]:
    family = Counter(name, text, [label], registry=registry)
    return {value: family.labels(value) for value in values}
