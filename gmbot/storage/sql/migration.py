"""A group gets a new id: what follows it, in the order in which it is done.

What the new one has already stands; what is then left of the old one is removed. Nobody is pardoned
and restricted at once, so what the new one says of a person outweighs either of the old one.
"""

# Whom the old one's notice named: its message did not follow.
FORGET_TOLD = "UPDATE restrictions SET told = FALSE WHERE group_id = ? AND user_id = ?"

# Statements with the names of their parameters: the two ids, the time, and a first version.
STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("DELETE FROM notices WHERE group_id = ?", ("old",)),
    (
        """
        INSERT INTO protected_groups
            (group_id, owner_id, title, enabled, params, created_at, updated_at)
        SELECT ?, owner_id, title, enabled, params, created_at, updated_at
        FROM protected_groups WHERE group_id = ?
        ON CONFLICT (group_id) DO NOTHING
        """,
        ("new", "old"),
    ),
    (
        """
        UPDATE group_channel_links SET group_id = ? WHERE group_id = ? AND channel_id NOT IN
            (SELECT channel_id FROM group_channel_links WHERE group_id = ?)
        """,
        ("new", "old", "new"),
    ),
    ("DELETE FROM group_channel_links WHERE group_id = ?", ("old",)),
    ("DELETE FROM protected_groups WHERE group_id = ?", ("old",)),
    (
        """
        UPDATE protection_requests SET group_id = ? WHERE group_id = ? AND NOT EXISTS
            (SELECT 1 FROM protection_requests WHERE group_id = ?)
        """,
        ("new", "old", "new"),
    ),
    ("DELETE FROM protection_requests WHERE group_id = ?", ("old",)),
    (
        """
        UPDATE restrictions SET group_id = ?, version = ?, updated_at = ?
        WHERE group_id = ?
            AND user_id NOT IN (SELECT user_id FROM restrictions WHERE group_id = ?)
            AND user_id NOT IN (SELECT user_id FROM pardons WHERE group_id = ?)
        """,
        ("new", "version", "now", "old", "new", "new"),
    ),
    ("DELETE FROM restrictions WHERE group_id = ?", ("old",)),
    (
        """
        UPDATE pardons SET group_id = ?
        WHERE group_id = ?
            AND user_id NOT IN (SELECT user_id FROM pardons WHERE group_id = ?)
            AND user_id NOT IN (SELECT user_id FROM restrictions WHERE group_id = ?)
        """,
        ("new", "old", "new", "new"),
    ),
    ("DELETE FROM pardons WHERE group_id = ?", ("old",)),
    # Messages of the new one are counted from 1 again.
    (
        """
        UPDATE warnings SET group_id = ?, message_id = 0 WHERE group_id = ? AND user_id NOT IN
            (SELECT user_id FROM warnings WHERE group_id = ?)
        """,
        ("new", "old", "new"),
    ),
    ("DELETE FROM warnings WHERE group_id = ?", ("old",)),
    (
        """
        UPDATE sightings SET group_id = ? WHERE group_id = ? AND user_id NOT IN
            (SELECT user_id FROM sightings WHERE group_id = ?)
        """,
        ("new", "old", "new"),
    ),
    ("DELETE FROM sightings WHERE group_id = ?", ("old",)),
)
