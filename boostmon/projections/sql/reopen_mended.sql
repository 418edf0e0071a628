-- Owe the takes again that were closed as superseded while rows stood there by hand, of the streams $1 whose rows
-- a replay has deleted, if nothing was recorded since. No other effect: what was done stays done.
WITH reopened AS (
    UPDATE effects
    SET state = 'owed', due_at = clock_timestamp(), done_at = NULL, receipt = NULL
    WHERE stream_id = ANY ($1::integer[]) AND kind = 'take_role' AND state = 'superseded'
        AND position = (SELECT max(events.position) FROM events WHERE events.stream_id = effects.stream_id)
    RETURNING position
)
SELECT position, pg_notify('boostmon_log', '') FROM reopened
