-- Give the lease $1 to $2 for $3 seconds, if it is free, over, or theirs already.
UPDATE lease SET holder = $2, expires_at = clock_timestamp() + $3::float8 * interval '1 second'
WHERE name = $1 AND (holder = $2 OR expires_at < clock_timestamp())
RETURNING name
