-- Note that the streams $1 were looked at: what was due to be read again is so again after the next of the
-- pauses $2 (seconds), and in doubt no more after the last. None waits for longer than $3 seconds.
UPDATE effects
SET looks = looks + 1,
    look_again_at = clock_timestamp() + ($2::float8[])[looks + 1] * interval '1 second'
WHERE stream_id = ANY ($1::integer[]) AND look_again_at IS NOT NULL AND NOT (
    look_again_at > clock_timestamp()
    AND look_again_at <= clock_timestamp() + $3::float8 * interval '1 second'
)
