-- Note, before Discord is asked, that the effect of kind $2 of the event at $1 is attempted, by a notice
-- that calls the role $3. A role change is in doubt from here on: its member is read again in $4 seconds.
UPDATE effects
SET attempts = attempts + 1, attempted_at = clock_timestamp(),
    receipt = jsonb_build_object('role_name', $3::text),
    look_again_at = clock_timestamp() + $4::float8 * interval '1 second', looks = 0
WHERE position = $1 AND kind = $2 AND state IN ('owed', 'stuck')
RETURNING position
