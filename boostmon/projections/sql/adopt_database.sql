-- Hand the database over to the application $1.
INSERT INTO application (application_id) VALUES ($1)
ON CONFLICT (is_the_only_one) DO UPDATE SET application_id = excluded.application_id, since = clock_timestamp()
