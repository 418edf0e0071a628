-- Whose timers the streams $1 are.
SELECT s.stream_id, s.guild_id, p.user_id, s.role_id
FROM streams AS s JOIN people AS p USING (person_id)
WHERE s.stream_id = ANY ($1::integer[])
ORDER BY s.stream_id
