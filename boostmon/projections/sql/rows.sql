-- The rows $1 of the read model (NULL: all) beside what its stream says of whose timer it is.
SELECT
    t.id, t.user_id, t.role_id, t.guild_id, t.version, t.expires_at, t.warn_channel_id, t.paused,
    t.paused_at, t.paused_remaining_ms, t.warnings_sent, t.created_at, t.updated_at, t.next_due_at,
    p.user_id AS log_user_id, s.role_id AS log_role_id, s.guild_id AS log_guild_id
FROM role_timers AS t
LEFT JOIN streams AS s ON s.stream_id = t.id
LEFT JOIN people AS p USING (person_id)
WHERE $1::integer[] IS NULL OR t.id = ANY ($1)
ORDER BY t.id
