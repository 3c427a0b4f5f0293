"""Work that outlives the flow that began it, and effects that happen once."""

CLAIM_EFFECT = """
INSERT INTO effects (key, claimed_at) VALUES (?, ?) ON CONFLICT (key) DO NOTHING
"""

RELEASE_EFFECT = "DELETE FROM effects WHERE key = ?"

FORGET_EFFECTS = "DELETE FROM effects WHERE claimed_at < ? AND SUBSTR(key, 1, ?) = ?"

# One that is there keeps its claim: whoever is at work on it learns of this when it ends.
ADD_JOB = """
INSERT INTO jobs (kind, key, payload, version, attempts, available_at, created_at)
VALUES (?, ?, ?, ?, 0, ?, ?)
ON CONFLICT (kind, key) DO UPDATE SET
    payload = excluded.payload, version = jobs.version + 1, attempts = 0,
    available_at = excluded.available_at
"""

DUE_JOBS = """
SELECT kind, key, CAST(payload AS TEXT), version, attempts, available_at FROM jobs
WHERE available_at <= ? AND (claimed_by IS NULL OR claimed_to <= ?)
ORDER BY available_at, kind, key LIMIT ?
"""

CLAIM_JOB = """
UPDATE jobs SET claimed_by = ?, claimed_to = ?, claimed_version = version
WHERE kind = ? AND key = ?
"""

EXTEND_JOB_CLAIMS = "UPDATE jobs SET claimed_to = ? WHERE claimed_by = ?"

SAVE_JOB = "UPDATE jobs SET payload = ? WHERE kind = ? AND key = ? AND version = ?"

POSTPONE_JOB = """
UPDATE jobs SET attempts = ?, available_at = ?, claimed_by = NULL, claimed_to = NULL
WHERE kind = ? AND key = ? AND version = ?
"""

FINISH_JOB = "DELETE FROM jobs WHERE kind = ? AND key = ? AND version = ?"

# Gives back a claim on a version that is no longer the job's; a later claim is another's.
GIVE_JOB_BACK = """
UPDATE jobs SET claimed_by = NULL, claimed_to = NULL
WHERE kind = ? AND key = ? AND claimed_version = ?
"""

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

EXTEND_UPDATE_CLAIMS = "UPDATE pending_updates SET claimed_to = ? WHERE claimed_by = ?"

POSTPONE_UPDATE = """
UPDATE pending_updates
SET attempts = ?, available_at = ?, claimed_by = NULL, claimed_to = NULL
WHERE update_id = ?
"""

FINISH_UPDATE = "DELETE FROM pending_updates WHERE update_id = ?"
