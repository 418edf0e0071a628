-- One writer at a time, so that positions are dense and in commit order. Keyed by the table, since
-- advisory locks are shared by every schema of a database.
CREATE FUNCTION lock_log() RETURNS void LANGUAGE sql VOLATILE AS $$
    SELECT pg_advisory_xact_lock((7263110::bigint << 32) | 'events'::regclass::oid::bigint)
$$;

CREATE FUNCTION hashed_part(part text) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        int4send(octet_length(convert_to(part, 'UTF8'))) || convert_to(part, 'UTF8'),
        int4send(-1)
    )
$$;

CREATE FUNCTION event_hash(
    previous bytea, "position" bigint, stream_id integer, version integer, ordinal smallint,
    recorded_at timestamptz, data text, actor integer, source text, command_id text
) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(
        previous || int8send("position") || int4send(stream_id) || int4send(version)
        || int2send(ordinal) || timestamptz_send(recorded_at)
        || hashed_part(data) || hashed_part(actor::text)
        || hashed_part(source) || hashed_part(command_id)
    )
$$;

CREATE FUNCTION person_of(wanted text) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    found_id integer;
BEGIN
    IF wanted IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT person_id INTO found_id FROM people WHERE user_id = wanted;
    IF found_id IS NULL THEN
        INSERT INTO people (user_id) VALUES (wanted) RETURNING person_id INTO found_id;
    END IF;
    RETURN found_id;
END
$$;

-- Append one or many independent pieces of history, each all or nothing, in one commit.
--
-- Item i is guild_ids[i] … timer_rows[i] and the next event_counts[i] elements of event_data and
-- event_effects (the kinds of effects of that event, joined by commas). timer_rows[i] is the row of
-- role_timers after the events, as JSON, or NULL for no row.
--
-- The answer has one row an item. Outcome 'appended': version and "position" are those of its last
-- event. 'conflict': the stream is at version. 'repeated': that command was recorded before, for the
-- timer named in the row. 'elsewhere': the role belongs to the server named in the row.
CREATE FUNCTION append(
    guild_ids text[], user_ids text[], role_ids text[], expected_versions integer[],
    command_ids text[], actor_ids text[], sources text[], timer_rows text[],
    event_counts integer[], event_data text[], event_effects text[]
) RETURNS TABLE (
    item integer, outcome text, guild_id text, user_id text, role_id text,
    version integer, "position" bigint
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
#variable_conflict use_column
DECLARE
    last_position bigint;
    last_hash bytea;
    recorded timestamptz;
    next_event integer := 1;
    first_event integer;
    the_stream integer;
    the_version integer;
    the_guild text;
    the_actor integer;
    appended boolean := false;
BEGIN
    PERFORM lock_log();
    recorded := clock_timestamp();
    SELECT e.position, e.hash INTO last_position, last_hash
    FROM events AS e ORDER BY e.position DESC LIMIT 1;
    last_position := coalesce(last_position, 0);
    last_hash := coalesce(last_hash, '\x'::bytea);

    FOR i IN 1 .. cardinality(user_ids) LOOP
        first_event := next_event;
        next_event := next_event + event_counts[i];

        SELECT s.guild_id, p.user_id, s.role_id, e.version, e.position
        INTO guild_id, user_id, role_id, version, "position"
        FROM events AS e
        JOIN streams AS s USING (stream_id)
        JOIN people AS p USING (person_id)
        WHERE e.command_id = command_ids[i]
        ORDER BY e.ordinal DESC LIMIT 1;
        IF FOUND THEN
            item := i; outcome := 'repeated';
            RETURN NEXT;
            CONTINUE;
        END IF;

        guild_id := guild_ids[i]; user_id := user_ids[i]; role_id := role_ids[i];
        item := i; "position" := NULL;

        SELECT s.stream_id, s.guild_id INTO the_stream, the_guild
        FROM streams AS s JOIN people AS p USING (person_id)
        WHERE p.user_id = user_ids[i] AND s.role_id = role_ids[i];
        IF the_guild <> guild_ids[i] THEN
            outcome := 'elsewhere'; guild_id := the_guild; version := NULL;
            RETURN NEXT;
            CONTINUE;
        END IF;

        SELECT max(e.version) INTO the_version FROM events AS e WHERE e.stream_id = the_stream;
        the_version := coalesce(the_version, 0);
        IF the_version <> expected_versions[i] THEN
            outcome := 'conflict'; version := the_version;
            RETURN NEXT;
            CONTINUE;
        END IF;

        IF the_stream IS NULL THEN
            INSERT INTO streams (guild_id, person_id, role_id)
            VALUES (guild_ids[i], person_of(user_ids[i]), role_ids[i])
            RETURNING stream_id INTO the_stream;
        ELSE
            -- What is still owed for this timer may no longer be true: it is looked at again.
            UPDATE effects SET due_at = recorded
            WHERE stream_id = the_stream AND state IN ('owed', 'stuck');
        END IF;
        the_actor := person_of(actor_ids[i]);

        FOR j IN first_event .. next_event - 1 LOOP
            last_position := last_position + 1;
            the_version := the_version + 1;
            last_hash := event_hash(
                last_hash, last_position, the_stream, the_version, (j - first_event)::smallint,
                recorded, event_data[j], the_actor, sources[i], command_ids[i]
            );
            INSERT INTO events (
                position, stream_id, version, data, actor, source, command_id, ordinal,
                recorded_at, hash
            ) VALUES (
                last_position, the_stream, the_version, event_data[j]::json, the_actor,
                sources[i], command_ids[i], j - first_event, recorded, last_hash
            );
            IF event_effects[j] <> '' THEN
                INSERT INTO effects (position, kind, stream_id, due_at)
                SELECT last_position, kind, the_stream, recorded
                FROM unnest(string_to_array(event_effects[j], ',')) AS owed (kind);
            END IF;
        END LOOP;

        IF timer_rows[i] IS NULL THEN
            DELETE FROM role_timers AS t
            WHERE t.user_id = user_ids[i] AND t.role_id = role_ids[i];
        ELSE
            INSERT INTO role_timers (
                id, user_id, role_id, expires_at, warn_channel_id, paused, paused_at,
                paused_remaining_ms, warnings_sent, created_at, updated_at, guild_id, version,
                next_due_at
            )
            SELECT
                the_stream, user_ids[i], role_ids[i], image.expires_at, image.warn_channel_id,
                image.paused, image.paused_at, image.paused_remaining_ms, image.warnings_sent,
                timestamp 'epoch' + image.created_at * interval '1 ms',
                timestamp 'epoch' + image.updated_at * interval '1 ms',
                guild_ids[i], the_version, image.next_due_at
            FROM json_to_record(timer_rows[i]::json) AS image (
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

        outcome := 'appended'; version := the_version; "position" := last_position;
        appended := true;
        RETURN NEXT;
    END LOOP;

    IF appended THEN
        PERFORM pg_notify('boostmon_log', last_position::text);
    END IF;
END
$$;

-- The caller needs no right on the tables, and can put no table of its own in their place: pg_temp,
-- which is searched first when it is not named, comes last.
DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION append(text[], text[], text[], integer[], text[], text[], text[], text[],'
        ' integer[], text[], text[]) SET search_path = %I, pg_temp', current_schema()
    );
END
$$;

REVOKE ALL ON FUNCTION append(
    text[], text[], text[], integer[], text[], text[], text[], text[], integer[], text[], text[]
) FROM PUBLIC;
