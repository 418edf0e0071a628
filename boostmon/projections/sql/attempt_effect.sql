-- Note, before Discord is asked, that the effect of kind $2 of the event at $1 is attempted, by a notice
-- that calls the role $3.
UPDATE effects
SET attempts = attempts + 1, attempted_at = clock_timestamp(),
    receipt = jsonb_build_object('role_name', $3::text)
WHERE position = $1 AND kind = $2 AND state IN ('owed', 'stuck')
