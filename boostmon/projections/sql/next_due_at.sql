-- When the first timer is due that is due later than $1.
SELECT next_due_at FROM role_timers WHERE next_due_at > $1 ORDER BY next_due_at LIMIT 1
