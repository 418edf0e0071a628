-- How many timers run and are paused in the server $1 and for the role $2 (NULL: in all, for all), role by role.
SELECT
    guild_id, role_id, count(*) FILTER (WHERE NOT paused) AS running,
    count(*) FILTER (WHERE paused) AS on_hold
FROM role_timers
WHERE ($1::text IS NULL OR guild_id = $1) AND ($2::text IS NULL OR role_id = $2)
GROUP BY guild_id, role_id
ORDER BY guild_id, role_id
