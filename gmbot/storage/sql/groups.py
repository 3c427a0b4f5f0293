"""Groups, the channels they require, and what is asked for in groups that become others."""

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
    (channel_id, title, username, invite_link, hidden, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?)
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

SET_PARAMS = "UPDATE protected_groups SET params = ?, updated_at = ? WHERE group_id = ?"

CHANNEL = """
SELECT channel_id, title, username, invite_link, hidden FROM enforced_channels WHERE channel_id = ?
"""

HIDE_CHANNEL = """
UPDATE enforced_channels SET hidden = ?, updated_at = ? WHERE channel_id = ? AND hidden <> ?
"""

RENAME_CHANNEL = """
UPDATE enforced_channels
SET title = ?, username = ?, invite_link = COALESCE(invite_link, ?), updated_at = ?
WHERE channel_id = ?
"""

PROTECTED_GROUPS = """
SELECT g.group_id, g.owner_id, g.title, g.enabled, CAST(g.params AS TEXT),
    c.channel_id, c.title, c.username, c.invite_link, c.hidden
FROM protected_groups g
JOIN group_channel_links l ON l.group_id = g.group_id
JOIN enforced_channels c ON c.channel_id = l.channel_id
WHERE g.enabled = TRUE ORDER BY g.group_id, l.id
"""

SUSPENDED_GROUPS = """
SELECT group_id FROM protected_groups g
WHERE enabled = FALSE AND updated_at >= ?
    AND EXISTS (SELECT 1 FROM group_channel_links l WHERE l.group_id = g.group_id)
ORDER BY group_id
"""

PROTECTED_GROUP = """
SELECT g.group_id, g.owner_id, g.title, g.enabled, CAST(g.params AS TEXT),
    c.channel_id, c.title, c.username, c.invite_link, c.hidden
FROM protected_groups g
LEFT JOIN group_channel_links l ON l.group_id = g.group_id
LEFT JOIN enforced_channels c ON c.channel_id = l.channel_id
WHERE g.group_id = ? ORDER BY l.id
"""

SAVE_PROTECTION_REQUEST = """
INSERT INTO protection_requests (group_id, owner_id, channel_ids, updated_at) VALUES (?, ?, ?, ?)
ON CONFLICT (group_id) DO UPDATE SET
    owner_id = excluded.owner_id, channel_ids = excluded.channel_ids,
    updated_at = excluded.updated_at
"""

PROTECTION_REQUEST = """
SELECT r.group_id, r.owner_id, o.username, CAST(r.channel_ids AS TEXT)
FROM protection_requests r JOIN owners o ON o.user_id = r.owner_id WHERE r.group_id = ?
"""

DROP_PROTECTION_REQUEST = "DELETE FROM protection_requests WHERE group_id = ?"
