-- What runs with the owner's rights cannot be captured, the log has a lock that others cannot take, and the hash
-- of a stream's first event says whose timer it is.
--
-- Functions are written with `our_schema` for the schema that they stand in, and with nothing else to search than
-- PostgreSQL's own: whoever may CREATE in a schema that is searched could define an operator that fits better, and
-- it would run with the rights of the owner. At the end `name_schema` puts the schema's name in its place. A
-- migration that makes a function does it in the same way.
SET LOCAL check_function_bodies = off;  -- there is no schema of that name

-- Put its name into the functions of the schema `ours` that are written with `written` for it.
CREATE PROCEDURE name_schema(written text, ours name) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    definition text;
BEGIN
    FOR definition IN
        SELECT pg_get_functiondef(p.oid) FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = ours AND p.prokind <> 'a' AND strpos(p.prosrc, written || '.') > 0
    LOOP
        EXECUTE replace(definition, written || '.', quote_ident(ours) || '.');
    END LOOP;
END
$$;
REVOKE ALL ON PROCEDURE name_schema FROM PUBLIC;

-- Nobody but the owner can lock this table, which nobody ever writes: there is nothing to vacuum.
CREATE TABLE log_lock ();

-- One writer at a time, so that positions are dense and in commit order.
--
-- Until 0.1.0 an advisory lock did that, which every account of the database can take. For one release both are
-- taken: a call that was on its way when this function was replaced holds the earlier one alone.
CREATE OR REPLACE FUNCTION lock_log() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    LOCK TABLE our_schema.log_lock IN SHARE UPDATE EXCLUSIVE MODE;
    IF NOT pg_try_advisory_xact_lock(former_key) THEN
        PERFORM our_schema.await_earlier_lock();
    END IF;
END
$$;

-- Wait until a call of the release before has ended. Such a call takes milliseconds and is made by who may write
-- effects: for others nobody waits, and for nobody longer than two seconds.
CREATE FUNCTION await_earlier_lock() RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    FOR attempt IN 1 .. 40 LOOP
        IF NOT EXISTS (
            SELECT FROM pg_locks AS l
            JOIN pg_stat_activity AS a USING (pid)
            JOIN pg_class AS e ON e.oid = l.objid
            JOIN pg_class AS f ON f.relnamespace = e.relnamespace AND f.relname = 'effects'
            WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND a.datname = current_database()
                AND l.database = a.datid
                AND (l.classid::bigint << 32) | l.objid::bigint = former_key
                AND has_any_column_privilege(a.usesysid, f.oid, 'UPDATE')
        ) THEN
            RETURN;
        END IF;
        PERFORM pg_sleep(0.05);
        IF pg_try_advisory_xact_lock(former_key) THEN
            RETURN;
        END IF;
    END LOOP;
END
$$;

-- The hash of a stream's first event covers whose timer it is, from the position after this one on. `digest` is
-- that of the streams which had begun by then; each such hash covers it, too, so that they cannot be changed any
-- more without being found out. The server is left out: a stream may be moved. A person is erased in `people`.
CREATE TABLE log_seal (
    is_the_only_one BOOLEAN PRIMARY KEY DEFAULT true CHECK (is_the_only_one),
    position BIGINT NOT NULL,
    digest BYTEA NOT NULL
);

-- Whose timer a stream is, as it is hashed.
CREATE FUNCTION stream_name(person_id integer, role_id text) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT int4send(person_id) || int4send(octet_length(convert_to(role_id, 'UTF8'))) || convert_to(role_id, 'UTF8')
$$;

INSERT INTO log_seal (position, digest)
SELECT
    (SELECT coalesce(max(position), 0) FROM events),
    (
        SELECT sha256(coalesce(
            string_agg(int4send(stream_id) || stream_name(person_id, role_id), '' ORDER BY position), ''
        ))
        FROM events JOIN streams USING (stream_id)
        WHERE version = 1
    );

CREATE FUNCTION refuse_new_seal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NOT EXISTS (SELECT FROM our_schema.events) THEN
        RETURN NULL;  -- an export is about to be restored
    END IF;
    RAISE EXCEPTION 'the log needs its seal: % refused', TG_OP USING ERRCODE = 'object_not_in_prerequisite_state';
