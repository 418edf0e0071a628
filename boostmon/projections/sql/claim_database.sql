-- Let the database be that of the application $1, unless it is another's already.
INSERT INTO application (application_id) VALUES ($1) ON CONFLICT DO NOTHING
