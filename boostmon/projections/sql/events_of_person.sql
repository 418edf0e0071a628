-- Every event of the streams of the person $1, each stream's oldest first.
SELECT events.stream_id, events.data
FROM people
JOIN streams USING (person_id)
JOIN events USING (stream_id)
WHERE people.user_id = $1
ORDER BY events.stream_id, events.version
