-- Those of the commands $1 that are recorded.
SELECT command_id FROM events WHERE command_id = ANY ($1::text[]) AND ordinal = 0
