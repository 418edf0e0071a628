-- What happened to the timers of the person $1, oldest first, in the server $2 and for the role $3 (NULL: in
-- all, for all), with what Discord was owed for it, of the kinds $4.
SELECT
    events.position, events.recorded_at, streams.stream_id, streams.guild_id, people.user_id, streams.role_id,
    events.version, events.data, events.source, actor.user_id AS actor_id, events.command_id,
    coalesce(owed.effects, '[]') AS effects
FROM people
JOIN streams USING (person_id)
JOIN events USING (stream_id)
LEFT JOIN people AS actor ON actor.person_id = events.actor
LEFT JOIN LATERAL (
    SELECT json_agg(json_build_object(
        'kind', kind, 'state', state, 'attempts', attempts, 'done_at', done_at,
        'last_error', last_error, 'receipt', receipt
    ) ORDER BY kind = 'notice') AS effects
    FROM effects WHERE effects.position = events.position AND effects.kind = ANY ($4::text[])
) AS owed ON true
WHERE people.user_id = $1
    AND ($2::text IS NULL OR streams.guild_id = $2)
    AND ($3::text IS NULL OR streams.role_id = $3)
ORDER BY events.position
