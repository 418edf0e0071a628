"""An import or export whose connection is lost behind the commit looks whether it arrived."""

import asyncio
import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from boostmon.cli.records import restoring
from boostmon.cli.terminal.places import Place
from boostmon.commands.decider import SetTime
from boostmon.commands.imports.exported import ExportFile, judge_export
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database, connect
from boostmon.database.schema.migrate import migrate
from boostmon.errors import DatabaseUnavailableError
from boostmon.events.export import export_log
from boostmon.events.timer import HOUR
from tests.commands.test_importer import RUNNING, entry, importer, judged, told
from tests.database.test_database_trouble import IMPATIENT, Interrupter
from tests.support.databases import TestServer, schema
from tests.support.timers import M, fresh_timer, handler_over, slash

NOW = 1_700_000_000_000
COUNT = "SELECT count(*) FROM events"


class Closing(Interrupter):
    """A gate that takes nobody in any more when it has hung up."""

    async def _visit(self, reader: Any, writer: Any) -> None:
        if self.cuts:
            writer.transport.abort()
            return
        await super()._visit(reader, writer)


@pytest.fixture
async def exported(database: Database, owner: asyncpg.Connection, tmp_path: Path) -> ExportFile:
    """Give the export of a log with some timers."""
    for _ in range(3):
        await handler_over(database).handle(fresh_timer(), SetTime(NOW, HOUR, M), slash())
    parts: list[bytes] = []
    await export_log(owner, parts.append)
    file = tmp_path / "log.jsonl"
    file.write_bytes(b"".join(parts))
    return judge_export(file)


async def imported(
    gate: Interrupter, marks: tuple[bytes, ...], file: ExportFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Import *file* through *gate*, which swallows the answer to *marks* and hangs up."""

    async def up_to_date(_: Place) -> list[str]:
        gate.cut_after(*marks)
        return []

    monkeypatch.setattr(restoring, "bring_up_to_date", up_to_date)
    monkeypatch.setattr(restoring, "PATIENCE", 0.5)
    monkeypatch.setenv("DATABASE_URL", gate.url)
    await restoring._restore(file)  # noqa: SLF001 - what the command calls


WRITTEN = b"pg_notify"  # the last of it; a connection that opens commits something, too
CUTS = {  # the gate, what it cuts off, what is said, and whether the export arrives
    "behind the commit": (Interrupter, (WRITTEN, b"COMMIT;"), None, True),
    "before": (Interrupter, (WRITTEN,), "Nothing of the export was written; run", False),
    "behind it, for good": (
        Closing,
        (WRITTEN, b"COMMIT;"),
        "Nobody knows whether the export was",
        True,
    ),
    "before it, for good": (Closing, (WRITTEN,), "Nobody knows whether the export was", False),
}


@pytest.mark.parametrize("cut", CUTS)
async def test_an_import_whose_connection_is_lost_looks_whether_it_arrived(
    cut: str, exported: ExportFile, server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, marks, expected, arrives = CUTS[cut]
    async with schema(server) as other, session(other.owner_url) as owner:
        await migrate(owner)
        async with kind(other.owner_url) as gate:
            if expected is None:
                await imported(gate, marks, exported, monkeypatch)
            else:
                with pytest.raises(DatabaseUnavailableError, match=expected):
                    await imported(gate, marks, exported, monkeypatch)
        assert 1 == gate.cuts
        assert (exported.events if arrives else 0) == await owner.fetchval(COUNT)


async def test_an_import_of_timers_whose_answer_was_lost_has_imported_them(
    bot_url: str, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "data.json"
    file.write_text(json.dumps(entry(RUNNING)), encoding="utf-8")
    async with Interrupter(bot_url) as gate, await connect(gate.url, pool=IMPATIENT) as database:
        gate.cut_after(b'"type":"TimerSet"')
        results = await importer(database).run(judged(file))

        assert 1 == gate.cuts
        assert [("imported", "")] == told(results)
        assert [("unchanged", "")] == told(await importer(database).run(judged(file)))
    assert 1 == await owner.fetchval(COUNT)


async def test_an_export_that_is_whole_is_whole_whatever_becomes_of_the_connection(
    exported: ExportFile, owner_url: str
) -> None:
    parts: list[bytes] = []
    async with Interrupter(owner_url) as gate, session(gate.url) as owner:
        gate.cut_after(b"COMMIT;")
        result = await export_log(owner, parts.append)

    assert (1, exported.events, exported.head) == (gate.cuts, result.events, result.head)
    assert exported.path.read_bytes() == b"".join(parts)


async def test_an_export_that_is_cut_off_in_the_middle_is_none(
    exported: ExportFile, owner_url: str
) -> None:
    assert exported.events
    async with Interrupter(owner_url) as gate:
        with pytest.raises(DatabaseUnavailableError):
            await asyncio.wait_for(_export_cut_off(gate), 20)


async def _export_cut_off(gate: Interrupter) -> None:
    async with session(gate.url) as owner:
        gate.cut_after(b"COPY")
        await export_log(owner, lambda _: None)
