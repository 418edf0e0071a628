-- The timers of the member $2 in the server $1, the one that ends first first.
SELECT guild_id, user_id, role_id, expires_at, paused, paused_remaining_ms, warn_channel_id
FROM role_timers
WHERE guild_id = $1 AND user_id = $2
ORDER BY paused, expires_at, id
