-- Until when no channel of direct messages is opened: Discord has refused to open one (40003), and whoever opens
-- too many is quarantined. One row.
CREATE TABLE openings (
    number INTEGER PRIMARY KEY DEFAULT 1 CHECK (number = 1),
    closed_until TIMESTAMPTZ
);
INSERT INTO openings DEFAULT VALUES;
