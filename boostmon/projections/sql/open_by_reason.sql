-- What Discord is owed in the server $1 and for the role $2 (NULL: in all, for all), those together that wait for
-- the same, the oldest first.
SELECT
    effects.state, streams.guild_id, streams.role_id, effects.kind, effects.last_error AS reason,
    count(*) AS count, min(events.recorded_at) AS since, min(effects.due_at) AS due_at
FROM effects
JOIN events USING (position)
JOIN streams ON streams.stream_id = effects.stream_id
WHERE effects.state IN ('owed', 'stuck')
    AND streams.guild_id NOT IN (SELECT guild_id FROM parked_servers)
    AND ($1::text IS NULL OR streams.guild_id = $1)
    AND ($2::text IS NULL OR streams.role_id = $2)
GROUP BY effects.state, streams.guild_id, streams.role_id, effects.kind, effects.last_error
ORDER BY since, guild_id, role_id, kind
