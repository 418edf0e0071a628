-- The streams of the person $1, with the version of the newest event of each.
SELECT streams.stream_id, streams.guild_id, streams.role_id, max(events.version) AS version
FROM people
JOIN streams USING (person_id)
JOIN events USING (stream_id)
WHERE people.user_id = $1
GROUP BY streams.stream_id
ORDER BY streams.stream_id
