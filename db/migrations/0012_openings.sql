-- Until when no channel of direct messages is opened, since Discord has refused to open one (40003; whoever opens
-- too many is quarantined), and when the last ones were asked for, the newest first. One row.
CREATE TABLE openings (
    number INTEGER PRIMARY KEY DEFAULT 1 CHECK (number = 1),
    closed_until TIMESTAMPTZ,
    asked_at TIMESTAMPTZ[] NOT NULL DEFAULT '{}'
);
INSERT INTO openings DEFAULT VALUES;
