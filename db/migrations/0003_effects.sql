-- What Discord is owed for an event, and what became of it. Times are the database's, never timer time.
CREATE TABLE effects (
    position BIGINT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('give_role', 'take_role', 'notice')),
    stream_id INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'owed' CHECK (state IN ('owed', 'stuck', 'done', 'superseded')),
    attempts INTEGER NOT NULL DEFAULT 0,
    attempted_at TIMESTAMPTZ, -- of the last attempt, while it is open whether it took effect
    due_at TIMESTAMPTZ NOT NULL,
    done_at TIMESTAMPTZ,
    last_error TEXT,
    receipt JSONB,
    PRIMARY KEY (position, kind)
);

CREATE INDEX effects_open_due ON effects (due_at) WHERE state IN ('owed', 'stuck');
CREATE INDEX effects_open_of_stream ON effects (stream_id) WHERE state IN ('owed', 'stuck');

-- Who speaks to Discord: one row a duty, held until `expires_at` on the database's clock.
CREATE TABLE lease (
    name TEXT PRIMARY KEY,
    holder TEXT,
    expires_at TIMESTAMPTZ NOT NULL DEFAULT '-infinity'
);
INSERT INTO lease (name) VALUES ('relay');

-- Where a person's direct messages go; disnake remembers the last 128 only.
CREATE TABLE direct_channels (
    person_id INTEGER PRIMARY KEY REFERENCES people,
    channel_id TEXT NOT NULL
);
