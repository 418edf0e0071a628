-- Note that what was found of the streams $1 waits for nobody any more.
UPDATE differences SET decided_at = clock_timestamp() WHERE stream_id = ANY ($1::integer[]) AND decided_at IS NULL
