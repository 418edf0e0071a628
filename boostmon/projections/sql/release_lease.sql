-- Let go of the lease $1 that $2 holds.
UPDATE lease SET holder = NULL, expires_at = '-infinity' WHERE name = $1 AND holder = $2
