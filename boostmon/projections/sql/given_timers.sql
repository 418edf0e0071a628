-- The timers of the member $2 of the server $1 of whose present life a give_role has its receipt, and
-- for which nothing is owed; given_at is when a give_role was done last.
SELECT
    t.id, t.user_id, t.role_id, t.version,
    (
        SELECT max(done_at) FROM effects
        WHERE effects.stream_id = t.id AND kind = 'give_role' AND state = 'done'
    ) AS given_at
FROM role_timers AS t
WHERE t.guild_id = $1 AND t.user_id = $2
    AND NOT EXISTS (
        SELECT FROM effects WHERE stream_id = t.id AND state IN ('owed', 'stuck')
    )
    AND EXISTS (
        SELECT FROM effects
        WHERE effects.stream_id = t.id AND kind = 'give_role' AND state = 'done'
            AND NOT effects.receipt ? 'reason'
            AND position > coalesce((
                SELECT max(ended.position) FROM events AS ended
                WHERE ended.stream_id = t.id AND ended.data ->> 'type' IN ('Expired', 'Cleared')
            ), 0)
    )
ORDER BY t.id
