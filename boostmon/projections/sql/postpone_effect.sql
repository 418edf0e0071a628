-- Keep the open effect of kind $2 of the event at $1 as $3, to be tried again in $4 seconds, for $5;
-- $6: it is open whether this attempt took effect. If not, an earlier doubt, if there was one, is to be looked
-- at again at $7, after $8 looks. Where there was no attempt since there were $9, an earlier one is as open as it was.
WITH postponed AS (
    UPDATE effects
    SET state = $3, due_at = clock_timestamp() + $4::float8 * interval '1 second',
        last_error = $5, attempted_at = CASE WHEN $6::boolean OR attempts = $9 THEN attempted_at END,
        look_again_at = CASE WHEN $6::boolean THEN look_again_at ELSE $7::timestamptz END,
        looks = CASE WHEN $6::boolean THEN looks ELSE $8::smallint END
    WHERE position = $1 AND kind = $2 AND state IN ('owed', 'stuck')
    RETURNING position
)
SELECT pg_notify('boostmon_effects', position::text) FROM postponed
