-- The position of the newest event; 0 in an empty log.
SELECT coalesce(max(position), 0) FROM events
