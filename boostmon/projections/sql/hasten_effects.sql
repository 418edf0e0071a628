-- Have everything that is owed in the server $1 tried again now.
UPDATE effects SET due_at = clock_timestamp()
FROM streams
WHERE streams.stream_id = effects.stream_id AND streams.guild_id = $1
    AND effects.state IN ('owed', 'stuck')
