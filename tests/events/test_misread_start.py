"""A log that 0.1.0 began where a server had set standard_conforming_strings = off."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from boostmon.database.connections.connection import session
from boostmon.database.embedded.provision import BOT, NAME
from boostmon.database.schema.migrate import migrate
from boostmon.events.newest import altered
from boostmon.projections.replay.run import check, replay
from tests.cli.test_cli import boostmon
from tests.support.cluster import Node, single
from tests.support.release_before import Release
from tests.support.timers import GUILD, ROLE

SETTING = "ALTER DATABASE boostmon SET standard_conforming_strings = off"
EVENTS = "SELECT position, type, data::text, recorded_at FROM event_log ORDER BY position"
TAMPERED = """
ALTER TABLE events DISABLE TRIGGER ALL;
UPDATE events SET data = replace(data::text, '60', '61')::json WHERE position = 1;
ALTER TABLE events ENABLE TRIGGER ALL
"""
USERS = [str(1_200_000_000_000_000_000 + number) for number in range(3)]


@pytest.fixture
async def node(release: Release, tmp_path: Path) -> AsyncIterator[Node]:
    """Lend a server with a log that the release before has written under that setting."""
    file = tmp_path / "data.json"
    async with single() as started:
        now = await started.ask("SELECT (extract(epoch FROM now()) * 1000)::bigint")
        roles = {"roles": {ROLE: {"expiresAt": now + 3_600_000}}}
        file.write_text(json.dumps(dict.fromkeys(USERS, roles)), encoding="utf-8")
        await started.ask(SETTING, database="postgres")
        where = {
            "DATABASE_URL": started.url(BOT),
            "BOOSTMON_OWNER_DATABASE_URL": started.url(NAME),
        }
        code, told = await release.carry_out(
            "-m", "boostmon", "import", str(file), "--guild", GUILD, **where
        )
        assert code == 0, told
        async with session(started.url(NAME)) as owner:
            await migrate(owner, BOT)
        yield started


async def test_it_is_told_apart_from_a_log_that_was_altered(node: Node) -> None:
    url = node.url(NAME)
    good = await boostmon("replay", "--check", DATABASE_URL=url)
    async with session(url) as owner:
        assert [] == await altered(owner, 10)  # which doctor asks
        assert (await replay(owner)).clean
    await node.ask("SELECT 1")
    async with session(node.url("postgres")) as superuser:
        await superuser.execute(TAMPERED)
    bad = await boostmon("replay", "--check", DATABASE_URL=url)

    [note, *_] = good.out.splitlines()
    assert (0, 1) == (good.code, bad.code)
    assert note.startswith("note: position 1: 0.1.0 has hashed the first event in a session with")
    assert "broken" not in good.out
    assert "broken: position 1: the event is not the one that was recorded" in bad.out
    assert "note: " not in bad.out
    async with session(url) as owner:
        assert [1] == await altered(owner, 10)
        assert not (await check(owner)).remarks


async def test_an_export_and_an_import_seal_it_anew(node: Node, tmp_path: Path) -> None:
    there, file = "anew", tmp_path / "log.jsonl"
    await node.ask(f"CREATE DATABASE {there} OWNER {NAME}", database="postgres")
    old, new = node.url(NAME), node.url(NAME, there)

    exported = await boostmon("export", str(file), DATABASE_URL=old)
    trial = await boostmon("import", str(file), "--dry-run", DATABASE_URL=new)
    imported = await boostmon("import", str(file), DATABASE_URL=new)
    before = await boostmon("replay", "--check", DATABASE_URL=old)
    after = await boostmon("replay", "--check", DATABASE_URL=new)
    again = await boostmon("export", "-", DATABASE_URL=new)

    assert [0] * 6 == [o.code for o in (exported, trial, imported, before, after, again)]
    assert "so the log is sealed anew, and its head is another one" in imported.err
    assert imported.out == trial.out.replace("would be ", "")
    head = after.out.split()[-1]
    assert head == imported.out.split()[-1] != before.out.split()[-1]
    assert "note: " not in after.out
    assert len(USERS) == len(again.out.splitlines())
    async with session(old) as one, session(new) as other:
        assert await one.fetch(EVENTS) == await other.fetch(EVENTS)


async def test_an_export_of_it_that_was_altered_is_refused(node: Node, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    assert 0 == (await boostmon("export", str(file), DATABASE_URL=node.url(NAME))).code
    first, *others = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join([first.replace('"source":"import"', '"source":"cli"'), *others]))

    refused = await boostmon("import", str(file), "--dry-run", DATABASE_URL=node.url(NAME))

    assert 1 == refused.code
    assert "line 1: the event is not the one that was recorded" in refused.err
