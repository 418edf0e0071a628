-- The effect of kind $2 of the event at $1, if it is open, and what decides whether it is still true. A process
-- of the release before notes no doubt of its attempts: they are looked at like others.
SELECT
    effects.position, effects.kind, effects.state, effects.attempts,
    extract(epoch FROM clock_timestamp() - effects.attempted_at)::float8 AS attempted_ago,
    coalesce(
        effects.look_again_at,
        CASE WHEN effects.kind <> 'notice' THEN effects.attempted_at + interval '30 seconds' END
    ) AS look_again_at,
    effects.looks, effects.receipt ->> 'role_name' AS role_name,
    events.recorded_at, events.data, events.source,
    encode(events.hash, 'hex') AS hash, actor.user_id AS actor_id, events.command_id,
    streams.guild_id, people.user_id, streams.role_id,
    role_timers.id IS NOT NULL AS has_row,
    CASE WHEN NOT role_timers.paused THEN role_timers.expires_at END AS runs_until,
    (
        SELECT min(told::integer) FROM jsonb_object_keys(role_timers.warnings_sent) AS told
        WHERE told ~ '^[0-9]{1,9}$'
    ) AS nearest_warned
FROM effects
JOIN events USING (position)
JOIN streams ON streams.stream_id = effects.stream_id
JOIN people USING (person_id)
LEFT JOIN people AS actor ON actor.person_id = events.actor
LEFT JOIN role_timers ON role_timers.id = effects.stream_id
WHERE effects.position = $1 AND effects.kind = $2 AND effects.state IN ('owed', 'stuck')
    AND streams.guild_id NOT IN (SELECT guild_id FROM parked_servers)
