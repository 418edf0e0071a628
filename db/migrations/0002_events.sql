-- The log. A person's id stands in `people` alone, so that it can be replaced without touching an event.
CREATE TABLE people (
    person_id INTEGER GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id TEXT NOT NULL UNIQUE
);

-- A stream's number is its timer's `role_timers.id`: one sequence serves both.
CREATE TABLE streams (
    stream_id INTEGER PRIMARY KEY DEFAULT nextval('role_timers_id_seq'),
    guild_id TEXT NOT NULL,
    person_id INTEGER NOT NULL REFERENCES people,
    role_id TEXT NOT NULL,
    UNIQUE (person_id, role_id)
);

-- `data` is json and not jsonb: the hash covers the exact text that was written.
CREATE TABLE events (
    position BIGINT PRIMARY KEY,
    stream_id INTEGER NOT NULL REFERENCES streams,
    version INTEGER NOT NULL CHECK (version > 0),
    data JSON NOT NULL,
    actor INTEGER REFERENCES people,
    source TEXT NOT NULL CHECK (source IN ('slash', 'sweeper', 'discord', 'import', 'cli')),
    command_id TEXT NOT NULL,
    ordinal SMALLINT NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    hash BYTEA NOT NULL,
    UNIQUE (stream_id, version),
    UNIQUE (command_id, ordinal)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'events are never changed: % refused', TG_OP
        USING ERRCODE = 'object_not_in_prerequisite_state',
              HINT = 'Append an event that corrects the earlier one.';
END
$$;

CREATE TRIGGER events_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A plain trigger is silent under session_replication_role = replica.
ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_append_only;

CREATE VIEW event_log AS
SELECT
    events.position,
    streams.guild_id,
    person.user_id,
    streams.role_id,
    events.version::bigint AS version,
    events.data ->> 'type' AS type,
    events.data::jsonb AS data,
    jsonb_build_object('actor_id', actor.user_id, 'source', events.source) AS metadata,
    events.command_id,
    events.recorded_at
FROM events
JOIN streams USING (stream_id)
JOIN people AS person USING (person_id)
LEFT JOIN people AS actor ON actor.person_id = events.actor;
