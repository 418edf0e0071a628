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

-- A stream is never changed, but for its server, once its timer has ended.
DROP TRIGGER streams_are_kept ON streams;
CREATE TRIGGER streams_are_kept BEFORE DELETE OR TRUNCATE ON streams
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_removal();
ALTER TABLE streams ENABLE ALWAYS TRIGGER streams_are_kept;
SET LOCAL check_function_bodies = off;  -- there is no schema of that name
CREATE FUNCTION refuse_change_of_stream() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    newest text := (
        SELECT e.data ->> 'type' FROM our_schema.events AS e
        WHERE e.stream_id = OLD.stream_id ORDER BY e.version DESC LIMIT 1
    );
BEGIN
    IF NEW.stream_id = OLD.stream_id AND NEW.person_id = OLD.person_id AND NEW.role_id = OLD.role_id
        AND newest IN ('Expired', 'Cleared')
        AND NOT EXISTS (SELECT FROM our_schema.role_timers AS t WHERE t.id = OLD.stream_id)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the log needs every row of streams as it is: UPDATE refused'
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = 'A timer belongs to its server until it has ended.';
END
$$;
CREATE TRIGGER streams_are_unchanged BEFORE UPDATE ON streams
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_stream();
ALTER TABLE streams ENABLE ALWAYS TRIGGER streams_are_unchanged;

-- Let the role of_role of the member of_user belong to of_guild, which Discord has shown to be its server, and
-- answer whether it was moved. A timer that has not ended stays where it is: the stream is moved as it stands at
-- expected_version, after its end.
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
