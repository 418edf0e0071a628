-- Note that the take of the event at $1, settled at $2 since the member had left, was done by that: they are back
-- without the role.
UPDATE effects SET receipt = receipt - 'reason' || '{"confirmed": "read from the member"}', look_again_at = NULL
WHERE position = $1 AND kind = 'take_role' AND state = 'done' AND done_at = $2
