-- The newest $1 events, oldest first, each with the hash of the one before.
SELECT
    position, stream_id, version, ordinal, recorded_at, data::text, actor::text, source, command_id, hash,
    coalesce((SELECT before.hash FROM events AS before WHERE before.position = newest.position - 1), '') AS previous
FROM (SELECT * FROM events ORDER BY position DESC LIMIT $1) AS newest
ORDER BY position
