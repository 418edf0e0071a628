-- Close the open effects of the events at $1 and of the kinds $2, pair by pair, as superseded. What is in
-- doubt stays so: Discord may still be doing it, also what a process of the release before has asked for, which
-- notes no doubt.
WITH superseded AS (
    UPDATE effects
    SET state = 'superseded', done_at = clock_timestamp(), last_error = NULL, attempted_at = NULL,
        look_again_at = coalesce(
            effects.look_again_at,
            CASE WHEN effects.kind <> 'notice' THEN effects.attempted_at + interval '30 seconds' END
        )
    FROM unnest($1::bigint[], $2::text[]) AS moot (position, kind)
    WHERE effects.position = moot.position AND effects.kind = moot.kind
        AND effects.state IN ('owed', 'stuck')
    RETURNING effects.position
)
SELECT pg_notify('boostmon_effects', position::text) FROM superseded
