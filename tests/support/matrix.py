"""A whole life over servers as others have set them up: `python -m tests.matrix` tries many."""

import argparse
import asyncio
import itertools
import json
import logging
import os
import random
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from boostmon.commands.imports.exported import judge_export, restore
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import connect
from boostmon.database.embedded.binaries import find
from boostmon.database.embedded.provision import BOT, NAME, provision
from boostmon.database.schema.migrate import migrate
from boostmon.events.export import export_log
from boostmon.projections.replay.run import check, replay
from tests.commands.test_importer import PAUSED, RUNNING, entry, importer, judged, told
from tests.database.test_odd_servers import ALONE, LOOK, ROWS, live
from tests.support.cluster import Node
from tests.support.databases import world_folder

KIND = "kind of database"
KINDS = {
    "UTF8, C.UTF-8": "ENCODING 'UTF8' LOCALE 'C.UTF-8'",
    "UTF8, C": "ENCODING 'UTF8' LOCALE 'C'",
    "SQL_ASCII, C": "ENCODING 'SQL_ASCII' LOCALE 'C'",
}
# What a session has by itself is the first value of each; a name with `|` stands for several.
AXES: Mapping[str, tuple[str, ...]] = {
    KIND: tuple(KINDS),
    "array_nulls": ("on", "off"),
    "backslash_quote": ("safe_encoding", "off"),
    "bytea_output": ("hex", "escape"),
    "check_function_bodies": ("on", "off"),
    "client_encoding": ("UTF8", "LATIN1", "SQL_ASCII"),
    "constraint_exclusion": ("partition", "on"),
    "DateStyle": ("ISO, MDY", "German, DMY", "SQL, DMY", "Postgres, YMD"),
    "default_transaction_deferrable": ("off", "on"),
    "default_transaction_isolation": ("read committed", "repeatable read", "serializable"),
    "enable_seqscan|enable_sort": ("on", "off"),
    "enable_indexscan|enable_indexonlyscan|enable_bitmapscan": ("on", "off"),
    "enable_hashjoin|enable_mergejoin": ("on", "off"),
    "enable_nestloop|enable_hashagg": ("on", "off"),
    "escape_string_warning": ("on", "off"),
    "extra_float_digits": ("1", "0", "-15", "3"),
    "from_collapse_limit|join_collapse_limit": ("8", "1"),
    "idle_in_transaction_session_timeout": ("0", "1ms"),
    "IntervalStyle": ("postgres", "sql_standard", "iso_8601"),
    "jit": ("off", "on"),
    "jit_above_cost": ("100000", "0"),
    "lc_messages|lc_monetary|lc_numeric|lc_time": ("C", "C.UTF-8"),
    "lock_timeout": ("0", "1ms"),
    "plan_cache_mode": ("auto", "force_generic_plan", "force_custom_plan"),
    "plpgsql.extra_errors": ("none", "strict_multi_assignment, too_many_rows"),
    "plpgsql.print_strict_params": ("off", "on"),
    "plpgsql.variable_conflict": ("error", "use_variable", "use_column"),
    "quote_all_identifiers": ("off", "on"),
    "row_security": ("on", "off"),
    "session_replication_role": ("origin", "replica", "local"),
    "standard_conforming_strings": ("on", "off"),
    "statement_timeout": ("0", "1ms"),
    "synchronous_commit": ("on", "off", "local"),
    "TimeZone": ("UTC", "Pacific/Chatham", "America/St_Johns"),
    "transform_null_equals": ("off", "on"),
    "work_mem": ("4MB", "64kB"),
    "xmlbinary|xmloption": ("", "hex|document"),
}
SMALL = {name: (values[0], values[-1]) for name, values in AXES.items()}
THEIRS = ("1200000000000000008", "1200000000000000009")
TIMERS = "SELECT count(*) FROM role_timers"
DRIFT = "UPDATE role_timers SET expires_at = expires_at + 1, warnings_sent = '{\"60\": true}'"

# No limits of time for pg_dump and pg_restore, as docs/operations.md has it.
LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
PATIENT = {"PGOPTIONS": " ".join(f"-c {limit}=0" for limit in LIMITS)}

Row = dict[str, str]


def pairs(axes: Mapping[str, tuple[str, ...]] = AXES) -> Iterator[Row]:
    """Give rows in which each two values of two axes stand together at least once."""
    chance = random.Random(1)  # noqa: S311 - the same rows each time
    missing = {
        frozenset(two)
        for one, other in itertools.combinations(axes, 2)
        for two in itertools.product(_values(axes, one), _values(axes, other))
    }
    while missing:
        candidates = [_grown(axes, missing, chance) for _ in range(40)]
        row = max(candidates, key=lambda row: len(_pairs_of(row) & missing))
        missing -= _pairs_of(row)
        yield row


def _values(axes: Mapping[str, tuple[str, ...]], name: str) -> list[tuple[str, str]]:
    return [(name, value) for value in axes[name]]


def _pairs_of(row: Row) -> set[frozenset[tuple[str, str]]]:
    return {frozenset(two) for two in itertools.combinations(row.items(), 2)}


