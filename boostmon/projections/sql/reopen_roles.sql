-- Owe the newest role change of each timer of the member $2 of the server $1 again.
UPDATE effects SET state = 'owed', due_at = clock_timestamp(), done_at = NULL, receipt = NULL
FROM (
    SELECT DISTINCT ON (effects.stream_id) effects.position, effects.kind, effects.state
    FROM effects
    JOIN streams USING (stream_id)
    JOIN people USING (person_id)
    WHERE streams.guild_id = $1 AND people.user_id = $2
        AND effects.kind IN ('give_role', 'take_role')
    ORDER BY effects.stream_id, effects.position DESC
) AS newest
WHERE effects.position = newest.position AND effects.kind = newest.kind
    AND newest.state IN ('done', 'superseded')
RETURNING effects.position
