"""What is asked of a database, in the SQL that SQLite and PostgreSQL share.

Parameters are `?`; psycopg wants `%s` instead, and neither sign is used otherwise. JSON columns are
read as text, since drivers differ in what they make of them.
"""

SAVE_OWNER = """
INSERT INTO owners (user_id, username, created_at, updated_at) VALUES (?, ?, ?, ?)
ON CONFLICT (user_id) DO UPDATE SET
    username = excluded.username, updated_at = excluded.updated_at
"""

SAVE_GROUP = """
INSERT INTO protected_groups
    (group_id, owner_id, title, enabled, params, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (group_id) DO UPDATE SET
    owner_id = excluded.owner_id, title = excluded.title, enabled = excluded.enabled,
    params = CASE CAST(excluded.params AS TEXT)
        WHEN '{}' THEN protected_groups.params ELSE excluded.params END,
    updated_at = excluded.updated_at
"""

SAVE_CHANNEL = """
INSERT INTO enforced_channels
    (channel_id, title, username, invite_link, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (channel_id) DO UPDATE SET
    title = excluded.title, username = excluded.username,
    invite_link = COALESCE(excluded.invite_link, enforced_channels.invite_link),
    updated_at = excluded.updated_at
"""

LINK = """
INSERT INTO group_channel_links (group_id, channel_id, created_at) VALUES (?, ?, ?)
ON CONFLICT (group_id, channel_id) DO NOTHING
"""

UNLINK = "DELETE FROM group_channel_links WHERE group_id = ? AND channel_id = ?"

ENABLE_GROUP = "UPDATE protected_groups SET enabled = ?, updated_at = ? WHERE group_id = ?"

PROTECTED_GROUPS = """
SELECT g.group_id, g.owner_id, g.title, g.enabled, CAST(g.params AS TEXT),
    c.channel_id, c.title, c.username, c.invite_link
FROM protected_groups g
JOIN group_channel_links l ON l.group_id = g.group_id
JOIN enforced_channels c ON c.channel_id = l.channel_id
WHERE g.enabled = TRUE ORDER BY g.group_id, l.id
"""

PROTECTED_GROUP = """
SELECT g.group_id, g.owner_id, g.title, g.enabled, CAST(g.params AS TEXT),
    c.channel_id, c.title, c.username, c.invite_link
FROM protected_groups g
LEFT JOIN group_channel_links l ON l.group_id = g.group_id
LEFT JOIN enforced_channels c ON c.channel_id = l.channel_id
WHERE g.group_id = ? ORDER BY l.id
"""

ADD_RESTRICTION = """
INSERT INTO restrictions
    (group_id, user_id, name, state, version, before, until_date, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (group_id, user_id) DO NOTHING
"""

RESTRICTIONS = """
SELECT group_id, user_id, name, state, version, CAST(before AS TEXT), until_date
FROM restrictions
"""
RESTRICTION = RESTRICTIONS + "WHERE group_id = ? AND user_id = ?"
RESTRICTIONS_IN = RESTRICTIONS + "WHERE group_id = ? ORDER BY user_id"
RESTRICTIONS_OF = RESTRICTIONS + "WHERE user_id = ? ORDER BY group_id"

ADVANCE_RESTRICTION = """
UPDATE restrictions SET state = ?, version = version + 1, updated_at = ?
WHERE group_id = ? AND user_id = ? AND version = ?
"""

DROP_RESTRICTION = "DELETE FROM restrictions WHERE group_id = ? AND user_id = ? AND version = ?"

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

NOTICES = """
SELECT group_id, message_id, CAST(people AS TEXT), state, version, expires_at FROM notices
"""
NOTICE = NOTICES + "WHERE group_id = ?"

DROP_NOTICE = "DELETE FROM notices WHERE group_id = ? AND version = ?"

STORE_UPDATE = """
INSERT INTO pending_updates
    (update_id, payload, attempts, available_at, claimed_by, claimed_to, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (update_id) DO NOTHING
"""

DUE_UPDATES = """
SELECT update_id, payload, attempts, available_at FROM pending_updates
WHERE available_at <= ? AND (claimed_by IS NULL OR claimed_to <= ?)
ORDER BY available_at, update_id LIMIT ?
"""

CLAIM_UPDATE = "UPDATE pending_updates SET claimed_by = ?, claimed_to = ? WHERE update_id = ?"

EXTEND_CLAIMS = "UPDATE pending_updates SET claimed_to = ? WHERE claimed_by = ?"

POSTPONE_UPDATE = """
UPDATE pending_updates
SET attempts = ?, available_at = ?, claimed_by = NULL, claimed_to = NULL
WHERE update_id = ?
"""

FINISH_UPDATE = "DELETE FROM pending_updates WHERE update_id = ?"
