-- The roles of the server $1 that have timers.
SELECT DISTINCT role_id FROM role_timers WHERE guild_id = $1
