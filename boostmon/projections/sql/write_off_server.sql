-- Close what Discord is owed in the server $1, for the reason $2, and have none of its members read again.
UPDATE effects SET
    state = CASE WHEN state IN ('owed', 'stuck') THEN 'done' ELSE state END,
    done_at = coalesce(done_at, clock_timestamp()),
    receipt = CASE
        WHEN state IN ('owed', 'stuck') THEN jsonb_build_object('reason', $2::text) ELSE receipt
    END,
    last_error = NULL, attempted_at = NULL, look_again_at = NULL
FROM streams
WHERE streams.stream_id = effects.stream_id AND streams.guild_id = $1
    AND (effects.state IN ('owed', 'stuck') OR effects.look_again_at IS NOT NULL)
