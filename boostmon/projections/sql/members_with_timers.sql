-- The next members with timers of the server $1 after the user $2, at most $3: the roles that each is to hold,
-- the streams of those that were imported and never given, and what was found of them and waits for somebody.
SELECT
    t.user_id, array_agg(t.role_id ORDER BY t.id) AS role_ids,
    array_agg(t.id ORDER BY t.id) FILTER (WHERE NOT EXISTS (
        SELECT FROM events JOIN effects USING (position)
        WHERE events.stream_id = t.id AND effects.kind = 'give_role'
    )) AS never_given,
    array_agg(t.role_id) FILTER (WHERE d.found = 'import_not_held') AS reported,
    min(d.found_at) FILTER (WHERE d.found = 'import_not_held') AS reported_at,
    coalesce(bool_or(d.found = 'too_many_taken'), false) AS held_back
FROM role_timers AS t
LEFT JOIN differences AS d ON d.stream_id = t.id AND d.decided_at IS NULL AND NOT EXISTS (
    SELECT FROM events
    WHERE events.stream_id = t.id AND events.position > d.position AND events.source <> 'sweeper'
)
WHERE t.guild_id = $1 AND t.user_id > $2
GROUP BY t.user_id
ORDER BY t.user_id
LIMIT $3
