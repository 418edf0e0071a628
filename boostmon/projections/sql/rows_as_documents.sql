-- Every row of the read model as one document; its timestamps in epoch milliseconds.
SELECT
    user_id, role_id, guild_id, next_due_at,
    (to_jsonb(t) || jsonb_build_object(
        'created_at', (extract(epoch FROM created_at) * 1000)::bigint,
        'updated_at', (extract(epoch FROM updated_at) * 1000)::bigint
    ))::text AS document
FROM role_timers AS t
ORDER BY id
