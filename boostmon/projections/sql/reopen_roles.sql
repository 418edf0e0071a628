-- Owe the newest role change of each timer of the member $2 of the server $1 again, unless it was done
-- within the last $3 seconds. A role that was really taken is left alone: who holds it now was given it since.
WITH reopened AS (
UPDATE effects SET state = 'owed', due_at = clock_timestamp(), done_at = NULL, receipt = NULL
FROM (
    SELECT DISTINCT ON (effects.stream_id) effects.position, effects.kind, effects.state, effects.receipt
    FROM effects
    JOIN streams USING (stream_id)
    JOIN people USING (person_id)
    WHERE streams.guild_id = $1 AND people.user_id = $2
        AND effects.kind IN ('give_role', 'take_role')
    ORDER BY effects.stream_id, effects.position DESC
) AS newest
WHERE effects.position = newest.position AND effects.kind = newest.kind
    AND newest.state IN ('done', 'superseded')
    AND (newest.kind = 'give_role' OR newest.receipt ? 'reason')
    AND effects.done_at < clock_timestamp() - $3::float8 * interval '1 second'
RETURNING effects.position
)
SELECT position, pg_notify('boostmon_log', '') FROM reopened
