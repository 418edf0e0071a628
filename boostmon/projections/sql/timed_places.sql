-- The roles that have timers and the channels of their notices, server by server, and how many timers.
SELECT guild_id, role_id, warn_channel_id AS channel_id, count(*) AS timers
FROM role_timers
GROUP BY guild_id, role_id, warn_channel_id
ORDER BY guild_id, role_id, warn_channel_id
