-- Write the rows in $1 (JSON) of the streams that still stand at the version folded.
INSERT INTO role_timers (
    id, user_id, role_id, expires_at, warn_channel_id, paused, paused_at, paused_remaining_ms,
    warnings_sent, created_at, updated_at, guild_id, version, next_due_at
)
SELECT
    s.stream_id, p.user_id, s.role_id, image.expires_at, image.warn_channel_id, image.paused,
    image.paused_at, image.paused_remaining_ms, image.warnings_sent,
    timestamp 'epoch' + image.created_at * interval '1 ms',
    timestamp 'epoch' + image.updated_at * interval '1 ms',
    s.guild_id, image.version, image.next_due_at
FROM json_to_recordset($1::json) AS image (
    id integer, version integer, expires_at bigint, warn_channel_id text, paused boolean,
    paused_at bigint, paused_remaining_ms bigint, warnings_sent jsonb, created_at bigint,
    updated_at bigint, next_due_at bigint
)
JOIN streams AS s ON s.stream_id = image.id
JOIN people AS p USING (person_id)
WHERE image.version = (SELECT max(e.version) FROM events AS e WHERE e.stream_id = image.id)
ON CONFLICT (user_id, role_id) DO UPDATE SET
    id = excluded.id,
    expires_at = excluded.expires_at,
    warn_channel_id = excluded.warn_channel_id,
    paused = excluded.paused,
    paused_at = excluded.paused_at,
    paused_remaining_ms = excluded.paused_remaining_ms,
    warnings_sent = excluded.warnings_sent,
    created_at = excluded.created_at,
    updated_at = excluded.updated_at,
    guild_id = excluded.guild_id,
    version = excluded.version,
    next_due_at = excluded.next_due_at
