-- For how many seconds yet no channel of direct messages is opened, also for ever; 0: they are.
SELECT greatest(0, extract(epoch FROM closed_until)::float8 - extract(epoch FROM clock_timestamp())::float8) AS seconds
FROM openings
