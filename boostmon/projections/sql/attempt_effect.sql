-- Note, before Discord is asked, that the effect of kind $2 of the event at $1 is attempted.
UPDATE effects SET attempts = attempts + 1, attempted_at = clock_timestamp()
WHERE position = $1 AND kind = $2 AND state IN ('owed', 'stuck')
