-- Every event of the streams of the users $1 and roles $2, pair by pair; a stream's oldest first.
SELECT wanted.number, s.guild_id, e.data, e.version, e.position, e.command_id
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (user_id, role_id, number)
JOIN people AS p USING (user_id)
JOIN streams AS s ON s.person_id = p.person_id AND s.role_id = wanted.role_id
JOIN events AS e USING (stream_id)
ORDER BY wanted.number, e.version
