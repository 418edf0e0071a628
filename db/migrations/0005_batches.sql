-- What `append` of 0004 does, for a whole batch at a time: each table is read once and written once.
--
-- Item i is guild_ids[i] … timer_rows[i] and the next event_counts[i] elements of event_data and
-- event_effects (the kinds of effects of that event, joined by commas). timer_rows[i] is the row of
-- role_timers after the events, as JSON, or NULL for no row. same_timers[i] and same_commands[i] name
-- the last item before i that has the same timer, or the same command; 0 for none.
--
-- The answer has one row an item, in their order. Outcome 'appended': version and "position" are
-- those of its last event. 'conflict': the stream is at version. 'repeated': that command was
-- recorded before, for the timer named in the row. 'elsewhere': the role belongs to the server named
-- in the row.
CREATE FUNCTION append_events(
    guild_ids text[], user_ids text[], role_ids text[], expected_versions integer[],
    command_ids text[], actor_ids text[], sources text[], timer_rows text[],
    event_counts integer[], event_data text[], event_effects text[],
    same_timers integer[], same_commands integer[]
) RETURNS TABLE (
    outcome text, guild_id text, user_id text, role_id text, version integer, "position" bigint
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER AS $$
#variable_conflict use_column
DECLARE
    recorded timestamptz;
    last_position bigint;
    last_hash bytea;
    item record;
    i integer;
    twin integer;
    next_event integer := 1;
    first_event integer;
    the_stream integer;
    the_version integer;
    the_guild text;
    the_actor integer;
    -- Of each item that is recorded; NULL for the others.
    streams_of integer[];
    versions_of integer[];
    actors_of integer[];
    writes_row boolean[];  -- no later item writes the row of the same timer
    known integer[];  -- the streams that were there before
    -- Of each event that is recorded.
    items integer[];
    indexes integer[];
    ordinals integer[];
    versions integer[];
    hashes bytea[];
    recorded_events integer := 0;
BEGIN
    PERFORM lock_log();
    recorded := clock_timestamp();

    FOR item IN
        SELECT
            wanted.i, stream.stream_id, stream.guild_id,
            (SELECT a.person_id FROM people AS a WHERE a.user_id = actor_id) AS actor,
            (
                SELECT e.version FROM events AS e
                WHERE e.stream_id = stream.stream_id ORDER BY e.version DESC LIMIT 1
            ) AS version,
            (
                SELECT c.stream_id FROM events AS c
                WHERE c.command_id = wanted.command_id AND c.ordinal = 0
            ) AS commanded,
            (SELECT e.position FROM events AS e ORDER BY e.position DESC LIMIT 1) AS last_position,
            (SELECT e.hash FROM events AS e ORDER BY e.position DESC LIMIT 1) AS last_hash
        FROM unnest(user_ids, role_ids, actor_ids, command_ids) WITH ORDINALITY
            AS wanted (user_id, role_id, actor_id, command_id, i)
        LEFT JOIN LATERAL (
            SELECT s.stream_id, s.guild_id FROM streams AS s
            WHERE s.role_id = wanted.role_id AND s.person_id = (
                SELECT p.person_id FROM people AS p WHERE p.user_id = wanted.user_id
            )
            OFFSET 0
        ) AS stream ON true
    LOOP
        i := item.i;
        IF i = 1 THEN
            last_position := coalesce(item.last_position, 0);
            last_hash := coalesce(item.last_hash, '\x'::bytea);
        END IF;
        first_event := next_event;
        next_event := next_event + event_counts[i];
        the_stream := item.stream_id; the_guild := item.guild_id; the_actor := item.actor;
        the_version := coalesce(item.version, 0);
        guild_id := NULL; user_id := NULL; role_id := NULL; version := NULL; "position" := NULL;

        IF item.commanded IS NOT NULL THEN
            outcome := 'repeated';
            SELECT s.guild_id, p.user_id, s.role_id INTO guild_id, user_id, role_id
            FROM streams AS s JOIN people AS p USING (person_id)
            WHERE s.stream_id = item.commanded;
            RETURN NEXT;
            CONTINUE;
        END IF;
        twin := same_commands[i];
        WHILE twin > 0 AND streams_of[twin] IS NULL LOOP
            twin := same_commands[twin];
        END LOOP;
        IF twin > 0 THEN
            outcome := 'repeated'; guild_id := guild_ids[twin]; user_id := user_ids[twin];
            role_id := role_ids[twin];
            RETURN NEXT;
            CONTINUE;
        END IF;

        twin := same_timers[i];
        WHILE twin > 0 AND streams_of[twin] IS NULL LOOP
            twin := same_timers[twin];
        END LOOP;
        IF twin > 0 THEN
            the_stream := streams_of[twin]; the_guild := guild_ids[twin];
            the_version := versions_of[twin];
        END IF;
        IF the_guild <> guild_ids[i] THEN
            outcome := 'elsewhere'; guild_id := the_guild;
            RETURN NEXT;
            CONTINUE;
        END IF;
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
            known := known || the_stream;
        END IF;
        IF the_actor IS NULL THEN
            the_actor := person_of(actor_ids[i]);
        END IF;
        FOR j IN first_event .. next_event - 1 LOOP
            recorded_events := recorded_events + 1;
            last_position := last_position + 1;
            the_version := the_version + 1;
            last_hash := event_hash(
                last_hash, last_position, the_stream, the_version, (j - first_event)::smallint,
                recorded, event_data[j], the_actor, sources[i], command_ids[i]
            );
            items[recorded_events] := i; indexes[recorded_events] := j;
            ordinals[recorded_events] := j - first_event;
            versions[recorded_events] := the_version; hashes[recorded_events] := last_hash;
        END LOOP;
        streams_of[i] := the_stream; versions_of[i] := the_version; actors_of[i] := the_actor;
        writes_row[i] := true;
        IF twin > 0 THEN
            writes_row[twin] := false;
        END IF;
        outcome := 'appended'; version := the_version; "position" := last_position;
        RETURN NEXT;
    END LOOP;

    IF recorded_events = 0 THEN
        RETURN;
    END IF;

    INSERT INTO events (
        position, stream_id, version, data, actor, source, command_id, ordinal, recorded_at, hash
    )
    SELECT
        last_position - recorded_events + n, streams_of[event.item], event.version,
        event_data[event.index]::json, actors_of[event.item], sources[event.item],
        command_ids[event.item], event.ordinal, recorded, event.hash
    FROM unnest(items, indexes, ordinals, versions, hashes) WITH ORDINALITY
        AS event (item, index, ordinal, version, hash, n);

    IF known IS NOT NULL THEN
        -- What is still owed for these timers may no longer be true: it is looked at again.
        UPDATE effects SET due_at = recorded
        WHERE stream_id = ANY (known) AND state IN ('owed', 'stuck');
    END IF;
    IF array_to_string(event_effects, '') <> '' THEN
        INSERT INTO effects (position, kind, stream_id, due_at)
        SELECT last_position - recorded_events + n, kind, streams_of[event.item], recorded
        FROM unnest(items, indexes) WITH ORDINALITY AS event (item, index, n),
            unnest(string_to_array(event_effects[event.index], ',')) AS owed (kind);
    END IF;

    INSERT INTO role_timers (
        id, user_id, role_id, expires_at, warn_channel_id, paused, paused_at,
        paused_remaining_ms, warnings_sent, created_at, updated_at, guild_id, version,
        next_due_at
    )
    SELECT
        streams_of[n], user_ids[n], role_ids[n], image.expires_at, image.warn_channel_id,
        image.paused, image.paused_at, image.paused_remaining_ms, image.warnings_sent,
        timestamp 'epoch' + image.created_at * interval '1 ms',
        timestamp 'epoch' + image.updated_at * interval '1 ms',
        guild_ids[n], versions_of[n], image.next_due_at
    FROM unnest(timer_rows, writes_row) WITH ORDINALITY AS timer (document, is_last, n),
        json_to_record(timer.document::json) AS image (
            expires_at bigint, warn_channel_id text, paused boolean, paused_at bigint,
            paused_remaining_ms bigint, warnings_sent jsonb, created_at bigint,
            updated_at bigint, next_due_at bigint
        )
    WHERE timer.is_last AND timer.document IS NOT NULL
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

    IF array_position(timer_rows, NULL) > 0 THEN
        DELETE FROM role_timers AS t
        USING unnest(user_ids, role_ids, timer_rows, writes_row)
            AS timer (user_id, role_id, document, is_last)
        WHERE timer.is_last AND timer.document IS NULL
            AND t.user_id = timer.user_id AND t.role_id = timer.role_id;
    END IF;
    PERFORM pg_notify('boostmon_log', last_position::text);
END
$$;

-- The caller needs no right on the tables, and can put no table of its own in their place: pg_temp,
-- which is searched first when it is not named, comes last. A plan made anew for each length of the
-- arrays would cost more than what it plans.
DO $$
BEGIN
    EXECUTE format(
        'ALTER FUNCTION append_events SET search_path = %I, pg_temp', current_schema()
    );
END
$$;
ALTER FUNCTION append_events SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION append_events SET enable_seqscan = off;
ALTER FUNCTION append_events SET enable_hashjoin = off;
ALTER FUNCTION append_events SET enable_mergejoin = off;

REVOKE ALL ON FUNCTION append_events FROM PUBLIC;

-- Every event of the streams of some users and roles, pair by pair; a stream's oldest first. A function,
-- so that its plan is the one for large tables even while the statistics still speak of small ones.
CREATE FUNCTION read_streams(user_ids text[], role_ids text[]) RETURNS TABLE (
    number bigint, guild_id text, data json, version integer, "position" bigint, command_id text
) LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT wanted.number, s.guild_id, e.data, e.version, e.position, e.command_id
    FROM unnest(user_ids, role_ids) WITH ORDINALITY AS wanted (user_id, role_id, number)
    JOIN people AS p USING (user_id)
    JOIN streams AS s ON s.person_id = p.person_id AND s.role_id = wanted.role_id
    JOIN events AS e USING (stream_id)
    ORDER BY wanted.number, e.version;
END
$$;
ALTER FUNCTION read_streams SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION read_streams SET enable_seqscan = off;
ALTER FUNCTION read_streams SET enable_hashjoin = off;
ALTER FUNCTION read_streams SET enable_mergejoin = off;

-- An event points to its stream and its actor, whose rows are never removed: so nothing has to be looked up
-- for each event that is appended. `append` and `append_events` take the numbers from these tables.
CREATE FUNCTION refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log needs every row of %: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = 'A person is erased with `boostmon erase`.';
END
$$;

CREATE TRIGGER people_are_kept BEFORE DELETE OR TRUNCATE ON people
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_removal();
CREATE TRIGGER streams_are_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON streams
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_removal();
ALTER TABLE people ENABLE ALWAYS TRIGGER people_are_kept;
ALTER TABLE streams ENABLE ALWAYS TRIGGER streams_are_kept;
ALTER TABLE events DROP CONSTRAINT events_stream_id_fkey, DROP CONSTRAINT events_actor_fkey;
