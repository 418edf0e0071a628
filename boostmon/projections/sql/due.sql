-- Up to $4 timers due by $1, in the order of (next_due_at, id), behind ($2, $3).
SELECT id, version, guild_id, user_id, role_id, next_due_at
FROM role_timers
WHERE next_due_at <= $1 AND (next_due_at, id) > ($2::bigint, $3::integer)
ORDER BY next_due_at, id
LIMIT $4
