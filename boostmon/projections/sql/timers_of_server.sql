-- The timers of the server $1.
SELECT id AS stream_id, user_id, role_id, version FROM role_timers WHERE guild_id = $1 ORDER BY id
