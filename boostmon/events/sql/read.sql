-- Every event of the streams of the users $1 and roles $2, pair by pair; a stream's oldest first.
SELECT number, guild_id, data, version, "position", command_id
FROM read_streams($1::text[], $2::text[])
