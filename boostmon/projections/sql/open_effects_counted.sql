-- How many effects are open, by kind and state, and for how many seconds the oldest has been decided.
WITH open AS (
    SELECT kind, state, count(*) AS number, min(position) AS oldest
    FROM effects JOIN streams USING (stream_id)
    WHERE state IN ('owed', 'stuck') AND guild_id NOT IN (SELECT guild_id FROM parked_servers)
    GROUP BY kind, state
)
SELECT
    open.kind, open.state, open.number,
    extract(epoch FROM clock_timestamp() - events.recorded_at)::float8 AS age
FROM open
JOIN events ON events.position = open.oldest
