"""Records as rows, and rows as records: the border between our words and a database's columns."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gmbot.storage.records import (
    Channel,
    Group,
    Job,
    Named,
    Notice,
    NoticeState,
    Owner,
    PendingUpdate,
    ProtectedGroup,
    ProtectionRequest,
    Restriction,
    RestrictionState,
)

Row = Sequence[Any]  # as a driver gives it: the columns of the texts in sql/


def clean(text: str) -> str:
    """Return text that every database can hold.

    Surrogates that belong together are joined; what is left of them, and NUL (which PostgreSQL
    refuses), becomes U+FFFD.
    """
    if not text.isprintable():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = text.replace("\0", "\ufffd")
    return text


def clean_or_none(text: str | None) -> str | None:
    """Return `clean(text)`, or None for None."""
    return None if text is None else clean(text)


def to_json(value: object) -> str:
    """Return a value of dicts, lists and plain values as JSON that every database can hold."""
    return msgspec.json.encode(_clean_all(value)).decode()


def _clean_all(value: object) -> object:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, Mapping):
        return {_clean_all(key): _clean_all(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_clean_all(part) for part in value]
    return value


def first_version(now: float) -> int:
    """Return the version of a new row: the time in µs, since none is used twice for one key."""
    return int(now * 1_000_000)


def of_owner(owner: Owner, now: float) -> Row:
    """Return the columns of SAVE_OWNER."""
    return owner.user_id, clean_or_none(owner.username), now, now


def of_group(group: Group, now: float) -> Row:
    """Return the columns of SAVE_GROUP."""
    params = to_json(group.params)
    return group.group_id, group.owner_id, clean(group.title), group.enabled, params, now, now


def of_channel(channel: Channel, now: float) -> Row:
    """Return the columns of SAVE_CHANNEL."""
    return (
        channel.channel_id,
        clean(channel.title),
        clean_or_none(channel.username),
        clean_or_none(channel.invite_link),
        channel.hidden,
        now,
        now,
    )


def of_protection_request(request: ProtectionRequest, now: float) -> Row:
    """Return the columns of SAVE_PROTECTION_REQUEST."""
    return request.group_id, request.owner.user_id, to_json(request.channel_ids), now


def of_new_restriction(wanted: Restriction, now: float) -> Row:
    """Return the columns of ADD_RESTRICTION."""
    return (
        wanted.group_id,
        wanted.user_id,
        clean(wanted.name),
        RestrictionState.WANTED.value,
        first_version(now),
        None if wanted.before is None else to_json(wanted.before),
        wanted.until_date,
        now,
        now,
    )


def next_notice(notice: Notice, now: float) -> Notice:
    """Return the notice as it will be stored: with its next version, with names cleaned."""
    return msgspec.structs.replace(
        notice,
        people=tuple(msgspec.structs.replace(one, name=clean(one.name)) for one in notice.people),
        version=notice.version + 1 if notice.version else first_version(now),
    )


def of_notice(notice: Notice, now: float) -> Row:
    """Return the columns of ADD_NOTICE, which are the first of CHANGE_NOTICE."""
    return (
        notice.message_id,
        to_json(notice.people),
        notice.state.value,
        notice.version,
        notice.expires_at,
        now,
        notice.group_id,
    )


def of_job(kind: str, key: str, payload: Mapping[str, Any], now: float, due: float) -> Row:
    """Return the columns of ADD_JOB."""
    return clean(kind), clean(key), to_json(payload), first_version(now), due, now


def key_of_job(job: Job) -> Row:
    """Return what finds a job: kind, key and version."""
    return clean(job.kind), clean(job.key), job.version


def of_update(update: PendingUpdate, claimed_by: str, claimed_to: float, now: float) -> Row:
    """Return the columns of STORE_UPDATE."""
    return (
        update.update_id,
        update.payload,
        update.attempts,
        update.available_at,
        claimed_by,
        claimed_to,
        now,
    )


def read_groups(rows: Iterable[Row]) -> list[ProtectedGroup]:
    """Gather groups with their channels; the rows of one group follow each other.

    A channel that many groups require is one object, since thousands of groups may.
    """
    known: dict[int, Channel] = {}
    groups: list[ProtectedGroup] = []
    group: Group | None = None
    channels: list[Channel] = []
    for row in rows:
        if group is None or row[0] != group.group_id:
            if group is not None:
                groups.append(ProtectedGroup(group, tuple(channels)))
            group, channels = _read_group(row), []
        if row[5] is not None:
            channels.append(known.setdefault(row[5], read_channel(row[5:])))
    if group is not None:
        groups.append(ProtectedGroup(group, tuple(channels)))
    return groups


_read_object = msgspec.json.Decoder(dict[str, Any]).decode
_read_before = msgspec.json.Decoder(dict[str, bool]).decode
_read_people = msgspec.json.Decoder(tuple[Named, ...]).decode
_read_ids = msgspec.json.Decoder(tuple[int, ...]).decode


def _read_group(row: Row) -> Group:
    return Group(row[0], row[1], row[2], bool(row[3]), _read_object(row[4]))


def read_channel(row: Row) -> Channel:
    """Read a row of enforced_channels."""
    channel_id, title, username, invite_link, hidden = row
    return Channel(channel_id, title, username, invite_link, hidden=bool(hidden))


def read_protection_request(row: Row) -> ProtectionRequest:
    """Read a row of protection_requests with its owner's name."""
    group_id, owner_id, username, channel_ids = row
    return ProtectionRequest(group_id, Owner(owner_id, username), _read_ids(channel_ids))


def read_restriction(row: Row) -> Restriction:
    """Read a row of restrictions."""
    group_id, user_id, name, state, version, before, until_date, since = row
    return Restriction(
        group_id,
        user_id,
        name,
        RestrictionState(state),
        version,
        None if before is None else _read_before(before),
        until_date,
        since,
    )


def read_notice(row: Row) -> Notice:
    """Read a row of notices."""
    group_id, message_id, people, state, version, expires_at = row
    return Notice(
        group_id, message_id, _read_people(people), NoticeState(state), version, expires_at
    )


def read_job(row: Row) -> Job:
    """Read a row of jobs."""
    kind, key, payload, version, attempts, available_at = row
    return Job(kind, key, _read_object(payload), version, attempts, available_at)


def read_update(row: Row) -> PendingUpdate:
    """Read a row of pending_updates."""
    update_id, payload, attempts, available_at = row
    return PendingUpdate(update_id, bytes(payload), attempts, available_at)
