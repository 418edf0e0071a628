-- What was done since $1 in the server $2 and for the role $3 (NULL: in all, for all): a row a day (UTC), a
-- row a role, and one for all of it, with neither. Renewed: set, where the stream had events before.
WITH done AS MATERIALIZED (
    SELECT
        (events.recorded_at AT TIME ZONE 'UTC')::date AS day, streams.guild_id, streams.role_id,
        events.version,
        CASE WHEN strpos(events.data::text, chr(92)) = 0 THEN events.data ->> 'type' END AS type
    FROM events
    JOIN streams USING (stream_id)
    WHERE events.recorded_at >= $1
        AND ($2::text IS NULL OR streams.guild_id = $2)
        AND ($3::text IS NULL OR streams.role_id = $3)
)
SELECT
    day, guild_id, role_id,
    count(*) FILTER (WHERE type = 'TimerSet') AS set,
    count(*) FILTER (WHERE type = 'TimerSet' AND version > 1) AS renewed,
    count(*) FILTER (WHERE type = 'TimeAdded') AS extended,
    count(*) FILTER (WHERE type = 'Paused') AS paused,
    count(*) FILTER (WHERE type IN ('Expired', 'Cleared')) AS ended
FROM done
GROUP BY GROUPING SETS ((day), (guild_id, role_id), ())
ORDER BY day, guild_id, role_id
