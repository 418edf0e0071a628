"""Turns at what only one process at a time may do, whoever else holds the lock for it."""

# Any account can hold an advisory lock. Somebody who could not do the work is in nobody's way: the
# turn is had without the lock while such an account holds it, and nobody of ours does.
TRY = """
WITH wanted (key) AS (SELECT {key}), holders AS (
    SELECT pg_has_role(activity.usesysid, current_user, 'MEMBER') AS is_ours
    FROM wanted, pg_locks AS locks
    JOIN pg_stat_activity AS activity
        ON activity.pid = locks.pid AND activity.datid = locks.database
    WHERE locks.locktype = 'advisory' AND locks.granted AND locks.objsubid = 1
        AND (locks.classid::bigint << 32) | locks.objid::bigint = key
)
SELECT pg_try_advisory_lock(key)
    OR EXISTS (SELECT FROM holders) AND NOT EXISTS (SELECT FROM holders WHERE is_ours)
FROM wanted
"""


def turn(key: str) -> str:
    """Return the question whether one's turn has come, by the lock *key*: SQL of ours."""
    return TRY.format(key=key)
