-- The members whose role changes are in doubt and who are to be read again by now, at most $2; none waits
-- for longer than $1 seconds, whatever the clock has done meanwhile.
SELECT streams.guild_id, people.user_id
FROM effects
JOIN streams USING (stream_id)
JOIN people USING (person_id)
WHERE effects.look_again_at IS NOT NULL AND NOT (
    effects.look_again_at > clock_timestamp()
    AND effects.look_again_at <= clock_timestamp() + $1::float8 * interval '1 second'
)
    AND streams.guild_id NOT IN (SELECT guild_id FROM parked_servers)
GROUP BY streams.guild_id, people.user_id
ORDER BY min(effects.look_again_at)
LIMIT $2
