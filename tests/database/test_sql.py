"""The SQL beside the code, and the table that other programs read."""

import re
from pathlib import Path

import asyncpg
import pytest

from tests.support.places import ROOT

STATEMENTS = sorted((ROOT / "boostmon").rglob("sql/*.sql"))
FILES = STATEMENTS + sorted((ROOT / "db/migrations").glob("*.sql"))
ROLE_TIMERS = [  # column, type, length, default, nullable; as the JavaScript bot's SQL expects it
    ("id", "integer", None, "nextval('role_timers_id_seq'::regclass)", False),
    ("user_id", "character varying", 255, None, False),
    ("role_id", "character varying", 255, None, False),
    ("expires_at", "bigint", None, None, False),
    ("warn_channel_id", "character varying", 255, None, True),
    ("paused", "boolean", None, "false", False),
    ("paused_at", "bigint", None, None, True),
    ("paused_remaining_ms", "bigint", None, "0", True),
    ("warnings_sent", "jsonb", None, "'{}'::jsonb", True),
    ("created_at", "timestamp without time zone", None, "CURRENT_TIMESTAMP", True),
    ("updated_at", "timestamp without time zone", None, "CURRENT_TIMESTAMP", True),
    ("guild_id", "character varying", 255, None, False),
    ("version", "bigint", None, None, False),
    ("next_due_at", "bigint", None, None, True),
]
COLUMNS = """
SELECT column_name, data_type, character_maximum_length, column_default, is_nullable = 'YES'
FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = $1
ORDER BY ordinal_position
"""
EVENT_LOG = {
    "position": "bigint",
    "guild_id": "text",
    "user_id": "text",
    "role_id": "text",
    "version": "bigint",
    "type": "text",
    "data": "jsonb",
    "metadata": "jsonb",
    "command_id": "text",
    "recorded_at": "timestamp with time zone",
}
UNIQUE = """
SELECT array_agg(attname::text ORDER BY attname)
FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = ANY (conkey)
WHERE conrelid = 'role_timers'::regclass AND contype = 'u'
GROUP BY pg_constraint.oid
"""


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


async def test_every_statement_can_be_prepared_against_the_migrated_schema(
    owner: asyncpg.Connection,
) -> None:
    refused = []
    for path in STATEMENTS:
        try:
            await owner.prepare(path.read_text(encoding="utf-8"))
        except asyncpg.PostgresError as error:
            refused.append(f"{named(path)}: {error}")

    assert [] == refused
    assert len(STATEMENTS) > 15


@pytest.mark.parametrize("path", FILES, ids=named)
def test_the_first_line_is_a_comment_that_begins_a_sentence(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    comment = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        comment.append(line.removeprefix("--").strip())

    assert re.match(r"[A-Z]", comment[0])
    assert comment[-1].endswith(".")
    assert text.endswith("\n")


@pytest.mark.parametrize("path", STATEMENTS, ids=named)
def test_every_argument_of_a_statement_is_explained_in_its_first_lines(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    comment = "\n".join(line for line in text.splitlines() if line.startswith("--"))
    body = text.replace(comment, "")
    explained = {int(number) for number in re.findall(r"\$(\d+)", comment)}
    for first, last in re.findall(r"\$(\d+) … \$(\d+)", comment):
        explained.update(range(int(first), int(last)))

    assert explained == {int(number) for number in re.findall(r"\$(\d+)", body)}


def test_every_statement_is_used() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "boostmon").rglob("*.py"))
    unused = [named(path) for path in STATEMENTS if f'"{path.stem}"' not in code]

    assert [] == unused


async def test_role_timers_has_the_columns_that_the_javascript_bot_knows(
    owner: asyncpg.Connection,
) -> None:
    columns = await owner.fetch(COLUMNS, "role_timers")

    assert ROLE_TIMERS == [tuple(column) for column in columns]
    assert [["role_id", "user_id"]] == [list(row[0]) for row in await owner.fetch(UNIQUE)]


async def test_event_log_has_the_columns_that_other_programs_read(
    owner: asyncpg.Connection,
) -> None:
    columns = await owner.fetch(COLUMNS, "event_log")

    assert EVENT_LOG == {column[0]: column[1] for column in columns}
