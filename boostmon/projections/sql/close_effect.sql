-- Close the open effect of kind $2 of the event at $1 as $3, with the receipt $4 (JSON).
WITH closed AS (
    UPDATE effects
    SET state = $3, receipt = $4::jsonb, done_at = clock_timestamp(), last_error = NULL,
        attempted_at = NULL
    WHERE position = $1 AND kind = $2 AND state IN ('owed', 'stuck')
    RETURNING position
)
SELECT pg_notify('boostmon_effects', position::text) FROM closed
