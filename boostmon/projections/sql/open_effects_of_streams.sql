-- What Discord is owed for the streams $1, oldest first.
SELECT
    effects.position, effects.kind, effects.stream_id, effects.state, effects.attempts, effects.last_error,
    streams.guild_id, people.user_id,
    streams.role_id, events.command_id, events.source, events.data,
    CASE WHEN strpos(events.data::text, chr(92)) = 0 THEN events.data ->> 'warn_channel_id' END AS channel_id,
    role_timers.id IS NOT NULL AS has_row,
    CASE WHEN NOT role_timers.paused THEN role_timers.expires_at END AS runs_until,
    greatest(0, extract(epoch FROM effects.due_at) - extract(epoch FROM clock_timestamp()))::float8 AS due_in,
    (extract(epoch FROM clock_timestamp()) - extract(epoch FROM events.recorded_at))::float8 AS recorded_ago,
    direct_channels.person_id IS NOT NULL AS opened
FROM effects
JOIN events USING (position)
JOIN streams ON streams.stream_id = effects.stream_id
JOIN people USING (person_id)
LEFT JOIN direct_channels USING (person_id)
LEFT JOIN role_timers ON role_timers.id = effects.stream_id
WHERE effects.state IN ('owed', 'stuck') AND effects.stream_id = ANY ($1::integer[])
    AND streams.guild_id NOT IN (SELECT guild_id FROM parked_servers)
ORDER BY effects.position, effects.kind = 'notice'
