-- Whether nothing was ever recorded here.
SELECT NOT EXISTS (SELECT FROM people) AND NOT EXISTS (SELECT FROM events) AND NOT EXISTS (SELECT FROM role_timers)