def _grown(
    axes: Mapping[str, tuple[str, ...]],
    missing: set[frozenset[tuple[str, str]]],
    chance: random.Random,
) -> Row:
    """Begin with a missing pair, and give each other axis the value that adds the most."""
    row: Row = dict(chance.choice(sorted(missing, key=sorted)))
    names = [name for name in axes if name not in row]
    chance.shuffle(names)
    for name in names:
        row[name] = max(
            chance.sample(axes[name], len(axes[name])),
            key=lambda value: sum(
                frozenset([(name, value), item]) in missing for item in row.items()
            ),
        )
    return row


def rows(number: int, seed: int) -> Iterator[Row]:
    """Give each value alone, then *number* rows of values at random."""
    plain = {name: values[0] for name, values in AXES.items()}
    for name, values in AXES.items():
        yield from (plain | {name: value} for value in values[1:])
    chance = random.Random(seed)  # noqa: S311 - to be had again by its seed
    for _ in range(number):
        yield {name: chance.choice(values) for name, values in AXES.items()}


@asynccontextmanager
async def server() -> AsyncIterator[Node]:
    """Lend a server with the two roles, which forgets what it has when it is killed."""
    with world_folder() as folder:
        node = Node(folder / "only")
        await node.initialize()
        node.configure("fsync = off\nfull_page_writes = off\n")
        try:
            await node.start()
            await provision(node.url("postgres", "postgres"))
            yield node
        finally:
            node.end()


async def life(node: Node, row: Row, folder: Path) -> list[tuple[object, ...]]:
    """Live a whole life in databases that have set *row*; return what there is to see of it."""
    await _make(node, row, "first", "second", "third")
    url, owner_url = node.url(BOT, "first"), node.url(NAME, "first")
    seen, log = await live(url, owner_url, folder)
    await _import(url, folder)
    async with session(owner_url) as owner:
        await owner.execute(DRIFT)
        mended = await replay(owner)
        assert mended.rows_mended == await owner.fetchval(TIMERS) > 0, mended
        assert (await check(owner)).clean
    async with session(node.url(NAME, "second")) as owner:
        await migrate(owner, BOT)
        await restore(owner, judge_export(folder / "log.jsonl"))
        assert (await check(owner)).clean
        parts: list[bytes] = []
        await export_log(owner, parts.append)
        assert log == b"".join(parts)
    await _copied(node, folder)
    return seen


async def _import(url: str, folder: Path) -> None:
    file = folder / "data.json"
    file.write_text(
        json.dumps(entry(RUNNING, THEIRS[0]) | entry(PAUSED, THEIRS[1])), encoding="utf-8"
    )
    async with await connect(url, pool=ALONE) as database:
        for outcome in ("imported", "unchanged"):
            assert [(outcome, "")] * 2 == told(await importer(database).run(judged(file)))


async def _copied(node: Node, folder: Path) -> None:
    """Dump the first database and restore the dump into the third, which then is the same."""
    dump = str(folder / "timers.dump")
    await _call(
        "pg_dump",
        "--format=custom",
        "--encoding=UTF8",
        f"--file={dump}",
        node.url("postgres", "first"),
    )
    into = node.url("postgres", "third")
    await _call("pg_restore", "--exit-on-error", "--single-transaction", f"--dbname={into}", dump)
    async with session(node.url(NAME, "first")) as one, session(node.url(NAME, "third")) as other:
        assert [] == await migrate(other, BOT)
        assert (await check(other)).clean
        for question in (LOOK, ROWS):
            assert await one.fetch(question) == await other.fetch(question)


async def _call(program: str, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        find(None).bin / program, *arguments, env=os.environ | PATIENT, stderr=subprocess.PIPE
    )
    _, err = await process.communicate()
    assert process.returncode == 0, err.decode()


async def _make(node: Node, row: Row, *names: str) -> None:
    """Make empty databases, each as *row* has it, in the place of those of the row before."""
    async with session(node.url("postgres", "postgres")) as superuser:
        for name in names:
            await superuser.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            kind = KINDS[row.get(KIND, "UTF8, C.UTF-8")]
            await superuser.execute(
                f"CREATE DATABASE {name} OWNER {NAME} {kind} TEMPLATE template0"
            )
            for setting, value in _settings(row):
                await superuser.execute(f"ALTER DATABASE {name} SET {setting} = {value}")


def _settings(row: Row) -> Iterator[tuple[str, str]]:
    """Give the settings of *row* that are not those of every session."""
    for axis, value in row.items():
        if axis == KIND or value == AXES[axis][0]:
            continue
        names, values = axis.split("|"), value.split("|")
        for name, each in zip(names, itertools.cycle(values), strict=False):
            yield name, each if name == "DateStyle" else f"'{each}'"


async def main(number: int, seed: int) -> None:
    """Live the pairs and many rows more, and say at the end how many were alike."""
    began, count = time.monotonic(), 0
    async with server() as node:
        with world_folder() as folder:
            plain = await life(node, {}, folder)
            for count, row in enumerate([*pairs(), *rows(number, seed)], start=1):
                odd = {name: value for name, value in row.items() if value != AXES[name][0]}
                assert plain == await life(node, row, folder), odd
                print(f"{count:4} alike: {', '.join(odd.values())}"[:120], flush=True)  # noqa: T201
    print(f"{count} servers, {time.monotonic() - began:.0f} s: every life was the same.")  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=60, help="how many rows of values at random")
    parser.add_argument("--seed", type=int, default=1, help="which rows these are")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    asyncio.run(main(given.rows, given.seed))
