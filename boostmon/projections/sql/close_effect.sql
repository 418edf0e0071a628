-- Close the open effect of kind $2 of the event at $1 as $3, with the receipt $4 (JSON). What came of this
-- attempt is known: an earlier doubt, if there was one, is to be looked at again at $5, after $6 looks; or not for
-- sure: the member is read again in $7 seconds. The receipt of a role change says when its last attempt was begun.
WITH closed AS (
    UPDATE effects
    SET state = $3, done_at = clock_timestamp(), last_error = NULL, attempted_at = NULL,
        receipt = CASE
            WHEN kind <> 'notice' AND attempted_at IS NOT NULL
            THEN $4::jsonb || jsonb_build_object('asked_at', attempted_at)
            ELSE $4::jsonb
        END,
        look_again_at = coalesce(clock_timestamp() + $7::float8 * interval '1 second', $5),
        looks = CASE WHEN $7 IS NULL THEN $6 ELSE 0 END
    WHERE position = $1 AND kind = $2 AND state IN ('owed', 'stuck')
    RETURNING position
)
SELECT pg_notify('boostmon_effects', position::text) FROM closed
