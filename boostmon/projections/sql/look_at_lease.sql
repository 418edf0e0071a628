-- Who holds the lease $1, which writing has made it so, and how many seconds lie before its time: of a lease that
-- nobody ever held that is -infinity, which PostgreSQL before 17 subtracts nothing from.
SELECT
    holder, xmin::text AS writing,
    extract(epoch FROM expires_at)::float8 - extract(epoch FROM clock_timestamp())::float8 AS ahead
FROM lease WHERE name = $1
