-- Every event of the streams of the users $1 and roles $2, pair by pair; a stream's oldest first.
SELECT wanted.number, found.guild_id, found.data, found.version, found.position, found.command_id
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (user_id, role_id, number)
CROSS JOIN LATERAL (
    SELECT s.guild_id, e.data, e.version, e.position, e.command_id
    FROM streams AS s JOIN events AS e USING (stream_id)
    WHERE s.role_id = wanted.role_id AND s.person_id = (
        SELECT p.person_id FROM people AS p WHERE p.user_id = wanted.user_id
    )
    ORDER BY e.version
    OFFSET 0 -- a stream at a time: the planner knows little of a table that has just grown
) AS found
