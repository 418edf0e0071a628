-- Close the open effects of the events at $1 and of the kinds $2, pair by pair: nothing can come of them, for $3.
WITH closed AS (
    UPDATE effects
    SET state = 'done', done_at = clock_timestamp(), last_error = NULL, attempted_at = NULL,
        receipt = jsonb_build_object('reason', $3::text), look_again_at = NULL
    FROM unnest($1::bigint[], $2::text[]) AS over (position, kind)
    WHERE effects.position = over.position AND effects.kind = over.kind
        AND effects.state IN ('owed', 'stuck')
    RETURNING effects.position
)
SELECT pg_notify('boostmon_effects', position::text) FROM closed
