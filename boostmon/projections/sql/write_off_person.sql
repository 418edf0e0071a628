-- Close what Discord is owed for the person $1 in the servers $2, for the reason $3.
UPDATE effects SET
    state = CASE WHEN state IN ('owed', 'stuck') THEN 'done' ELSE state END,
    done_at = coalesce(done_at, clock_timestamp()),
    receipt = CASE
        WHEN state IN ('owed', 'stuck') THEN jsonb_build_object('reason', $3::text) ELSE receipt
    END,
    last_error = NULL, attempted_at = NULL, look_again_at = NULL
FROM streams JOIN people USING (person_id)
WHERE streams.stream_id = effects.stream_id AND people.user_id = $1
    AND streams.guild_id = ANY ($2::text[])
    AND (effects.state IN ('owed', 'stuck') OR effects.look_again_at IS NOT NULL)
