-- The two functions that append from now on. They do what `append` of 0004 does, in less time: what follows
-- is what a call costs, measured in the server's instructions.
--
-- 0005 and 0006 had `append_events` and `append_one` for this, which no release has called. The first of
-- them wrote and deleted the rows of the wrong timers when the first piece of a batch was not recorded;
-- `boostmon replay` mends what it left.
DROP FUNCTION append_events, append_one;

-- A CHECK is parsed and planned anew for each INSERT, a tenth of an append. The only writers are the
-- functions below, which look at the same; `effects.state`, which the bot may UPDATE, keeps its CHECK.
ALTER TABLE events DROP CONSTRAINT events_version_check, DROP CONSTRAINT events_source_check;
ALTER TABLE effects DROP CONSTRAINT effects_kind_check;

-- What is hashed of an event, as `event_hash` has it, in fewer steps: the binary form of an array of texts is a
-- header of 20 bytes, then length and bytes of each, -1 for NULL. The bytes are in the client's encoding.
CREATE FUNCTION chained_hash(
    previous bytea, "position" bigint, stream_id integer, version integer, ordinal integer,
    recorded_at timestamptz, data text, actor integer, source text, command_id text
) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(
        previous || int8send("position") || int4send(stream_id) || int4send(version)
        || int2send(ordinal::smallint) || timestamptz_send(recorded_at)
        || substr(array_send(ARRAY[data, actor::text, source, command_id]), 21)
    )
$$;

-- Refuses a call that the tables could not refuse. An expression of its own costs a part of a statement.
CREATE FUNCTION is_recordable(sources text[], kinds text[]) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT sources <@ '{slash,sweeper,discord,import,cli}'::text[] THEN
        RAISE EXCEPTION 'events have no source %', sources USING ERRCODE = 'check_violation';
    END IF;
    IF NOT kinds <@ '{give_role,take_role,notice}'::text[] THEN
        RAISE EXCEPTION 'effects have no kind %', kinds USING ERRCODE = 'check_violation';
    END IF;
    IF pg_client_encoding() <> 'UTF8' THEN
        RAISE EXCEPTION 'events are hashed in UTF8, and the client speaks %', pg_client_encoding()
            USING ERRCODE = 'feature_not_supported';
    END IF;
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        -- It would not see what it has waited for.
        RAISE EXCEPTION 'appends are read committed, and this transaction is %',
            current_setting('transaction_isolation')
            USING ERRCODE = 'feature_not_supported';
    END IF;
    RETURN true;
END
$$;

