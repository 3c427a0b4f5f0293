-- GMBot's tables. Applied at every start: idempotent, never destructive.
-- One source for SQLite and PostgreSQL: only types and words that both understand.
-- Times are seconds since 1970 (UTC). Ids of Telegram need 64 bits: BIGINT.

CREATE TABLE IF NOT EXISTS owners (
    user_id    BIGINT PRIMARY KEY,
    username   TEXT,
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);

CREATE TABLE IF NOT EXISTS protected_groups (
    group_id   BIGINT PRIMARY KEY,
    owner_id   BIGINT NOT NULL REFERENCES owners (user_id),
    title      TEXT NOT NULL,
    enabled    BOOLEAN NOT NULL DEFAULT TRUE,
    params     TEXT NOT NULL DEFAULT '{}',           -- a JSON object: what the group has set
    created_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);
CREATE INDEX IF NOT EXISTS protected_groups_owner_id ON protected_groups (owner_id);
CREATE INDEX IF NOT EXISTS protected_groups_enabled ON protected_groups (enabled);

CREATE TABLE IF NOT EXISTS enforced_channels (
    channel_id  BIGINT PRIMARY KEY,
    title       TEXT NOT NULL,
    username    TEXT,                                -- without the @; a private channel has none
    invite_link TEXT,                                -- where people join
    created_at  DOUBLE PRECISION NOT NULL,
    updated_at  DOUBLE PRECISION NOT NULL
);

CREATE TABLE IF NOT EXISTS group_channel_links (
    group_id   BIGINT NOT NULL REFERENCES protected_groups (group_id),
    channel_id BIGINT NOT NULL REFERENCES enforced_channels (channel_id),
    created_at DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (group_id, channel_id)
);
CREATE INDEX IF NOT EXISTS group_channel_links_group_id ON group_channel_links (group_id);
CREATE INDEX IF NOT EXISTS group_channel_links_channel_id ON group_channel_links (channel_id);

-- Whom we hold. Written before the mute, so that no mute is ever without its record.
CREATE TABLE IF NOT EXISTS restrictions (
    group_id    BIGINT NOT NULL,
    user_id     BIGINT NOT NULL,
    name        TEXT NOT NULL,                       -- first name, for the notice
    state       TEXT NOT NULL,                       -- wanted, held, releasing
    version     BIGINT NOT NULL,                     -- grows by one with each change (compare-and-set)
    before      TEXT,                                -- a JSON object of can_* the person had; NULL: unrestricted
    until_date  BIGINT,                              -- when that earlier restriction would have ended; NULL: never
    created_at  DOUBLE PRECISION NOT NULL,
    updated_at  DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (group_id, user_id)
);
CREATE INDEX IF NOT EXISTS restrictions_user_id ON restrictions (user_id);

-- The one live notice of a group.
CREATE TABLE IF NOT EXISTS notices (
    group_id   BIGINT PRIMARY KEY,
    message_id BIGINT,                               -- NULL while it is being sent
    people     TEXT NOT NULL,                        -- a JSON array of [user_id, name], oldest first
    state      TEXT NOT NULL,                        -- sending, live
    version    BIGINT NOT NULL,
    expires_at DOUBLE PRECISION NOT NULL,
    updated_at DOUBLE PRECISION NOT NULL
);

-- Updates that were acknowledged before their flow had ended.
CREATE TABLE IF NOT EXISTS pending_updates (
    update_id    BIGINT PRIMARY KEY,
    payload      TEXT NOT NULL,                      -- the update as Telegram sent it
    attempts     BIGINT NOT NULL DEFAULT 0,          -- failures of the flow's own, decision by count
    available_at DOUBLE PRECISION NOT NULL,          -- not before
    claimed_by   TEXT,                               -- the instance at work on it
    claimed_to   DOUBLE PRECISION,                   -- until then
    created_at   DOUBLE PRECISION NOT NULL
);
CREATE INDEX IF NOT EXISTS pending_updates_available_at ON pending_updates (available_at);
