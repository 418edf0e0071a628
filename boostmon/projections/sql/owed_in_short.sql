-- How many effects wait for Discord, and those that are stuck, oldest first.
SELECT
    count(*) FILTER (WHERE effects.state = 'owed') AS waiting,
    coalesce(jsonb_agg(jsonb_build_object(
        'user_id', people.user_id, 'role_id', streams.role_id, 'kind', effects.kind, 'last_error', effects.last_error
    ) ORDER BY effects.position, effects.kind) FILTER (WHERE effects.state = 'stuck'), '[]')::text AS stuck
FROM effects
JOIN streams USING (stream_id)
JOIN people USING (person_id)
WHERE effects.state IN ('owed', 'stuck')
    AND streams.guild_id NOT IN (SELECT guild_id FROM parked_servers)
