-- Whose timer each stream is.
SELECT s.stream_id, s.guild_id, p.user_id, s.role_id
FROM streams AS s JOIN people AS p USING (person_id)
