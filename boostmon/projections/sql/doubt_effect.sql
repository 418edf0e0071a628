-- Doubt what became of the effect of kind $2 of the event at $1, whatever its state is: its member is read again
-- in $3 seconds.
UPDATE effects SET look_again_at = clock_timestamp() + $3::float8 * interval '1 second', looks = 0
WHERE position = $1 AND kind = $2 AND kind <> 'notice'
