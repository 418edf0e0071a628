-- Every event later than the position $1, oldest first, each as one JSON object on one line.
--
-- The hash covers the exact text of `data`, which row_to_json leaves as it is. A text with a line break,
-- which BoostMon never writes, is told as a string.
SELECT row_to_json(exported)
FROM (
    SELECT
        events.position,
        encode(events.hash, 'hex') AS hash,
        to_char(events.recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS recorded_at,
        events.stream_id AS stream,
        events.version,
        streams.guild_id,
        streams.person_id AS person,
        person.user_id,
        streams.role_id,
        events.source,
        events.actor,
        actor.user_id AS actor_id,
        events.command_id,
        events.ordinal,
        CASE WHEN events.data::text ~ ('[' || chr(10) || chr(13) || ']') THEN to_json(events.data::text) ELSE events.data END AS data
    FROM events
    JOIN streams USING (stream_id)
    JOIN people AS person USING (person_id)
    LEFT JOIN people AS actor ON actor.person_id = events.actor
    WHERE events.position > $1::bigint
    ORDER BY events.position
) AS exported
