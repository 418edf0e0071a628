-- Tell all processes $1.
SELECT pg_notify('boostmon_log', $1::text)
