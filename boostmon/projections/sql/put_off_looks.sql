-- Have the streams $1, which cannot be looked at now, be due for a look in $2 seconds, if they were due. None
-- waits for longer than $3 seconds.
UPDATE effects SET look_again_at = clock_timestamp() + $2::float8 * interval '1 second'
WHERE stream_id = ANY ($1::integer[]) AND look_again_at IS NOT NULL AND NOT (
    look_again_at > clock_timestamp()
    AND look_again_at <= clock_timestamp() + $3::float8 * interval '1 second'
)
