-- For how many seconds yet no channel of direct messages may be opened, with $1 in any $2 seconds; at 0 one is
-- counted, by whichever process it is asked for. What seems to have been asked for later than now, since a clock went
-- back, counts as asked for now.
WITH known AS (
    SELECT
        closed_until,
        ARRAY(
            SELECT least(at, clock_timestamp()) FROM unnest(asked_at) WITH ORDINALITY AS asked (at, place) ORDER BY place
        ) AS asked_at
    FROM openings FOR UPDATE
), judged AS (
    SELECT
        asked_at,
        greatest(
            0,
            extract(epoch FROM closed_until - clock_timestamp()),
            $2::float8 - extract(epoch FROM clock_timestamp() - asked_at[$1::int])
        )::float8 AS seconds
    FROM known
)
UPDATE openings
SET asked_at = CASE
    WHEN judged.seconds = 0 THEN (array_prepend(clock_timestamp(), judged.asked_at))[1:$1::int]
    ELSE judged.asked_at
END
FROM judged
RETURNING judged.seconds
