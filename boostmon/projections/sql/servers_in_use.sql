-- The servers that have timers, or to which something is owed.
SELECT guild_id FROM role_timers
UNION
SELECT streams.guild_id FROM effects JOIN streams USING (stream_id) WHERE effects.state IN ('owed', 'stuck')
