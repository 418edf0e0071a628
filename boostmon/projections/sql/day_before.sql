-- When the day (UTC) began that was $1 days before today.
SELECT (date_trunc('day', now() AT TIME ZONE 'UTC') - $1::integer * interval '1 day') AT TIME ZONE 'UTC'
