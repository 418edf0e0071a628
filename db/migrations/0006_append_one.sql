-- What `append_events` does, for one piece of history alone: a caller who finds nobody else waiting
-- should not pay for what only a batch needs.
--
-- event_data and event_effects (the kinds of effects of that event, joined by commas) have an element an
-- event. timer_row is the row of role_timers after the events, as JSON, or NULL for no row. The answer
-- is that of `append_events`.
CREATE FUNCTION append_one(
    of_guild text, of_user text, of_role text, expected_version integer, by_command text,
    by_actor text, by_source text, timer_row text, event_data text[], event_effects text[],
    OUT outcome text, OUT guild_id text, OUT user_id text, OUT role_id text,
    OUT version integer, OUT "position" bigint
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
#variable_conflict use_column
DECLARE
    recorded timestamptz;
    last_hash bytea;
    commanded integer;
    the_actor integer;
    the_stream integer;
    the_guild text;
BEGIN
    PERFORM lock_log();
    recorded := clock_timestamp();

    SELECT
        e.position, e.hash,
        (SELECT c.stream_id FROM events AS c WHERE c.command_id = by_command AND c.ordinal = 0),
        (SELECT a.person_id FROM people AS a WHERE a.user_id = by_actor)
    INTO "position", last_hash, commanded, the_actor
    FROM events AS e ORDER BY e.position DESC LIMIT 1;
    IF commanded IS NOT NULL THEN
        outcome := 'repeated'; "position" := NULL;
        SELECT s.guild_id, p.user_id, s.role_id INTO guild_id, user_id, role_id
        FROM streams AS s JOIN people AS p USING (person_id)
        WHERE s.stream_id = commanded;
        RETURN;
    END IF;

    SELECT
        s.stream_id, s.guild_id,
        (
            SELECT e.version FROM events AS e
            WHERE e.stream_id = s.stream_id ORDER BY e.version DESC LIMIT 1
        )
    INTO the_stream, the_guild, version
    FROM streams AS s
    WHERE s.role_id = of_role
        AND s.person_id = (SELECT p.person_id FROM people AS p WHERE p.user_id = of_user);
    IF the_guild <> of_guild THEN
        outcome := 'elsewhere'; guild_id := the_guild; version := NULL; "position" := NULL;
        RETURN;
    END IF;
    version := coalesce(version, 0);
    IF version <> expected_version THEN
        outcome := 'conflict'; "position" := NULL;
        RETURN;
    END IF;

    IF the_stream IS NULL THEN
        INSERT INTO streams (guild_id, person_id, role_id)
        VALUES (of_guild, person_of(of_user), of_role)
        RETURNING stream_id INTO the_stream;
    ELSE
        -- What is still owed for this timer may no longer be true: it is looked at again.
        UPDATE effects SET due_at = recorded
        WHERE stream_id = the_stream AND state IN ('owed', 'stuck') AND due_at > recorded;
    END IF;
    IF the_actor IS NULL THEN
        the_actor := person_of(by_actor);
    END IF;

    "position" := coalesce("position", 0);
    last_hash := coalesce(last_hash, '\x'::bytea);
    FOR i IN 1 .. cardinality(event_data) LOOP
        "position" := "position" + 1;
        version := version + 1;
        last_hash := event_hash(
            last_hash, "position", the_stream, version, (i - 1)::smallint, recorded,
            event_data[i], the_actor, by_source, by_command
        );
        INSERT INTO events (
            position, stream_id, version, data, actor, source, command_id, ordinal, recorded_at,
            hash
        ) VALUES (
            "position", the_stream, version, event_data[i]::json, the_actor, by_source,
            by_command, i - 1, recorded, last_hash
        );
        IF event_effects[i] <> '' THEN
            INSERT INTO effects (position, kind, stream_id, due_at)
            SELECT "position", kind, the_stream, recorded
            FROM unnest(string_to_array(event_effects[i], ',')) AS owed (kind);
        END IF;
    END LOOP;

    IF timer_row IS NULL THEN
        DELETE FROM role_timers AS t WHERE t.user_id = of_user AND t.role_id = of_role;
    ELSE
        INSERT INTO role_timers (
            id, user_id, role_id, expires_at, warn_channel_id, paused, paused_at,
            paused_remaining_ms, warnings_sent, created_at, updated_at, guild_id, version,
            next_due_at
        )
        SELECT
            the_stream, of_user, of_role, image.expires_at, image.warn_channel_id,
            image.paused, image.paused_at, image.paused_remaining_ms, image.warnings_sent,
            timestamp 'epoch' + image.created_at * interval '1 ms',
            timestamp 'epoch' + image.updated_at * interval '1 ms',
            of_guild, version, image.next_due_at
        FROM json_to_record(timer_row::json) AS image (
            expires_at bigint, warn_channel_id text, paused boolean, paused_at bigint,
            paused_remaining_ms bigint, warnings_sent jsonb, created_at bigint,
            updated_at bigint, next_due_at bigint
        )
        ON CONFLICT (user_id, role_id) DO UPDATE SET
            id = excluded.id,
            expires_at = excluded.expires_at,
            warn_channel_id = excluded.warn_channel_id,
            paused = excluded.paused,
            paused_at = excluded.paused_at,
            paused_remaining_ms = excluded.paused_remaining_ms,
            warnings_sent = excluded.warnings_sent,
            created_at = excluded.created_at,
            updated_at = excluded.updated_at,
            guild_id = excluded.guild_id,
            version = excluded.version,
            next_due_at = excluded.next_due_at;
    END IF;
    outcome := 'appended';
    PERFORM pg_notify('boostmon_log', "position"::text);
END
$$;

-- The caller needs no right on the tables, and can put no table of its own in their place: pg_temp,
-- which is searched first when it is not named, comes last. The plan is the one for large tables even
-- while the statistics still speak of small ones.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION append_one SET search_path = %I, pg_temp', current_schema());
END
$$;
ALTER FUNCTION append_one SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION append_one SET enable_seqscan = off;
ALTER FUNCTION append_one SET enable_hashjoin = off;
ALTER FUNCTION append_one SET enable_mergejoin = off;

REVOKE ALL ON FUNCTION append_one FROM PUBLIC;

-- Open effects are few, and are all read together: `effects_open_of_stream` finds them as well.
DROP INDEX effects_open_due;

-- What is due already need not be made due: a batch that follows its timers' open effects wrote each of
-- those rows, and their index, for nothing.
DO $$
DECLARE
    written text := 'WHERE stream_id = ANY (known) AND state IN (''owed'', ''stuck'')';
    body text := pg_get_functiondef('append_events'::regproc);
BEGIN
    IF position(written IN body) = 0 THEN
        RAISE EXCEPTION 'append_events is not the one of 0005';
    END IF;
    EXECUTE replace(body, written, written || ' AND due_at > recorded');
END
$$;
