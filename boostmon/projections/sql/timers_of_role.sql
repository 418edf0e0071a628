-- The timers of the role $2 of the server $1.
SELECT id, user_id, role_id, version FROM role_timers WHERE guild_id = $1 AND role_id = $2 ORDER BY id
