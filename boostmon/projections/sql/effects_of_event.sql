-- The effects of the event at $1.
SELECT kind, state, last_error FROM effects WHERE position = $1
