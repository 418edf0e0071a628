-- The read model: one row a timer that has not ended, each column following from the log.
CREATE TABLE role_timers (
    id SERIAL PRIMARY KEY,
    user_id VARCHAR(255) NOT NULL,
    role_id VARCHAR(255) NOT NULL,
    expires_at BIGINT NOT NULL,
    warn_channel_id VARCHAR(255),
    paused BOOLEAN NOT NULL DEFAULT FALSE,
    paused_at BIGINT,
    paused_remaining_ms BIGINT DEFAULT 0,
    warnings_sent JSONB DEFAULT '{}',
    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    updated_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,
    guild_id VARCHAR(255) NOT NULL,
    version BIGINT NOT NULL,
    next_due_at BIGINT,
    UNIQUE (user_id, role_id)
);

-- Leads with what a sweep asks for, so that its cost depends on what is due, not on what exists.
CREATE INDEX role_timers_due ON role_timers (next_due_at, id) WHERE next_due_at IS NOT NULL;
CREATE INDEX role_timers_of_guild ON role_timers (guild_id, user_id);
