-- Owe a member the roles of those timers of which none was owed in their present life, and answer how many
-- these are. An import owes nothing, for its members hold their roles; one who leaves and comes back does not.
CREATE FUNCTION owe_roles(of_guild text, of_user text) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
DECLARE
    owed integer;
BEGIN
    INSERT INTO effects (position, kind, stream_id, due_at)
    SELECT begun.position, 'give_role', t.id, clock_timestamp()
    FROM role_timers AS t
    CROSS JOIN LATERAL (
        SELECT
            max(e.position) FILTER (WHERE e.data ->> 'type' = 'TimerSet') AS position,
            coalesce(
                max(e.position) FILTER (WHERE e.data ->> 'type' IN ('Expired', 'Cleared')), 0
            ) AS ended
        FROM events AS e WHERE e.stream_id = t.id
    ) AS begun
    WHERE t.guild_id = of_guild AND t.user_id = of_user AND begun.position > begun.ended
        AND NOT EXISTS (
            SELECT FROM effects AS f
            WHERE f.stream_id = t.id AND f.kind = 'give_role' AND f.position > begun.ended
        )
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS owed = ROW_COUNT;
    IF owed > 0 THEN
        PERFORM pg_notify('boostmon_log', '');
    END IF;
    RETURN owed;
END
$$;

-- The caller needs no right on the tables, and can put no table of its own in their place.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION owe_roles SET search_path = %I, pg_temp', current_schema());
END
$$;
REVOKE ALL ON FUNCTION owe_roles FROM PUBLIC;
