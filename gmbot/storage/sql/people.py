"""People in groups: whom we hold, who is named in a notice, freed, warned, seen, or waits."""

ADD_RESTRICTION = """
INSERT INTO restrictions
    (group_id, user_id, name, state, version, before, until_date, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (group_id, user_id) DO NOTHING
"""

RESTRICTIONS = """
SELECT group_id, user_id, name, state, version, CAST(before AS TEXT), until_date, created_at
FROM restrictions
"""
RESTRICTION = RESTRICTIONS + "WHERE group_id = ? AND user_id = ?"
RESTRICTIONS_IN = RESTRICTIONS + "WHERE group_id = ? ORDER BY user_id"
RESTRICTIONS_OF = RESTRICTIONS + "WHERE user_id = ? ORDER BY group_id"
UNTOLD_RESTRICTIONS = RESTRICTIONS + "WHERE told = FALSE ORDER BY group_id, created_at, user_id"

RESTRICTED_GROUPS = "SELECT DISTINCT group_id FROM restrictions ORDER BY group_id"

ADVANCE_RESTRICTION = """
UPDATE restrictions SET state = ?, version = version + 1, updated_at = ?
WHERE group_id = ? AND user_id = ? AND version = ?
"""

DROP_RESTRICTION = "DELETE FROM restrictions WHERE group_id = ? AND user_id = ? AND version = ?"

FORGET_RESTRICTION = "DELETE FROM restrictions WHERE group_id = ? AND user_id = ?"

PARDON = """
INSERT INTO pardons (group_id, user_id, created_at) VALUES (?, ?, ?)
ON CONFLICT (group_id, user_id) DO UPDATE SET created_at = excluded.created_at
WHERE excluded.created_at > pardons.created_at
"""

IS_PARDONED = "SELECT 1 FROM pardons WHERE group_id = ? AND user_id = ?"

END_PARDON = "DELETE FROM pardons WHERE group_id = ? AND user_id = ? AND created_at < ?"

# 5 s: one burst or album. Both ways, so that a clock that was set back stops no counting.
WARN = """
INSERT INTO warnings (group_id, user_id, times, message_id, warned_at) VALUES (?, ?, 1, ?, ?)
ON CONFLICT (group_id, user_id) DO UPDATE SET
    times = warnings.times + 1,
    message_id = excluded.message_id, warned_at = excluded.warned_at
WHERE excluded.message_id > warnings.message_id
    AND ABS(excluded.warned_at - warnings.warned_at) > 5
"""

WARNED = "SELECT times FROM warnings WHERE group_id = ? AND user_id = ?"

FORGET_WARNINGS = "DELETE FROM warnings WHERE group_id = ? AND user_id = ?"

SAVE_SIGHTING = """
INSERT INTO sightings (group_id, user_id, seen_at) VALUES (?, ?, ?)
ON CONFLICT (group_id, user_id) DO UPDATE SET seen_at = excluded.seen_at
WHERE excluded.seen_at > sightings.seen_at
"""

SEEN_IN = "SELECT user_id FROM sightings WHERE group_id = ? AND seen_at >= ? ORDER BY user_id"

GROUPS_SEEN = "SELECT group_id FROM sightings WHERE user_id = ? ORDER BY seen_at DESC, group_id"

FORGET_SIGHTINGS = "DELETE FROM sightings WHERE seen_at < ?"

SAVE_JOIN_REQUEST = """
INSERT INTO join_requests (channel_id, user_id, created_at) VALUES (?, ?, ?)
ON CONFLICT (channel_id, user_id) DO UPDATE SET created_at = excluded.created_at
"""

HAS_JOIN_REQUEST = "SELECT 1 FROM join_requests WHERE channel_id = ? AND user_id = ?"

DROP_JOIN_REQUEST = "DELETE FROM join_requests WHERE channel_id = ? AND user_id = ?"

FORGET_JOIN_REQUESTS = "DELETE FROM join_requests WHERE created_at < ?"

ADD_NOTICE = """
INSERT INTO notices (message_id, people, state, version, expires_at, updated_at, group_id)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (group_id) DO NOTHING
"""

CHANGE_NOTICE = """
UPDATE notices SET
    message_id = ?, people = ?, state = ?, version = ?, expires_at = ?, updated_at = ?
WHERE group_id = ? AND version = ?
"""

TOLD = "UPDATE restrictions SET told = TRUE WHERE group_id = ? AND user_id = ? AND told = FALSE"

NOTICES = """
SELECT group_id, message_id, CAST(people AS TEXT), state, version, expires_at FROM notices
"""
NOTICE = NOTICES + "WHERE group_id = ?"

DROP_NOTICE = "DELETE FROM notices WHERE group_id = ? AND version = ?"
