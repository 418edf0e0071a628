-- The whole log, oldest first.
SELECT position, stream_id, version, data, actor, source, command_id, ordinal, recorded_at, hash
FROM events ORDER BY position
