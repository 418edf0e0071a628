"""The library `eventsourcing` at the same work, in a Python of its own: we do not depend on it.

Its PostgreSQL recorder is used as it comes: it locks the table for each save, so that a follower
never skips an event.
"""

import asyncio
import os
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec

from boostmon.database.connections.connection import session
from tests.bench.runner import Place, Tables

ROOT = Path(__file__).parents[2]
PYTHON = Path(os.environ.get("BENCH_PYTHON", ROOT / ".venv-bench" / "bin" / "python"))
SCRIPT = Path(__file__).with_name("eventsourcing_saves.py")


def is_installed() -> bool:
    """Tell whether `make bench` has prepared its Python."""
    return PYTHON.exists()


async def run(place: Place, tables: Tables, *, threads: int) -> dict[str, float]:
    """Return its `saves` and its `loads_and_saves` a second."""
    parts = urlsplit(tables.owner_url)
    query = parse_qs(parts.query)
    async with session(tables.owner_url) as owner:
        schema = await owner.fetchval("SELECT current_schema()")
    environ = {
        "PATH": os.environ["PATH"],
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path.removeprefix("/"),
        "POSTGRES_HOST": query["host"][0],
        "POSTGRES_PORT": query["port"][0],
        "POSTGRES_USER": (parts.username or "boostmon"),
        "POSTGRES_PASSWORD": "none",  # a socket that trusts its visitors
        "POSTGRES_SCHEMA": schema,
        "POSTGRES_POOL_SIZE": str(threads),
        "THREADS": str(threads),
    }
    process = await asyncio.create_subprocess_exec(
        *[PYTHON, SCRIPT],
        env=environ,
        cwd=place.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, complaint = await process.communicate()
    if process.returncode:
        raise RuntimeError(complaint.decode())
    return msgspec.json.decode(out, type=dict[str, float])
