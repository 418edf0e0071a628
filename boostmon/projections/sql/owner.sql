-- The application whose database this is.
SELECT application_id FROM application
