-- What Discord is owed for the timers of the person $1, each timer's oldest first; refused: it was tried in
-- vain, and nothing will come of it before somebody acts. in_doubt: it is settled, but Discord may still carry
-- out what was given up, so that the member is to be read again; an hour later nobody waits for that any more.
SELECT
    effects.stream_id, streams.guild_id, streams.role_id, effects.kind, effects.state, effects.last_error,
    effects.state = 'stuck' AND effects.due_at > clock_timestamp() AS refused,
    effects.state NOT IN ('owed', 'stuck') AS in_doubt
FROM people
JOIN streams USING (person_id)
JOIN effects USING (stream_id)
WHERE people.user_id = $1 AND (
    effects.state IN ('owed', 'stuck')
    OR (
        effects.look_again_at IS NOT NULL
        AND abs(extract(epoch FROM clock_timestamp() - effects.done_at)) < 3600
    )
)
ORDER BY effects.stream_id, effects.position, effects.kind = 'notice'
