-- When the member is read again, since nobody knows yet what became of an attempt; `looks` counts how often
-- that was done. It outlives the effect: what was given up may still be done by Discord after it was settled.
ALTER TABLE effects
    ADD COLUMN look_again_at TIMESTAMPTZ,
    ADD COLUMN looks SMALLINT NOT NULL DEFAULT 0;

UPDATE effects SET look_again_at = clock_timestamp() + interval '30 seconds'
WHERE kind IN ('give_role', 'take_role') AND state IN ('owed', 'stuck') AND attempted_at IS NOT NULL;

CREATE INDEX effects_in_doubt ON effects (stream_id) WHERE look_again_at IS NOT NULL;

-- What Discord was last found to show otherwise than the log, one row a timer; `decided_at` is NULL while it
-- waits for somebody. `position` is that of the newest event then: a later command decides it, too.
CREATE TABLE differences (
    stream_id INTEGER PRIMARY KEY,
    found TEXT NOT NULL CHECK (found IN (
        'not_held', 'left_and_returned', 'held_after_end', 'taken_by_hand', 'too_many_taken', 'import_not_held'
    )),
    position BIGINT NOT NULL,
    found_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp(),
    decided_at TIMESTAMPTZ
);
CREATE INDEX differences_undecided ON differences (stream_id) WHERE decided_at IS NULL;

-- Note that the members of these imported timers, who joined at joined_ats, were found to hold their roles, when
-- they were asked for seconds_ago: the receipt of a give, of which none was owed in the timer's present life.
-- Answer how many.
CREATE FUNCTION owe_nothing(held integer[], joined_ats timestamptz[], seconds_ago double precision)
RETURNS integer LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE
    noted integer;
BEGIN
    INSERT INTO effects (position, kind, stream_id, state, due_at, done_at, receipt)
    SELECT
        begun.position, 'give_role', t.id, 'done', clock_timestamp(), clock_timestamp(),
        jsonb_strip_nulls(jsonb_build_object(
            'confirmed', 'read from the member',
            'asked_at', clock_timestamp() - seconds_ago * interval '1 second',
            'joined_at', seen.joined_at
        ))
    FROM unnest(held, joined_ats) AS seen (stream_id, joined_at)
    JOIN role_timers AS t ON t.id = seen.stream_id
    CROSS JOIN LATERAL (
        SELECT
            max(e.position) FILTER (WHERE e.data ->> 'type' = 'TimerSet') AS position,
            coalesce(
                max(e.position) FILTER (WHERE e.data ->> 'type' IN ('Expired', 'Cleared')), 0
            ) AS ended
        FROM events AS e WHERE e.stream_id = t.id
    ) AS begun
    WHERE begun.position > begun.ended
        AND NOT EXISTS (
            SELECT FROM events AS e JOIN effects AS f USING (position)
            WHERE e.stream_id = t.id AND f.kind = 'give_role' AND f.position > begun.ended
        )
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS noted = ROW_COUNT;
    RETURN noted;
END
$$;

-- The caller needs no right on the tables, and can put no table of its own in their place.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION owe_nothing SET search_path = %I, pg_temp', current_schema());
END
$$;
REVOKE ALL ON FUNCTION owe_nothing FROM PUBLIC;
