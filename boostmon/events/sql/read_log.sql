-- The log up to position $1, oldest first; the four texts that the hash covers stand together.
SELECT
    position, stream_id, version, ordinal, recorded_at,
    data, actor::text, source, command_id,
    hash
FROM events
WHERE position <= $1
ORDER BY position
