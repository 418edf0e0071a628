-- Owe the effect of kind $2 of the event at $1 again, if it is still as it was settled at $3, and still about
-- the user $4, who may have been erased meanwhile.
UPDATE effects
SET state = 'owed', due_at = clock_timestamp(), done_at = NULL, receipt = NULL, last_error = NULL
FROM streams, people
WHERE effects.position = $1 AND effects.kind = $2 AND effects.state IN ('done', 'superseded')
    AND effects.done_at = $3
    AND streams.stream_id = effects.stream_id AND people.person_id = streams.person_id AND people.user_id = $4
RETURNING effects.position
