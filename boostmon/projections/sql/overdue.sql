-- How many timers were due by $1, and since when the first is.
SELECT count(*) AS timers, min(next_due_at) AS since FROM role_timers WHERE next_due_at <= $1
