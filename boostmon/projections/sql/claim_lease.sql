-- Give the lease $1 to $2 for $3 seconds, if it is theirs, or still as the writing $4 has left it, and unless the
-- database is that of another application than $5 (NULL: of any). Only a process of the release before believes
-- the time: it takes the lease when that is over.
UPDATE lease SET holder = $2, expires_at = clock_timestamp() + $3::float8 * interval '1 second'
WHERE name = $1 AND (holder = $2 OR xmin::text = $4)
    AND NOT EXISTS (SELECT FROM application WHERE application_id <> $5)
RETURNING name
