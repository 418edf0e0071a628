-- The log up to position $1, oldest first; the four texts that the hash covers stand together. Of a stream's first
-- event also whose timer it is.
SELECT
    position, stream_id, version, ordinal, recorded_at,
    data, actor::text, source, command_id,
    hash,
    CASE WHEN version = 1 THEN (
        SELECT
            int4send(person_id) || int4send(octet_length(convert_to(role_id, 'UTF8')))
            || convert_to(role_id, 'UTF8')
        FROM streams WHERE streams.stream_id = events.stream_id
    ) END
FROM events
WHERE position <= $1
ORDER BY position
