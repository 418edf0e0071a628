-- What is stuck for the member $2 in the server $1.
SELECT streams.role_id, effects.kind, effects.last_error
FROM effects
JOIN streams USING (stream_id)
JOIN people USING (person_id)
WHERE effects.state = 'stuck' AND streams.guild_id = $1 AND people.user_id = $2
ORDER BY effects.position
