-- The hash of the event at position $1.
SELECT hash FROM events WHERE position = $1::bigint
