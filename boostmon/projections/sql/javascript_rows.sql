-- Every row of the role_timers of another bot as JSON, whichever columns it has.
SELECT to_json(t)::text AS document FROM role_timers AS t ORDER BY user_id, role_id
