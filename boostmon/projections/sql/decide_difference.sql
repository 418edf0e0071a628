-- Note that what was found of the stream $1 waits for nobody any more.
UPDATE differences SET decided_at = clock_timestamp() WHERE stream_id = $1 AND decided_at IS NULL
