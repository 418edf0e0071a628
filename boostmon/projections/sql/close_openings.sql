-- Open no channel of direct messages for $1 seconds.
UPDATE openings SET closed_until = clock_timestamp() + $1::float8 * interval '1 second'
