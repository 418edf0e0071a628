"""Servers as others have set them up: what a database has set for its sessions changes nothing."""

from pathlib import Path
from typing import Any

import pytest

from boostmon.commands import erase
from boostmon.commands.decider import (
    AddTime,
    Clear,
    Pause,
    RemoveTime,
    Resume,
    SetTime,
    Sweep,
)
from boostmon.commands.imports.exported import judge_export, restore
from boostmon.config import PoolConfig
from boostmon.database.checkup import look_at_migrations
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import connect
from boostmon.database.embedded.provision import BOT, NAME
from boostmon.database.schema.migrate import migrate
from boostmon.errors import DatabaseError
from boostmon.events.export import export_log
from boostmon.events.timer import HOUR, MINUTE, TimerId
from boostmon.projections.effects.direct_channels import DirectChannels
from boostmon.projections.effects.queue import OwedEffects
from boostmon.projections.replay.run import check
from boostmon.projections.reports.history import history
from tests.support.cluster import Node, single
from tests.support.places import ROOT
from tests.support.timers import CHANNEL, GUILD, ROLE, M, handler_over, slash

ALONE = PoolConfig(boostmon_pool_min=1)
NOW = 1_700_000_000_000
USER = "1200000000000000000"
STAR = "⭐ Trial"  # in no encoding of one byte
SETTINGS = (  # of a database; what a session of ours would have without a word of its own
    "standard_conforming_strings = off",
    "DateStyle = 'German, DMY'",
    "TimeZone = 'Pacific/Chatham'",
    "IntervalStyle = 'sql_standard'",
    "bytea_output = 'escape'",
    "extra_float_digits = -15",
    "transform_null_equals = on",
    "default_transaction_isolation = 'serializable'",
    "default_transaction_deferrable = on",
    "statement_timeout = '1ms'",
    "lock_timeout = '1ms'",
    "row_security = off",
    "client_encoding = 'LATIN1'",
    "backslash_quote = off",
    "array_nulls = off",
)
KINDS = {
    "collated": "ENCODING 'UTF8' LOCALE 'C.UTF-8'",
    "bytewise": "ENCODING 'SQL_ASCII' LOCALE 'C'",
}
LOOK = """
SELECT type, data::text, version, metadata::text, command_id FROM event_log ORDER BY position
"""
ROWS = "SELECT to_jsonb(role_timers) - 'created_at' - 'updated_at' FROM role_timers ORDER BY id"
TEXTS = """
SELECT proname FROM pg_proc
WHERE pronamespace = current_schema()::regnamespace AND position(chr(92) IN prosrc) > 0
"""


async def live(url: str, owner_url: str, folder: Path) -> tuple[list[tuple[object, ...]], bytes]:
    """Live a whole life at *url*; return what there is to see, and the export of the log."""
    async with session(owner_url) as owner:
        await migrate(owner, BOT)
    async with await connect(url, pool=ALONE) as database:
        handler, timer = handler_over(database), TimerId(GUILD, USER, ROLE)
        other = TimerId(GUILD, str(int(USER) + 1), ROLE)
        commands: list[tuple[TimerId, Any]] = [
            (timer, SetTime(NOW, 2 * HOUR, M, CHANNEL)),
            (timer, AddTime(NOW + 1, HOUR, M)),
            (timer, RemoveTime(NOW + 2, HOUR, M)),
            (timer, Pause(NOW + 3)),
            (timer, Resume(NOW + MINUTE, M)),
            (timer, Sweep(NOW + 2 * HOUR - MINUTE)),
            (timer, Sweep(NOW + 3 * HOUR)),
            (other, SetTime(NOW, HOUR, M)),
            (other, Clear(NOW + 1)),
            (other, SetTime(NOW + 2, HOUR, M)),
        ]
        for number, (whose, command) in enumerate(commands):
            await handler.handle(whose, command, slash(str(1_300_000_000_000_000_000 + number)))
        await DirectChannels(database).note(USER, CHANNEL)
        owed = OwedEffects(database)
        for each in (await owed.all())[1]:
            effect = await owed.find(each.position, each.kind)
            assert effect is not None
            assert await owed.attempting(effect, role_name=STAR)
            await owed.close(effect, "done", {"message_id": "1", "role_name": STAR, "to": USER})
    async with session(owner_url) as owner:
        seen = [tuple(row) for row in await owner.fetch(LOOK)]
        seen += [tuple(row) for row in await owner.fetch(ROWS)]
        told = await history(owner, USER, guild_id=None, role_id=None)
        seen += [(each.event, each.before, each.after) for each in told]
        report = await check(owner)
        assert report.clean, report
        parts: list[bytes] = []
        await export_log(owner, parts.append)
        pseudonym = await erase.replace(owner, USER)
        receipts = await owner.fetch("SELECT receipt::text FROM effects ORDER BY position, kind")
        assert USER not in str(receipts)
        assert pseudonym in str(receipts)
        assert STAR in str(receipts)
        assert (await check(owner)).clean
        assert [] == await owner.fetch(TEXTS)
    exported = folder / "log.jsonl"
    exported.write_bytes(b"".join(parts))
    return seen, b"".join(parts)