-- Append one event: a caller who finds nobody else waiting should not pay for what only a batch needs.
--
-- kinds are those of its effects. The row_… are the columns of role_timers after the event, times in epoch
-- milliseconds; row_updated_at is NULL for no row. The answer is that of `append_batch`.
CREATE FUNCTION append_event(
    of_guild text, of_user text, of_role text, expected_version integer, by_command text,
    by_actor text, by_source text, event_data text, kinds text[],
    row_expires_at bigint, row_warn_channel_id text, row_paused_at bigint,
    row_paused_remaining_ms bigint, row_warnings_sent text, row_created_at bigint,
    row_updated_at bigint, row_next_due_at bigint,
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
    the_version integer;
    is_put_off boolean;
    kind_owed text;
BEGIN
    IF lock_log() IS NULL OR NOT is_recordable(ARRAY[by_source], kinds) THEN
        RETURN;  -- never: an expression of its own costs a part of a statement
    END IF;
    recorded := clock_timestamp();

    SELECT
        e.position, e.hash,
        (SELECT c.stream_id FROM events AS c WHERE c.command_id = by_command AND c.ordinal = 0),
        (SELECT a.person_id FROM people AS a WHERE a.user_id = by_actor),
        s.stream_id, s.guild_id,
        (
            SELECT v.version FROM events AS v
            WHERE v.stream_id = s.stream_id ORDER BY v.version DESC LIMIT 1
        ),
        EXISTS (
            SELECT FROM effects AS f
            WHERE f.stream_id = s.stream_id AND f.state IN ('owed', 'stuck') AND f.due_at > recorded
        )
    INTO "position", last_hash, commanded, the_actor, the_stream, the_guild, the_version, is_put_off
    FROM (SELECT l.position, l.hash FROM events AS l ORDER BY l.position DESC LIMIT 1) AS e
    LEFT JOIN streams AS s ON s.role_id = of_role
        AND s.person_id = (SELECT p.person_id FROM people AS p WHERE p.user_id = of_user);
    IF commanded IS NOT NULL THEN
        outcome := 'repeated'; "position" := NULL;
        SELECT s.guild_id, p.user_id, s.role_id INTO guild_id, user_id, role_id
        FROM streams AS s JOIN people AS p USING (person_id)
        WHERE s.stream_id = commanded;
        RETURN;
    END IF;
    IF the_guild <> of_guild THEN
        outcome := 'elsewhere'; guild_id := the_guild; "position" := NULL;
        RETURN;
    END IF;
    the_version := coalesce(the_version, 0);
    IF the_version <> expected_version THEN
        outcome := 'conflict'; version := the_version; "position" := NULL;
        RETURN;
    END IF;

    IF the_stream IS NULL THEN
        INSERT INTO streams (guild_id, person_id, role_id)
        VALUES (of_guild, person_of(of_user), of_role)
        RETURNING stream_id INTO the_stream;
    ELSIF is_put_off THEN
        -- What is still owed for this timer may no longer be true: it is looked at again.
        UPDATE effects SET due_at = recorded
        WHERE stream_id = the_stream AND state IN ('owed', 'stuck') AND due_at > recorded;
    END IF;
    IF the_actor IS NULL THEN
        the_actor := person_of(by_actor);
    END IF;

    "position" := coalesce("position", 0) + 1;
    the_version := the_version + 1;
    INSERT INTO events (
        position, stream_id, version, data, actor, source, command_id, ordinal, recorded_at, hash
    ) VALUES (
        "position", the_stream, the_version, event_data::json, the_actor, by_source, by_command, 0,
        recorded,
        chained_hash(
            coalesce(last_hash, '\x'::bytea), "position", the_stream, the_version, 0, recorded,
            event_data, the_actor, by_source, by_command
        )
    );
    FOREACH kind_owed IN ARRAY kinds LOOP
        INSERT INTO effects (position, kind, stream_id, due_at)
        VALUES ("position", kind_owed, the_stream, recorded);
    END LOOP;

    IF row_updated_at IS NULL THEN
        DELETE FROM role_timers AS t WHERE t.user_id = of_user AND t.role_id = of_role;
    ELSE
        UPDATE role_timers AS t SET
            id = the_stream,
            expires_at = row_expires_at,
            warn_channel_id = row_warn_channel_id,
            paused = row_paused_at IS NOT NULL,
            paused_at = row_paused_at,
            paused_remaining_ms = row_paused_remaining_ms,
            warnings_sent = row_warnings_sent::jsonb,
            created_at = timestamp 'epoch' + row_created_at * interval '1 ms',
            updated_at = timestamp 'epoch' + row_updated_at * interval '1 ms',
            guild_id = of_guild,
            version = the_version,
            next_due_at = row_next_due_at
        WHERE t.user_id = of_user AND t.role_id = of_role;
        IF NOT FOUND THEN
            INSERT INTO role_timers (
                id, user_id, role_id, expires_at, warn_channel_id, paused, paused_at,
                paused_remaining_ms, warnings_sent, created_at, updated_at, guild_id, version,
                next_due_at
            ) VALUES (
                the_stream, of_user, of_role, row_expires_at, row_warn_channel_id,
                row_paused_at IS NOT NULL, row_paused_at, row_paused_remaining_ms,
                row_warnings_sent::jsonb,
                timestamp 'epoch' + row_created_at * interval '1 ms',
                timestamp 'epoch' + row_updated_at * interval '1 ms',
                of_guild, the_version, row_next_due_at
            );
        END IF;
    END IF;
    outcome := 'appended'; version := the_version;
    IF pg_notify('boostmon_log', "position"::text) IS NULL THEN
        RETURN;
    END IF;
END
$$;

-- Append many independent pieces of history, each all or nothing, in one commit. Each table is read once and
-- written once.
--
-- Item i is guild_ids[i] … next_due_ats[i] and the next event_counts[i] elements of event_data. Event
-- effect_events[k] has an effect of kind effect_kinds[k]. The columns of role_timers after the events stand in
-- expires_ats[i] … next_due_ats[i], times in epoch milliseconds; updated_ats[i] is NULL for no row.
-- same_timers[i] and same_commands[i] name the last item before i that has the same timer, or the same
-- command; 0 for none.
--
-- The answer has one row an item, in their order. Outcome 'appended': version and "position" are
-- those of its last event. 'conflict': the stream is at version. 'repeated': that command was
-- recorded before, for the timer named in the row. 'elsewhere': the role belongs to the server named
-- in the row.
CREATE FUNCTION append_batch(
    guild_ids text[], user_ids text[], role_ids text[], expected_versions integer[],
    command_ids text[], actor_ids text[], sources text[], event_counts integer[],
    event_data text[], effect_events integer[], effect_kinds text[],
    expires_ats bigint[], warn_channel_ids text[], paused_ats bigint[],
    paused_remaining_mss bigint[], warnings_sents text[], created_ats bigint[],
    updated_ats bigint[], next_due_ats bigint[], same_timers integer[], same_commands integer[]
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
    -- Of each item, all of them from the start: an array that grows begins with the first that is set.
    streams_of integer[] := array_fill(NULL::integer, ARRAY[cardinality(user_ids)]);
    versions_of integer[] := streams_of;
    actors_of integer[] := streams_of;
    writes_row boolean[] := array_fill(false, ARRAY[cardinality(user_ids)]);
    -- Of each event, in the same way; NULL for those that are not recorded.
    items integer[] := array_fill(NULL::integer, ARRAY[cardinality(event_data)]);
    versions integer[] := items;
    positions bigint[] := items;
    hashes bytea[] := array_fill(NULL::bytea, ARRAY[cardinality(event_data)]);
    known integer[];  -- the streams that were there before
BEGIN
    IF lock_log() IS NULL OR NOT is_recordable(sources, effect_kinds) THEN
        RETURN;
    END IF;
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
            last_position := last_position + 1;
            the_version := the_version + 1;
            last_hash := chained_hash(
                last_hash, last_position, the_stream, the_version, j - first_event, recorded,
                event_data[j], the_actor, sources[i], command_ids[i]
            );
            items[j] := i; versions[j] := the_version; positions[j] := last_position;
            hashes[j] := last_hash;
        END LOOP;
        streams_of[i] := the_stream; versions_of[i] := the_version; actors_of[i] := the_actor;
        writes_row[i] := true;
        IF twin > 0 THEN
            writes_row[twin] := false;  -- the row is that of the last one
        END IF;
        outcome := 'appended'; version := the_version; "position" := last_position;
        RETURN NEXT;
    END LOOP;

    INSERT INTO events (
        position, stream_id, version, data, actor, source, command_id, ordinal, recorded_at, hash
    )
    SELECT
        event.position, streams_of[event.item], event.version, event.data::json,
        actors_of[event.item], sources[event.item], command_ids[event.item],
        event.version - versions_of[event.item] + event_counts[event.item] - 1, recorded, event.hash
    FROM unnest(items, positions, versions, event_data, hashes)
        AS event (item, position, version, data, hash)
    WHERE event.item IS NOT NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;

    IF known IS NOT NULL THEN
        -- What is still owed for these timers may no longer be true: it is looked at again.
        UPDATE effects SET due_at = recorded
        WHERE stream_id = ANY (known) AND state IN ('owed', 'stuck') AND due_at > recorded;
    END IF;
    IF cardinality(effect_kinds) > 0 THEN
        INSERT INTO effects (position, kind, stream_id, due_at)
        SELECT positions[effect.event], effect.kind, streams_of[items[effect.event]], recorded
        FROM unnest(effect_events, effect_kinds) AS effect (event, kind)
        WHERE items[effect.event] IS NOT NULL;
    END IF;

    INSERT INTO role_timers (
        id, user_id, role_id, expires_at, warn_channel_id, paused, paused_at,
        paused_remaining_ms, warnings_sent, created_at, updated_at, guild_id, version,
        next_due_at
    )
    SELECT
        timer.id, timer.user_id, timer.role_id, timer.expires_at, timer.warn_channel_id,
        timer.paused_at IS NOT NULL, timer.paused_at, timer.paused_remaining_ms,
        timer.warnings_sent::jsonb,
        timestamp 'epoch' + timer.created_at * interval '1 ms',
        timestamp 'epoch' + timer.updated_at * interval '1 ms',
        timer.guild_id, timer.version, timer.next_due_at
    FROM unnest(
        streams_of, user_ids, role_ids, expires_ats, warn_channel_ids, paused_ats,
        paused_remaining_mss, warnings_sents, created_ats, updated_ats, guild_ids, versions_of,
        next_due_ats, writes_row
    ) AS timer (
        id, user_id, role_id, expires_at, warn_channel_id, paused_at, paused_remaining_ms,
        warnings_sent, created_at, updated_at, guild_id, version, next_due_at, is_written
    )
    WHERE timer.is_written AND timer.updated_at IS NOT NULL
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

    IF array_position(updated_ats, NULL) > 0 THEN
        DELETE FROM role_timers AS t
        USING unnest(user_ids, role_ids, updated_ats, writes_row)
            AS timer (user_id, role_id, updated_at, is_written)
        WHERE timer.is_written AND timer.updated_at IS NULL
            AND t.user_id = timer.user_id AND t.role_id = timer.role_id;
    END IF;
    IF pg_notify('boostmon_log', last_position::text) IS NULL THEN
        RETURN;
    END IF;
END
$$;

-- The callers need no right on the tables, and can put no table of their own in their place: pg_temp,
-- which is searched first when it is not named, comes last. The plans are those for large tables even
-- while the statistics still speak of small ones.
DO $$
DECLARE
    function text;
BEGIN
    FOREACH function IN ARRAY '{append_event,append_batch}'::text[] LOOP
        EXECUTE format('ALTER FUNCTION %I SET search_path = %I, pg_temp', function, current_schema());
        EXECUTE format('ALTER FUNCTION %I SET plan_cache_mode = force_generic_plan', function);
        EXECUTE format('ALTER FUNCTION %I SET enable_seqscan = off', function);
        EXECUTE format('ALTER FUNCTION %I SET enable_hashjoin = off', function);
        EXECUTE format('ALTER FUNCTION %I SET enable_mergejoin = off', function);
        EXECUTE format('REVOKE ALL ON FUNCTION %I FROM PUBLIC', function);
    END LOOP;
END
$$;
