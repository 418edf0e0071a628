"""The limit of everything that is written: pgbench's bare INSERT on the same server."""

import asyncio
import re
import subprocess

from tests.bench.runner import Place, Tables

DOCUMENT = (
    '{"type":"TimeAdded","at":1800000060000,"duration_ms":3600000,"expires_at":1800010800000}'
)
TABLE = "CREATE TABLE bare (id BIGSERIAL PRIMARY KEY, data JSON NOT NULL)"
INSERT = f"INSERT INTO bare (data) VALUES ('{DOCUMENT}');\n"  # noqa: S608 - our own words


async def inserts_per_second(
    place: Place, tables: Tables, *, clients: int, mode: str = "simple"
) -> float:
    """Insert a row a transaction for one second into the table `bare`; simple is pgbench's default.

    The table is made with `TABLE`.
    """
    script = place.folder / "insert.sql"
    script.write_text(INSERT, encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        place.binaries / "pgbench",
        *["--no-vacuum", "--time=1", f"--client={clients}", f"--jobs={min(clients, 2)}"],
        *[f"--protocol={mode}", f"--file={script}", tables.owner_url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    out, complaint = await process.communicate()
    found = re.search(r"tps = ([\d.]+)", out.decode())
    if found is None:
        raise RuntimeError(complaint.decode())
    return float(found[1])