async def test_a_life_is_the_same_whatever_a_database_has_set(tmp_path: Path) -> None:
    lives = {}
    async with single() as node:
        for name in ("plain", "odd", *KINDS):
            await _make(node, name)
            lives[name], log = await live(node.url(BOT, name), node.url(NAME, name), tmp_path)
            await _reborn(node, name, log, tmp_path)

    for name, life in lives.items():
        assert lives["plain"] == life, name


async def _reborn(node: Node, name: str, log: bytes, folder: Path) -> None:
    """Bring the export of a log into an empty database that has set the same, and look at it."""
    again = f"{name}_again"
    await _make(node, again)
    async with session(node.url(NAME, again)) as owner:
        await migrate(owner, BOT)
        await restore(owner, judge_export(folder / "log.jsonl"))
        assert (await check(owner)).clean, name
        parts: list[bytes] = []
        await export_log(owner, parts.append)
    assert log == b"".join(parts), name


async def _make(node: Node, name: str) -> None:
    """Make an empty database, of the kind that its name begins with."""
    kind = KINDS.get(name.removesuffix("_again"))
    template = f"{kind} TEMPLATE template0" if kind else ""
    await _execute(node, f"CREATE DATABASE {name} OWNER {NAME} {template}")
    if name.startswith("odd"):
        for setting in SETTINGS:
            await _execute(node, f"ALTER DATABASE {name} SET {setting}")


async def _execute(node: Node, statement: str) -> None:
    async with session(node.url("postgres", "postgres")) as superuser:
        await superuser.execute(statement)


async def test_a_database_that_cannot_hold_every_name_is_refused_before_anything_is_written() -> (
    None
):
    async with single() as node:
        for encoding in ("WIN1252", "LATIN1", "EUC_JP"):
            kind = f"ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0"
            await _execute(node, f"CREATE DATABASE {encoding} OWNER {NAME} {kind}")
            async with session(node.url(NAME, encoding.lower())) as owner:
                with pytest.raises(DatabaseError, match=f"is encoded in {encoding}, which cannot"):
                    await migrate(owner, BOT)
                [finding] = await look_at_migrations(owner)
                assert ("red", True) == (finding.colour, "createdb" in (finding.remedy or ""))
                assert not await owner.fetchval(
                    "SELECT to_regclass('schema_migrations') IS NOT NULL"
                )


def test_no_sql_of_ours_depends_on_what_a_backslash_means() -> None:
    files = [*(ROOT / "boostmon").rglob("sql/*.sql"), *(ROOT / "db/migrations").glob("*.sql")]
    earlier = [f"000{number}" for number in range(10)]  # which sessions of ours alone carry out
    named = [path.name for path in files if "\\" in path.read_text(encoding="utf-8")]

    assert [] == [name for name in named if name[:4] not in earlier]
