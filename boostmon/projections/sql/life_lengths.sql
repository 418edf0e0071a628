-- How long the lives of timers were (median, in milliseconds of timer time) that ended since $1 in the server
-- $2 and for the role $3 (NULL: in all, for all): a row a day (UTC), a row a role, and one for all of it, with neither.
-- A life begins with the event behind the end of the one before.
WITH ends AS MATERIALIZED (
    SELECT
        events.stream_id, events.version, streams.guild_id, streams.role_id,
        (events.recorded_at AT TIME ZONE 'UTC')::date AS day,
        CASE WHEN events.data ->> 'at' ~ '^[0-9]{1,15}$' THEN (events.data ->> 'at')::bigint END AS at
    FROM events
    JOIN streams USING (stream_id)
    WHERE events.recorded_at >= $1
        AND ($2::text IS NULL OR streams.guild_id = $2)
        AND ($3::text IS NULL OR streams.role_id = $3)
        AND CASE WHEN strpos(events.data::text, chr(92)) = 0 THEN events.data ->> 'type' END
            IN ('Expired', 'Cleared')
), lives AS (
    SELECT ends.day, ends.guild_id, ends.role_id, ends.at - CASE
        WHEN strpos(began.data::text, chr(92)) = 0 AND began.data ->> 'at' ~ '^[0-9]{1,15}$'
        THEN (began.data ->> 'at')::bigint
    END AS length
    FROM ends
    LEFT JOIN LATERAL (
        SELECT earlier.version
        FROM events AS earlier
        WHERE earlier.stream_id = ends.stream_id AND earlier.version < ends.version
            AND CASE WHEN strpos(earlier.data::text, chr(92)) = 0 THEN earlier.data ->> 'type' END
                IN ('Expired', 'Cleared')
        ORDER BY earlier.version DESC
        LIMIT 1
    ) AS last_end ON true
    JOIN events AS began
        ON began.stream_id = ends.stream_id AND began.version = coalesce(last_end.version, 0) + 1
)
SELECT
    day, guild_id, role_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY length) AS median_ms
FROM lives
GROUP BY GROUPING SETS ((day), (guild_id, role_id), ())
