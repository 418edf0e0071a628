-- Keep the open effects of the events at $1 and of the kinds $2, pair by pair, as $3, for $4. They are looked at
-- again in $5 seconds; NULL: when they would have been.
UPDATE effects
SET state = $3, last_error = $4,
    due_at = coalesce(clock_timestamp() + $5::float8 * interval '1 second', effects.due_at)
FROM unnest($1::bigint[], $2::text[]) AS held (position, kind)
WHERE effects.position = held.position AND effects.kind = held.kind
    AND effects.state IN ('owed', 'stuck')
