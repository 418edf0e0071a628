-- Note that the stream $1 was found to differ as $2, with its newest event at $3; $4: it waits for somebody.
INSERT INTO differences (stream_id, found, position, decided_at)
VALUES ($1, $2, $3, CASE WHEN NOT $4::boolean THEN clock_timestamp() END)
ON CONFLICT (stream_id) DO UPDATE SET
    found = excluded.found, position = excluded.position, found_at = clock_timestamp(),
    decided_at = excluded.decided_at
