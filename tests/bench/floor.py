"""What one caller alone can reach at the most: less and less of what an append does."""

import asyncpg

from boostmon.database.connections.pool import Database
from boostmon.events.append import Append
from boostmon.events.document import encode

TABLE = "CREATE TABLE bare_too (id BIGSERIAL PRIMARY KEY, data JSON NOT NULL)"
INSERT = "INSERT INTO bare_too (data) VALUES ($1)"
# Of an append the lock, the look at the newest event, and the event: no version check, no command
# id, no person, no row, no effect, no notification.
EVENT_ALONE = """
CREATE TABLE event_alone (LIKE events INCLUDING INDEXES);
CREATE FUNCTION append_event_alone(number integer, command text, document text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    last_position bigint;
    last_hash bytea;
BEGIN
    IF lock_log() IS NULL THEN
        RETURN 0;
    END IF;
    SELECT e.position, e.hash INTO last_position, last_hash
    FROM event_alone AS e ORDER BY e.position DESC LIMIT 1;
    last_position := coalesce(last_position, 0) + 1;
    INSERT INTO event_alone (
        position, stream_id, version, data, source, command_id, ordinal, recorded_at, hash
    ) VALUES (
        last_position, number, 1, document::json, 'slash', command, 0, clock_timestamp(),
        chained_hash(
            coalesce(last_hash, '\\x'::bytea), last_position, number, 1, 0, clock_timestamp(),
            document, NULL, 'slash', command
        )
    );
    RETURN last_position;
END
$$;
"""
CALL = "SELECT append_event_alone($1, $2, $3)"


async def prepare(owner: asyncpg.Connection) -> None:
    """Make the tables and the function, beside those of the log."""
    await owner.execute(f"{TABLE};\n{EVENT_ALONE}")


async def insert_documents(database: Database, work: list[Append]) -> None:
    """Insert the documents of *work*, one a commit, as pgbench does and in the way we ask."""
    for append in work:
        await database.fetch(INSERT, encode(append.events[0]))


async def append_events_alone(database: Database, work: list[Append]) -> None:
    """Append the events of *work*, one a commit, without all that an append has besides."""
    for number, append in enumerate(work, start=int(work[0].command_id) % (1 << 30)):
        await database.fetch(CALL, number, append.command_id, encode(append.events[0]))
