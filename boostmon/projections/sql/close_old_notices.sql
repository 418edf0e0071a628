-- Close, unsent, the open notices of the server $1 that are older than an hour.
UPDATE effects
SET state = 'done', done_at = clock_timestamp(), last_error = NULL, attempted_at = NULL,
    receipt = jsonb_build_object('reason', 'more than an hour old when BoostMon was back')
FROM events, streams
WHERE events.position = effects.position AND streams.stream_id = effects.stream_id
    AND streams.guild_id = $1 AND effects.kind = 'notice' AND effects.state IN ('owed', 'stuck')
    AND events.recorded_at < clock_timestamp() - interval '1 hour'