END
$$;
CREATE TRIGGER log_seal_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON log_seal
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_new_seal();
ALTER TABLE log_seal ENABLE ALWAYS TRIGGER log_seal_is_kept;

-- What the hash of the event `version` of a stream covers besides the event.
CREATE FUNCTION name_hashed(stream integer, version integer) RETURNS bytea LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF version <> 1 THEN
        RETURN '';
    END IF;
    RETURN (
        SELECT seal.digest || our_schema.stream_name(s.person_id, s.role_id)
        FROM our_schema.log_seal AS seal, our_schema.streams AS s
        WHERE s.stream_id = stream
    );
END
$$;

-- What is hashed of an event: the binary form of an array of texts is a header of 20 bytes, then length and bytes
-- of each, -1 for NULL. The bytes are in the client's encoding. `named` is what `name_hashed` gives.
CREATE FUNCTION chained_hash(
    previous bytea, "position" bigint, stream_id integer, version integer, ordinal integer,
    recorded_at timestamptz, data text, actor integer, source text, command_id text, named bytea
) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT sha256(
        previous || int8send("position") || int4send(stream_id) || int4send(version)
        || int2send(ordinal::smallint) || timestamptz_send(recorded_at)
        || substr(array_send(ARRAY[data, actor::text, source, command_id]), 21) || named
    )
$$;

-- These two are for calls that were on their way when the functions below were replaced. They leave with `append`.
CREATE OR REPLACE FUNCTION chained_hash(
    previous bytea, "position" bigint, stream_id integer, version integer, ordinal integer,
    recorded_at timestamptz, data text, actor integer, source text, command_id text
) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT our_schema.chained_hash(
        previous, "position", stream_id, version, ordinal, recorded_at, data, actor, source, command_id,
        our_schema.name_hashed(stream_id, version)
    )
$$;
CREATE OR REPLACE FUNCTION event_hash(
    previous bytea, "position" bigint, stream_id integer, version integer, ordinal smallint,
    recorded_at timestamptz, data text, actor integer, source text, command_id text
) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT our_schema.chained_hash(
        previous, "position", stream_id, version, ordinal::integer, recorded_at, data, actor, source, command_id,
        our_schema.name_hashed(stream_id, version)
    )
$$;

-- Refuses a call that the tables could not refuse. An expression of its own costs a part of a statement.
CREATE FUNCTION is_recordable(sources text[], kinds text[], documents text[])
RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    document text;
BEGIN
    IF (sources <@ '{slash,sweeper,discord,import,cli}'::text[]) IS NOT TRUE THEN
        RAISE EXCEPTION 'events have no source %', sources USING ERRCODE = 'check_violation';
    END IF;
    IF (kinds <@ '{give_role,take_role,notice}'::text[]) IS NOT TRUE THEN
        RAISE EXCEPTION 'effects have no kind %', kinds USING ERRCODE = 'check_violation';
    END IF;
    FOREACH document IN ARRAY documents LOOP
        IF (document::jsonb ->> 'type' = ANY (
            '{TimerSet,TimeAdded,TimeRemoved,Paused,Resumed,Cleared,WarningSent,Expired}'::text[]
        )) IS NOT TRUE THEN
            RAISE EXCEPTION 'that is no event: %', document USING ERRCODE = 'check_violation';
        END IF;
    END LOOP;
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

CREATE FUNCTION refuse_unless_counted(event_counts integer[], documents text[]) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF (1 <= ALL (event_counts) AND cardinality(documents) = (
        SELECT coalesce(sum(counted), 0) FROM unnest(event_counts) AS counted
    )) IS NOT TRUE THEN
        RAISE EXCEPTION 'the events are not counted right: %', event_counts USING ERRCODE = 'check_violation';
    END IF;
END
$$;

