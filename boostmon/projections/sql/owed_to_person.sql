-- What Discord is owed for the timers of the person $1, each timer's oldest first; refused: it was tried in
-- vain, and nothing will come of it before somebody acts.
SELECT
    effects.stream_id, streams.guild_id, streams.role_id, effects.kind, effects.state, effects.last_error,
    effects.state = 'stuck' AND effects.due_at > clock_timestamp() AS refused
FROM people
JOIN streams USING (person_id)
JOIN effects USING (stream_id)
WHERE people.user_id = $1 AND effects.state IN ('owed', 'stuck')
ORDER BY effects.stream_id, effects.position, effects.kind = 'notice'
