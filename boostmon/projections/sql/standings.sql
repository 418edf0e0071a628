-- How the timed roles of the member $2 of the server $1 stand: what the log wants, and how far the newest role
-- change has come; given_after and given_before enclose the moment in which Discord made it. A give that was read
-- from the member happened since they had joined, whatever the clocks say.
SELECT
    mine.stream_id, mine.role_id, mine.wanted, told.version, told.position, told.ended, told.begun_at,
    change.position AS change_position, change.kind, change.state, change.done_at,
    change.receipt ? 'reason' AS unfulfilled,
    coalesce(
        (change.receipt ->> 'joined_at')::timestamptz,
        least((change.receipt ->> 'asked_at')::timestamptz, change.answered_at - change.took), change.done_at
    ) AS given_after,
    greatest(change.done_at, change.answered_at + interval '1 second') AS given_before,
    all_changes.is_open, all_changes.in_doubt,
    coalesce(difference.waits, false) AS held_back
FROM (
    SELECT streams.stream_id, streams.role_id, role_timers.id IS NOT NULL AS wanted
    FROM people
    JOIN streams USING (person_id)
    LEFT JOIN role_timers ON role_timers.id = streams.stream_id
    WHERE people.user_id = $2 AND streams.guild_id = $1
) AS mine
CROSS JOIN LATERAL (
    SELECT
        max(version) AS version, max(position) AS position,
        coalesce(max(position) FILTER (WHERE type IN ('Expired', 'Cleared')), 0) AS ended,
        max(recorded_at) FILTER (WHERE type = 'TimerSet') AS begun_at
    FROM (
        SELECT version, position, recorded_at, CASE WHEN strpos(data::text, chr(92)) = 0 THEN data ->> 'type' END AS type
        FROM events WHERE events.stream_id = mine.stream_id
    ) AS events
) AS told
CROSS JOIN LATERAL (
    SELECT
        coalesce(bool_or(effects.state IN ('owed', 'stuck')), false) AS is_open,
        coalesce(bool_or(effects.look_again_at IS NOT NULL), false) AS in_doubt
    FROM events JOIN effects USING (position)
    WHERE events.stream_id = mine.stream_id AND effects.kind IN ('give_role', 'take_role')
) AS all_changes
LEFT JOIN LATERAL (
    SELECT
        effects.position, effects.kind, effects.state, effects.done_at, effects.receipt,
        (effects.receipt ->> 'answered_at')::timestamptz AS answered_at,
        (effects.receipt ->> 'took_ms')::float8 * interval '1 millisecond' AS took
    FROM events JOIN effects USING (position)
    WHERE events.stream_id = mine.stream_id AND effects.kind IN ('give_role', 'take_role')
    ORDER BY effects.position DESC LIMIT 1
) AS change ON true
LEFT JOIN LATERAL (
    SELECT differences.decided_at IS NULL AND NOT EXISTS (
        SELECT FROM events
        WHERE events.stream_id = mine.stream_id AND events.position > differences.position
            AND events.source <> 'sweeper'
    ) AS waits
    FROM differences WHERE differences.stream_id = mine.stream_id AND differences.found = 'too_many_taken'
) AS difference ON true
ORDER BY mine.stream_id
