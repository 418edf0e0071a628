-- The newest $1 events, oldest first, each with the hash of the one before and the name that its own covers, and when
-- it was recorded as its hash covers it: where that was altered, it may be a time that no calendar has.
SELECT
    newest.position, newest.stream_id, version, ordinal, timestamptz_send(recorded_at) AS recorded_at, data::text,
    actor::text, source, command_id, hash,
    coalesce((SELECT before.hash FROM events AS before WHERE before.position = newest.position - 1), '') AS previous,
    CASE WHEN version = 1 AND newest.position > seal.position THEN
        seal.digest || coalesce((
            SELECT
                int4send(person_id) || int4send(octet_length(convert_to(role_id, 'UTF8')))
                || convert_to(role_id, 'UTF8')
            FROM streams WHERE streams.stream_id = newest.stream_id
        ), '')
    ELSE '' END AS named
FROM (SELECT * FROM events ORDER BY position DESC LIMIT $1) AS newest
LEFT JOIN log_seal AS seal ON true
ORDER BY newest.position
