-- Close, unsent, the open notices of the server $1 that were decided before $2, in epoch milliseconds of timer time.
UPDATE effects
SET state = 'done', done_at = clock_timestamp(), last_error = NULL, attempted_at = NULL,
    receipt = jsonb_build_object(
        'reason',
        CASE WHEN attempted_at IS NULL THEN '' ELSE 'an attempt may have sent it; ' END
            || 'more than an hour old when BoostMon was back'
    )
FROM events, streams
WHERE events.position = effects.position AND streams.stream_id = effects.stream_id
    AND streams.guild_id = $1 AND effects.kind = 'notice' AND effects.state IN ('owed', 'stuck')
    AND CASE
        WHEN strpos(events.data::text, chr(92)) = 0 AND events.data ->> 'at' ~ '^[0-9]{1,15}$'
        THEN (events.data ->> 'at')::bigint < $2 ELSE true
    END
