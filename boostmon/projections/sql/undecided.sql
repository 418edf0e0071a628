-- What was found to differ in the server $1 (NULL: in all) and waits for somebody, as the timers stand now.
SELECT
    streams.guild_id, people.user_id, streams.role_id, differences.found, differences.stream_id, differences.found_at
FROM differences
JOIN streams USING (stream_id)
JOIN people USING (person_id)
JOIN role_timers ON role_timers.id = differences.stream_id
WHERE differences.decided_at IS NULL AND ($1::text IS NULL OR streams.guild_id = $1)
    AND NOT EXISTS (
        SELECT FROM events
        WHERE events.stream_id = differences.stream_id AND events.position > differences.position
            AND events.source <> 'sweeper'
    )
ORDER BY streams.guild_id, differences.stream_id
