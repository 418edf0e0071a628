-- The servers that have timers.
SELECT DISTINCT guild_id FROM role_timers ORDER BY guild_id
