import re

import pytest
from structlog.testing import capture_logs

from gmbot.api.records import (
    BreakerRecord,
    CallRecord,
    FreezeRecord,
    MalformedUpdate,
    Outcome,
    Record,
    SourceEvent,
    SourceRecord,
)
from gmbot.telemetry import events


@pytest.mark.parametrize(
    ("record", "line"),
    [
        pytest.param(
            CallRecord("getMe", Outcome.OK, 1, 0.5, 0.25),
            {
                "log_level": "debug",
                "event": "api_called",
                "method": "getMe",
                "outcome": "ok",
                "attempt": 1,
                "waited": 0.5,
                "took": 0.25,
            },
            id="a call",
        ),
        pytest.param(
            BreakerRecord("api", "open"),
            {"log_level": "warning", "event": "breaker_opened", "breaker": "api"},
            id="a breaker opens",
        ),
        pytest.param(
            BreakerRecord("api", "half_open"),
            {"log_level": "info", "event": "breaker_half_opened", "breaker": "api"},
            id="a breaker tries",
        ),
        pytest.param(
            BreakerRecord("api", "closed"),
            {"log_level": "info", "event": "breaker_closed", "breaker": "api"},
            id="a breaker closes",
        ),
        pytest.param(
            FreezeRecord("sendMessage", 3.0, -100),
            {
                "log_level": "warning",
                "event": "calls_frozen",
                "method": "sendMessage",
                "retry_after": 3.0,
                "chat_id": -100,
            },
            id="a freeze",
        ),
        pytest.param(
            MalformedUpdate(7, "no date"),
            {
                "log_level": "warning",
                "event": "update_malformed",
                "update_id": 7,
                "reason": "no date",
            },
            id="a malformed update",
        ),
        pytest.param(
            SourceRecord(SourceEvent.CONFLICT, "409"),
            {"log_level": "warning", "event": "source_conflict", "detail": "409"},
            id="another poller",
        ),
        pytest.param(
            SourceRecord(SourceEvent.WEBHOOK_DELETED),
            {"log_level": "info", "event": "webhook_deleted", "detail": ""},
            id="a webhook deleted",
        ),
    ],
)
def test_a_record_becomes_a_line(record: Record, line: dict[str, object]) -> None:
    with capture_logs() as lines:
        events.log_record(record)

    assert lines == [line]


@pytest.mark.parametrize("event", SourceEvent)
def test_whatever_happens_to_the_source_is_in_the_catalogue(event: SourceEvent) -> None:
    with capture_logs() as lines:
        events.log_record(SourceRecord(event))

    assert lines[0]["event"] in _catalogue().values()


def _catalogue() -> dict[str, str]:
    return {
        name: value for name, value in vars(events).items() if name[0] != "_" and name.isupper()
    }


def test_an_event_is_named_by_a_noun_and_what_happened_to_it() -> None:
    catalogue = _catalogue()

    assert len(catalogue) > 30
    for name, event in catalogue.items():
        assert event == name.lower()
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", event)
    assert len(set(catalogue.values())) == len(catalogue)
