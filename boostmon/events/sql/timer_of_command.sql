-- The timer of the command $1, if that is recorded.
SELECT guild_id, user_id, role_id
FROM events
JOIN streams USING (stream_id)
JOIN people USING (person_id)
WHERE command_id = $1 AND ordinal = 0