-- Of the form that `is_snowflake` asks for; a regular expression would take longer.
CREATE FUNCTION is_id(id text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT ltrim(id, '0123456789') = '' AND id COLLATE "C" >= '1' AND (
        octet_length(id) < 20 OR octet_length(id) = 20 AND id COLLATE "C" <= '18446744073709551615'
    )
$$;

CREATE OR REPLACE FUNCTION person_of(wanted text) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    found_id integer;
BEGIN
    IF wanted IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT person_id INTO found_id FROM our_schema.people WHERE user_id = wanted;
    IF found_id IS NULL THEN
        IF our_schema.is_id(wanted) IS NOT TRUE THEN
            RAISE EXCEPTION 'that is no id of Discord: %', wanted USING ERRCODE = 'check_violation';
        END IF;
        INSERT INTO our_schema.people (user_id) VALUES (wanted) RETURNING person_id INTO found_id;
    END IF;
    RETURN found_id;
END
$$;

-- Begin a stream, and answer its number.
CREATE FUNCTION new_stream(of_guild text, of_user text, of_role text) RETURNS integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    made integer;
BEGIN
    IF (our_schema.is_id(of_guild) AND our_schema.is_id(of_role)) IS NOT TRUE THEN
        RAISE EXCEPTION 'no ids of Discord: %, %', of_guild, of_role USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO our_schema.streams (guild_id, person_id, role_id)
    VALUES (of_guild, our_schema.person_of(of_user), of_role)
    RETURNING stream_id INTO made;
    RETURN made;
END
$$;

-- What 0.1.0 calls; 0004 says what it does. It leaves in the release after 0.2.0.
CREATE OR REPLACE FUNCTION append(
    guild_ids text[], user_ids text[], role_ids text[], expected_versions integer[],
    command_ids text[], actor_ids text[], sources text[], timer_rows text[],
    event_counts integer[], event_data text[], event_effects text[]
) RETURNS TABLE (
    item integer, outcome text, guild_id text, user_id text, role_id text,
    version integer, "position" bigint
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
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
    named bytea;
    appended boolean := false;
BEGIN
    PERFORM our_schema.lock_log();
    PERFORM our_schema.is_recordable(
        sources,
        ARRAY(SELECT kind FROM unnest(event_effects) AS e (kinds), unnest(string_to_array(e.kinds, ',')) AS k (kind)),
        event_data
    );
    PERFORM our_schema.refuse_unless_counted(event_counts, event_data);
    recorded := clock_timestamp();
    SELECT e.position, e.hash INTO last_position, last_hash
    FROM our_schema.events AS e ORDER BY e.position DESC LIMIT 1;
    last_position := coalesce(last_position, 0);
    last_hash := coalesce(last_hash, ''::bytea);

    FOR i IN 1 .. cardinality(user_ids) LOOP
        first_event := next_event;
        next_event := next_event + event_counts[i];

        SELECT s.guild_id, p.user_id, s.role_id, e.version, e.position
        INTO guild_id, user_id, role_id, version, "position"
        FROM our_schema.events AS e
        JOIN our_schema.streams AS s USING (stream_id)
        JOIN our_schema.people AS p USING (person_id)
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
        FROM our_schema.streams AS s JOIN our_schema.people AS p USING (person_id)
        WHERE p.user_id = user_ids[i] AND s.role_id = role_ids[i];
        IF the_stream IS NOT NULL AND the_guild IS DISTINCT FROM guild_ids[i] THEN
            outcome := 'elsewhere'; guild_id := the_guild; version := NULL;
            RETURN NEXT;
            CONTINUE;
        END IF;

        SELECT max(e.version) INTO the_version FROM our_schema.events AS e WHERE e.stream_id = the_stream;
        the_version := coalesce(the_version, 0);
        IF the_version IS DISTINCT FROM expected_versions[i] THEN
            outcome := 'conflict'; version := the_version;
            RETURN NEXT;
            CONTINUE;
        END IF;

        IF the_stream IS NULL THEN
            the_stream := our_schema.new_stream(guild_ids[i], user_ids[i], role_ids[i]);
        ELSE
            -- What is still owed for this timer may no longer be true: it is looked at again.
            UPDATE our_schema.effects SET due_at = recorded
            WHERE stream_id = the_stream AND state IN ('owed', 'stuck');
        END IF;
        the_actor := our_schema.person_of(actor_ids[i]);
        named := our_schema.name_hashed(the_stream, the_version + 1);

        FOR j IN first_event .. next_event - 1 LOOP
            last_position := last_position + 1;
            the_version := the_version + 1;
            last_hash := our_schema.chained_hash(
                last_hash, last_position, the_stream, the_version, j - first_event, recorded,
                event_data[j], the_actor, sources[i], command_ids[i], named
            );
            named := '';
            INSERT INTO our_schema.events (
                position, stream_id, version, data, actor, source, command_id, ordinal,
                recorded_at, hash
            ) VALUES (
                last_position, the_stream, the_version, event_data[j]::json, the_actor,
                sources[i], command_ids[i], j - first_event, recorded, last_hash
            );
            IF event_effects[j] <> '' THEN
                INSERT INTO our_schema.effects (position, kind, stream_id, due_at)
                SELECT last_position, kind, the_stream, recorded
                FROM unnest(string_to_array(event_effects[j], ',')) AS owed (kind);
            END IF;
        END LOOP;

        IF timer_rows[i] IS NULL THEN
            DELETE FROM our_schema.role_timers AS t
            WHERE t.user_id = user_ids[i] AND t.role_id = role_ids[i];
        ELSE
            INSERT INTO our_schema.role_timers (
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

-- The two that append; 0007 says what they do.
CREATE OR REPLACE FUNCTION append_event(
    of_guild text, of_user text, of_role text, expected_version integer, by_command text,
    by_actor text, by_source text, event_data text, kinds text[],
    row_expires_at bigint, row_warn_channel_id text, row_paused_at bigint,
    row_paused_remaining_ms bigint, row_warnings_sent text, row_created_at bigint,
    row_updated_at bigint, row_next_due_at bigint,
    OUT outcome text, OUT guild_id text, OUT user_id text, OUT role_id text,
    OUT version integer, OUT "position" bigint
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
    SET enable_hashjoin = off SET enable_mergejoin = off AS $$
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
    the_person integer;
    named bytea := '';
    kind_owed text;
BEGIN
    IF our_schema.lock_log() IS NULL OR NOT our_schema.is_recordable(ARRAY[by_source], kinds, ARRAY[event_data]) THEN
        RETURN;  -- never: an expression of its own costs a part of a statement
    END IF;
    recorded := clock_timestamp();

    SELECT
        e.position, e.hash,
        (SELECT c.stream_id FROM our_schema.events AS c WHERE c.command_id = by_command AND c.ordinal = 0),
        (SELECT a.person_id FROM our_schema.people AS a WHERE a.user_id = by_actor),
        s.stream_id, s.guild_id,
        (
            SELECT v.version FROM our_schema.events AS v
            WHERE v.stream_id = s.stream_id ORDER BY v.version DESC LIMIT 1
        ),
        EXISTS (
            SELECT FROM our_schema.effects AS f
            WHERE f.stream_id = s.stream_id AND f.state IN ('owed', 'stuck') AND f.due_at > recorded
        )
    INTO "position", last_hash, commanded, the_actor, the_stream, the_guild, the_version, is_put_off
    FROM (SELECT l.position, l.hash FROM our_schema.events AS l ORDER BY l.position DESC LIMIT 1) AS e
    LEFT JOIN our_schema.streams AS s ON s.role_id = of_role
        AND s.person_id = (SELECT p.person_id FROM our_schema.people AS p WHERE p.user_id = of_user);
    IF commanded IS NOT NULL THEN
        outcome := 'repeated'; "position" := NULL;
        SELECT s.guild_id, p.user_id, s.role_id INTO guild_id, user_id, role_id
        FROM our_schema.streams AS s JOIN our_schema.people AS p USING (person_id)
        WHERE s.stream_id = commanded;
        RETURN;
    END IF;
    IF the_stream IS NOT NULL AND the_guild IS DISTINCT FROM of_guild THEN
        outcome := 'elsewhere'; guild_id := the_guild; "position" := NULL;
        RETURN;
    END IF;
    the_version := coalesce(the_version, 0);
    IF the_version IS DISTINCT FROM expected_version THEN
        outcome := 'conflict'; version := the_version; "position" := NULL;
        RETURN;
    END IF;

    IF the_stream IS NULL THEN
        IF (our_schema.is_id(of_guild) AND our_schema.is_id(of_role)) IS NOT TRUE THEN
            RAISE EXCEPTION 'no ids of Discord: %, %', of_guild, of_role USING ERRCODE = 'check_violation';
        END IF;
        the_person := our_schema.person_of(of_user);
        INSERT INTO our_schema.streams (guild_id, person_id, role_id) VALUES (of_guild, the_person, of_role)
        RETURNING stream_id INTO the_stream;
        SELECT l.digest || our_schema.stream_name(the_person, of_role) INTO named FROM our_schema.log_seal AS l;
    ELSIF is_put_off THEN
        -- What is still owed for this timer may no longer be true: it is looked at again.
        UPDATE our_schema.effects SET due_at = recorded
        WHERE stream_id = the_stream AND state IN ('owed', 'stuck') AND due_at > recorded;
    END IF;
    IF the_actor IS NULL THEN
        the_actor := our_schema.person_of(by_actor);
    END IF;

    "position" := coalesce("position", 0) + 1;
    the_version := the_version + 1;
    IF the_version = 1 AND named = '' THEN
        named := our_schema.name_hashed(the_stream, 1);  -- never: a stream has an event from the start
    END IF;
    INSERT INTO our_schema.events (
        position, stream_id, version, data, actor, source, command_id, ordinal, recorded_at, hash
    ) VALUES (
        "position", the_stream, the_version, event_data::json, the_actor, by_source, by_command, 0,
        recorded,
        our_schema.chained_hash(
            coalesce(last_hash, ''::bytea), "position", the_stream, the_version, 0, recorded,
            event_data, the_actor, by_source, by_command, named
        )
    );
    FOREACH kind_owed IN ARRAY kinds LOOP
        INSERT INTO our_schema.effects (position, kind, stream_id, due_at)
        VALUES ("position", kind_owed, the_stream, recorded);
    END LOOP;

    IF row_updated_at IS NULL THEN
        DELETE FROM our_schema.role_timers AS t WHERE t.user_id = of_user AND t.role_id = of_role;
    ELSE
        UPDATE our_schema.role_timers AS t SET
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
            INSERT INTO our_schema.role_timers (
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

CREATE OR REPLACE FUNCTION append_batch(
    guild_ids text[], user_ids text[], role_ids text[], expected_versions integer[],
    command_ids text[], actor_ids text[], sources text[], event_counts integer[],
    event_data text[], effect_events integer[], effect_kinds text[],
    expires_ats bigint[], warn_channel_ids text[], paused_ats bigint[],
    paused_remaining_mss bigint[], warnings_sents text[], created_ats bigint[],
    updated_ats bigint[], next_due_ats bigint[], same_timers integer[], same_commands integer[]
) RETURNS TABLE (
    outcome text, guild_id text, user_id text, role_id text, version integer, "position" bigint
) LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
    SET enable_hashjoin = off SET enable_mergejoin = off AS $$
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
    the_person integer;
    sealed bytea;
    named bytea;
BEGIN
    IF our_schema.lock_log() IS NULL OR NOT our_schema.is_recordable(sources, effect_kinds, event_data) THEN
        RETURN;
    END IF;
    PERFORM our_schema.refuse_unless_counted(event_counts, event_data);
    IF EXISTS (
        SELECT FROM unnest(same_timers, same_commands) WITH ORDINALITY AS same (timer, command, number)
        WHERE timer >= number OR command >= number
            OR timer > 0 AND (user_ids[timer], role_ids[timer]) IS DISTINCT FROM (user_ids[number], role_ids[number])
    ) THEN
        RAISE EXCEPTION 'a piece of the batch is not that of an earlier one' USING ERRCODE = 'check_violation';
    END IF;
    recorded := clock_timestamp();

    FOR item IN
        SELECT
            wanted.i, stream.stream_id, stream.guild_id,
            (SELECT a.person_id FROM our_schema.people AS a WHERE a.user_id = actor_id) AS actor,
            (
                SELECT e.version FROM our_schema.events AS e
                WHERE e.stream_id = stream.stream_id ORDER BY e.version DESC LIMIT 1
            ) AS version,
            (
                SELECT c.stream_id FROM our_schema.events AS c
                WHERE c.command_id = wanted.command_id AND c.ordinal = 0
            ) AS commanded,
            (SELECT e.position FROM our_schema.events AS e ORDER BY e.position DESC LIMIT 1) AS last_position,
            (SELECT e.hash FROM our_schema.events AS e ORDER BY e.position DESC LIMIT 1) AS last_hash
        FROM unnest(user_ids, role_ids, actor_ids, command_ids) WITH ORDINALITY
            AS wanted (user_id, role_id, actor_id, command_id, i)
        LEFT JOIN LATERAL (
            SELECT s.stream_id, s.guild_id FROM our_schema.streams AS s
            WHERE s.role_id = wanted.role_id AND s.person_id = (
                SELECT p.person_id FROM our_schema.people AS p WHERE p.user_id = wanted.user_id
            )
            OFFSET 0
        ) AS stream ON true
    LOOP
        i := item.i;
        IF i = 1 THEN
            last_position := coalesce(item.last_position, 0);
            last_hash := coalesce(item.last_hash, ''::bytea);
        END IF;
        first_event := next_event;
        next_event := next_event + event_counts[i];
        the_stream := item.stream_id; the_guild := item.guild_id; the_actor := item.actor;
        the_version := coalesce(item.version, 0);
        guild_id := NULL; user_id := NULL; role_id := NULL; version := NULL; "position" := NULL;

        IF item.commanded IS NOT NULL THEN
            outcome := 'repeated';
            SELECT s.guild_id, p.user_id, s.role_id INTO guild_id, user_id, role_id
            FROM our_schema.streams AS s JOIN our_schema.people AS p USING (person_id)
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
        IF the_stream IS NOT NULL AND the_guild IS DISTINCT FROM guild_ids[i] THEN
            outcome := 'elsewhere'; guild_id := the_guild;
            RETURN NEXT;
            CONTINUE;
        END IF;
        IF the_version IS DISTINCT FROM expected_versions[i] THEN
            outcome := 'conflict'; version := the_version;
            RETURN NEXT;
            CONTINUE;
        END IF;

        named := '';
        IF the_stream IS NULL THEN
            IF (our_schema.is_id(guild_ids[i]) AND our_schema.is_id(role_ids[i])) IS NOT TRUE THEN
                RAISE EXCEPTION 'no ids of Discord: %, %', guild_ids[i], role_ids[i]
                    USING ERRCODE = 'check_violation';
            END IF;
            IF sealed IS NULL THEN
                SELECT l.digest INTO sealed FROM our_schema.log_seal AS l;
            END IF;
            the_person := our_schema.person_of(user_ids[i]);
            INSERT INTO our_schema.streams (guild_id, person_id, role_id)
            VALUES (guild_ids[i], the_person, role_ids[i])
            RETURNING stream_id INTO the_stream;
            named := sealed || our_schema.stream_name(the_person, role_ids[i]);
        ELSE
            known := known || the_stream;
        END IF;
        IF the_actor IS NULL THEN
            the_actor := our_schema.person_of(actor_ids[i]);
        END IF;
        IF the_version = 0 AND named = '' THEN
            named := our_schema.name_hashed(the_stream, 1);  -- never: a stream has an event from the start
        END IF;
        FOR j IN first_event .. next_event - 1 LOOP
            last_position := last_position + 1;
            the_version := the_version + 1;
            last_hash := our_schema.chained_hash(
                last_hash, last_position, the_stream, the_version, j - first_event, recorded,
                event_data[j], the_actor, sources[i], command_ids[i], named
            );
            named := '';
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

    INSERT INTO our_schema.events (
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
        UPDATE our_schema.effects SET due_at = recorded
        WHERE stream_id = ANY (known) AND state IN ('owed', 'stuck') AND due_at > recorded;
    END IF;
    IF cardinality(effect_kinds) > 0 THEN
        INSERT INTO our_schema.effects (position, kind, stream_id, due_at)
        SELECT positions[effect.event], effect.kind, streams_of[items[effect.event]], recorded
        FROM unnest(effect_events, effect_kinds) AS effect (event, kind)
        WHERE items[effect.event] IS NOT NULL;
    END IF;

    INSERT INTO our_schema.role_timers (
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
        DELETE FROM our_schema.role_timers AS t
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

CREATE OR REPLACE FUNCTION read_streams(user_ids text[], role_ids text[]) RETURNS TABLE (
    number bigint, guild_id text, data json, version integer, "position" bigint, command_id text
) LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp
    SET plan_cache_mode = force_generic_plan SET enable_seqscan = off
    SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT wanted.number, s.guild_id, e.data, e.version, e.position, e.command_id
    FROM unnest(user_ids, role_ids) WITH ORDINALITY AS wanted (user_id, role_id, number)
    JOIN our_schema.people AS p USING (user_id)
    JOIN our_schema.streams AS s ON s.person_id = p.person_id AND s.role_id = wanted.role_id
    JOIN our_schema.events AS e USING (stream_id)
    ORDER BY wanted.number, e.version;
END
$$;

CREATE OR REPLACE FUNCTION owe_roles(of_guild text, of_user text) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owed integer;
BEGIN
    INSERT INTO our_schema.effects (position, kind, stream_id, due_at)
    SELECT begun.position, 'give_role', t.id, clock_timestamp()
    FROM our_schema.role_timers AS t
    CROSS JOIN LATERAL (
        SELECT
            max(e.position) FILTER (WHERE e.data ->> 'type' = 'TimerSet') AS position,
            coalesce(
                max(e.position) FILTER (WHERE e.data ->> 'type' IN ('Expired', 'Cleared')), 0
            ) AS ended
        FROM our_schema.events AS e WHERE e.stream_id = t.id
    ) AS begun
    WHERE t.guild_id = of_guild AND t.user_id = of_user AND begun.position > begun.ended
        AND NOT EXISTS (
            SELECT FROM our_schema.effects AS f
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

CREATE OR REPLACE FUNCTION owe_nothing(held integer[], joined_ats timestamptz[], seconds_ago double precision)
RETURNS integer LANGUAGE plpgsql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    noted integer;
BEGIN
    IF (seconds_ago >= 0 AND seconds_ago < 'infinity') IS NOT TRUE THEN
        RAISE EXCEPTION 'nobody was asked for % seconds ago', seconds_ago USING ERRCODE = 'check_violation';
    END IF;
    INSERT INTO our_schema.effects (position, kind, stream_id, state, due_at, done_at, receipt)
    SELECT
        begun.position, 'give_role', t.id, 'done', clock_timestamp(), clock_timestamp(),
        jsonb_strip_nulls(jsonb_build_object(
            'confirmed', 'read from the member',
            'asked_at', clock_timestamp() - seconds_ago * interval '1 second',
            'joined_at', seen.joined_at
        ))
    FROM unnest(held, joined_ats) AS seen (stream_id, joined_at)
    JOIN our_schema.role_timers AS t ON t.id = seen.stream_id
    CROSS JOIN LATERAL (
        SELECT
            max(e.position) FILTER (WHERE e.data ->> 'type' = 'TimerSet') AS position,
            coalesce(
                max(e.position) FILTER (WHERE e.data ->> 'type' IN ('Expired', 'Cleared')), 0
            ) AS ended
        FROM our_schema.events AS e WHERE e.stream_id = t.id
    ) AS begun
    WHERE begun.position > begun.ended
        AND NOT EXISTS (
            SELECT FROM our_schema.events AS e JOIN our_schema.effects AS f USING (position)
            WHERE e.stream_id = t.id AND f.kind = 'give_role' AND f.position > begun.ended
        )
    ON CONFLICT DO NOTHING;
    GET DIAGNOSTICS noted = ROW_COUNT;
    RETURN noted;
END
$$;

COMMENT ON FUNCTION append IS 'what 0.1.0 calls; leaves in the release after 0.2.0';
COMMENT ON FUNCTION is_recordable(text[], text[]) IS 'for calls on their way during migration 0010; leaves with append';
COMMENT ON FUNCTION event_hash IS 'for calls on their way during migration 0010; leaves with append';

DO $$
DECLARE
    definition text;
    events oid := (
        SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = current_schema() AND c.relname = 'events'
    );
BEGIN
    FOR definition IN
        SELECT pg_get_functiondef(p.oid) FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = current_schema() AND p.proname IN ('lock_log', 'await_earlier_lock')
    LOOP
        EXECUTE replace(definition, 'former_key', ((7263110::bigint << 32) | events::bigint)::text);
    END LOOP;
END
$$;
SET LOCAL check_function_bodies = on;
CALL name_schema('our_schema', current_schema());

-- Only the owner calls what is not granted; see `migrate`.
DO $$
DECLARE
    function text;
BEGIN
    FOR function IN
        SELECT p.oid::regprocedure::text FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
        WHERE n.nspname = current_schema() AND p.proowner = (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = current_user)
            AND strpos(p.prosrc, quote_ident(current_schema()) || '.') > 0
    LOOP
        EXECUTE format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', function);
    END LOOP;
END
$$;
