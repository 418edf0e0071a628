-- Up to $2 events later than the position $1, oldest first.
SELECT
    position, (extract(epoch FROM recorded_at) * 1000)::bigint AS recorded_at, type, guild_id, user_id, role_id,
    version, data::text AS data, metadata ->> 'actor_id' AS actor_id, metadata ->> 'source' AS source, command_id
FROM event_log
WHERE position > $1
ORDER BY position
LIMIT $2
