-- Let go of the lease $1 that $2 holds; it is free for others in $3 seconds.
UPDATE lease SET holder = NULL, expires_at = clock_timestamp() + $3::float8 * interval '1 second'
WHERE name = $1 AND holder = $2
