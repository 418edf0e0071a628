-- The application at Discord whose database this is; no row until one of them has seen its servers. Two bots on
-- one database would each call what the other does a difference.
CREATE TABLE application (
    is_the_only_one BOOLEAN PRIMARY KEY DEFAULT true CHECK (is_the_only_one),
    application_id TEXT NOT NULL,
    since TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
);

-- Since when the bot is not in a server any more; NULL: it is back. Only servers with timers, or to which something
-- is owed, are noted.
CREATE TABLE departures (
    guild_id TEXT PRIMARY KEY,
    since TIMESTAMPTZ
);

-- The servers to which nothing more is sent, since the bot was removed so long ago. Nothing is forgotten: when it is
-- back they are not among them.
CREATE VIEW parked_servers AS
SELECT guild_id FROM departures WHERE since < clock_timestamp() - interval '30 days';

-- Let the role of_role of the member of_user belong to of_guild, which Discord has shown to be its server, and
-- answer whether it was moved. A timer that has not ended stays where it is: the stream is moved as it stands at
-- expected_version, after its end.
SET LOCAL check_function_bodies = off;  -- there is no schema of that name
CREATE FUNCTION move_stream(of_guild text, of_user text, of_role text, expected_version integer)
RETURNS boolean LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM our_schema.lock_log();
    UPDATE our_schema.streams AS s SET guild_id = of_guild
    FROM our_schema.people AS p
    CROSS JOIN LATERAL (
        SELECT e.version, e.data ->> 'type' AS type
        FROM our_schema.streams AS mine JOIN our_schema.events AS e USING (stream_id)
        WHERE mine.person_id = p.person_id AND mine.role_id = of_role
        ORDER BY e.version DESC LIMIT 1
    ) AS newest
    WHERE p.user_id = of_user AND s.person_id = p.person_id AND s.role_id = of_role
        AND s.guild_id <> of_guild
        AND newest.version = expected_version AND newest.type IN ('Expired', 'Cleared')
        AND NOT EXISTS (SELECT FROM our_schema.role_timers AS t WHERE t.id = s.stream_id);
    RETURN FOUND;
END
$$;
SET LOCAL check_function_bodies = on;
CALL name_schema('our_schema', current_schema());
REVOKE ALL ON FUNCTION move_stream FROM PUBLIC;
