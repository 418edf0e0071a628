-- The effects of the event at $1.
SELECT kind, state, coalesce(last_error, receipt ->> 'reason') AS last_error FROM effects WHERE position = $1
