-- Who holds the lease $1, which writing has made it so, and how many seconds lie before its time.
SELECT holder, xmin::text AS writing, extract(epoch FROM expires_at - clock_timestamp())::float8 AS ahead
FROM lease WHERE name = $1
