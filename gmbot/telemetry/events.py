"""The names of what happens, as log lines carry them: a noun and what was done to it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, assert_never

from gmbot.api.records import (
    BreakerRecord,
    CallRecord,
    FreezeRecord,
    MalformedUpdate,
    MigrationRecord,
    Record,
    SourceEvent,
    SourceRecord,
)
from gmbot.telemetry.logs import get_logger

# The process
BOT_STARTED: Final = "bot_started"
BOT_STOPPING: Final = "bot_stopping"
BOT_STOPPED: Final = "bot_stopped"
BOT_FAILED: Final = "bot_failed"
TELEGRAM_UNREACHABLE: Final = "telegram_unreachable"
TOKEN_REFUSED: Final = "token_refused"  # noqa: S105  the name of an event
DATABASE_UNUSABLE: Final = "database_unusable"
DATABASE_LOST: Final = "database_lost"
DATABASE_REGAINED: Final = "database_regained"
REDIS_LOST: Final = "redis_lost"
REDIS_REGAINED: Final = "redis_regained"
SIDECAR_STARTED: Final = "sidecar_started"
MENUS_SET: Final = "menus_set"
MENUS_FAILED: Final = "menus_failed"

# People
USER_VERIFIED: Final = "user_verified"
USER_WARNED: Final = "user_warned"
USER_MUTED: Final = "user_muted"
MUTE_UNDONE: Final = "mute_undone"
USER_RELEASED: Final = "user_released"
USER_PARDONED: Final = "user_pardoned"
RESTRICTION_ENDED: Final = "restriction_ended"
MEMBERSHIP_UNKNOWN: Final = "membership_unknown"
SIGHTINGS_REFUSED: Final = "sightings_refused"

# Messages and notices
MESSAGE_DELETED: Final = "message_deleted"
NOTICE_SENT: Final = "notice_sent"
NOTICE_EDITED: Final = "notice_edited"
NOTICE_REMOVED: Final = "notice_removed"
NOTICE_REFUSED: Final = "notice_refused"
NOTICE_FAILED: Final = "notice_failed"

# Groups
GROUP_PROTECTED: Final = "group_protected"
GROUP_RECHECKED: Final = "group_rechecked"
GROUP_UNPROTECTED: Final = "group_unprotected"
GROUP_MOVED: Final = "group_moved"
GROUP_MIGRATED: Final = "group_migrated"
GROUP_SUSPENDED: Final = "group_suspended"
GROUP_RESUMED: Final = "group_resumed"
CHANNEL_LOST: Final = "channel_lost"
CHANNEL_REGAINED: Final = "channel_regained"
PROTECTION_REMEMBERED: Final = "protection_remembered"
RIGHTS_MISSING: Final = "rights_missing"
SETTINGS_CHANGED: Final = "settings_changed"
COMMAND_REFUSED: Final = "command_refused"
REPLY_REFUSED: Final = "reply_refused"

# Flows and updates
FLOW_FAILED: Final = "flow_failed"
FLOW_STORED: Final = "flow_stored"
JOB_FAILED: Final = "job_failed"
JOB_GIVEN_UP: Final = "job_given_up"
UPDATE_GIVEN_UP: Final = "update_given_up"
UPDATE_MALFORMED: Final = "update_malformed"

# The source of updates
SOURCE_STARTED: Final = "source_started"
SOURCE_CONFLICT: Final = "source_conflict"
SOURCE_FAILING: Final = "source_failing"
SOURCE_RESUMED: Final = "source_resumed"
SOURCE_STOPPED: Final = "source_stopped"
WEBHOOK_DELETED: Final = "webhook_deleted"

# Calls
API_CALLED: Final = "api_called"
CALLS_FROZEN: Final = "calls_frozen"
BREAKER_OPENED: Final = "breaker_opened"
BREAKER_HALF_OPENED: Final = "breaker_half_opened"
BREAKER_CLOSED: Final = "breaker_closed"

_BREAKER: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "open": ("warning", BREAKER_OPENED),
        "half_open": ("info", BREAKER_HALF_OPENED),
        "closed": ("info", BREAKER_CLOSED),
    }
)

_SOURCE: Mapping[SourceEvent, tuple[str, str]] = MappingProxyType(
    {
        SourceEvent.STARTED: ("info", SOURCE_STARTED),
        SourceEvent.CONFLICT: ("warning", SOURCE_CONFLICT),
        SourceEvent.WEBHOOK_DELETED: ("info", WEBHOOK_DELETED),
        SourceEvent.FAILING: ("warning", SOURCE_FAILING),
        SourceEvent.RESUMED: ("info", SOURCE_RESUMED),
        SourceEvent.STOPPED: ("info", SOURCE_STOPPED),
    }
)

_log = get_logger()


def log_record(record: Record) -> None:
    """Write down what the Bot API client and the source of updates tell. An Observer."""
    match record:
        case CallRecord(method, outcome, attempt, waited, took):
            _log.debug(
                API_CALLED,
                method=method,
                outcome=outcome,
                attempt=attempt,
                waited=waited,
                took=took,
            )
        case BreakerRecord(name, state):
            level, event = _BREAKER[state]
            getattr(_log, level)(event, breaker=name)
        case FreezeRecord(method, retry_after, chat_id):
            _log.warning(CALLS_FROZEN, method=method, retry_after=retry_after, chat_id=chat_id)
        case MigrationRecord(chat_id, new_chat_id):
            _log.info(GROUP_MOVED, chat_id=chat_id, new_chat_id=new_chat_id)
        case MalformedUpdate(update_id, reason):
            _log.warning(UPDATE_MALFORMED, update_id=update_id, reason=reason)
        case SourceRecord(kind, detail):
            level, event = _SOURCE[kind]
            getattr(_log, level)(event, detail=detail)
        case _:
            assert_never(record)
