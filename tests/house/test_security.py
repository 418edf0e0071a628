"""What docs/security.md promises: that its tests are there, and what no other file tests."""

import re
import socket
import stat
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import msgspec
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import Database
from boostmon.database.connections.url import role_of
from boostmon.database.embedded.postgres import EmbeddedPostgres
from boostmon.sandbox import Sandbox
from tests.support.databases import world_folder
from tests.support.places import ROOT, named
from tests.support.town import town as a_town

PAGE = (ROOT / "docs/security.md").read_text(encoding="utf-8")
TABLE = re.compile(r"^\| it is so \| shown by \|\n\|.*\n((?:^\|.*\n)+)", re.MULTILINE)
CLAIMS = [row.strip("|").split("|") for table in TABLE.findall(PAGE) for row in table.splitlines()]
NAMED = re.compile(r"`(test_\w+\.py)::(test_\w+)`")
GUILDS, MEMBERS, MODERATION = 1 << 0, 1 << 1, 1 << 2
RIGHTS = """
SELECT table_name::text, string_agg(privilege_type, ', ' ORDER BY privilege_type)
FROM (
    SELECT grantee, table_schema, table_name, privilege_type
    FROM information_schema.role_table_grants
    UNION
    SELECT grantee, table_schema, table_name, privilege_type
    FROM information_schema.role_column_grants
) AS rights
WHERE grantee = $1 AND table_schema = current_schema()
GROUP BY table_name
"""


@pytest.mark.parametrize(("claim", "shown_by"), CLAIMS)
def test_a_claim_names_a_test_that_is_there(claim: str, shown_by: str) -> None:
    tests = NAMED.findall(shown_by)
    missing = [
        f"{file}::{name}"
        for file, name in tests
        if f"def {name}(" not in named(file).read_text(encoding="utf-8")
    ]

    assert [] == missing, claim
    assert tests


def test_the_claims_are_read() -> None:
    assert 7 == len(TABLE.findall(PAGE))
    assert len(CLAIMS) > 30


async def test_the_bots_role_has_the_rights_that_are_told(
    separate_bot: str, owner: asyncpg.Connection
) -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| ([A-Z, ]+) \|$", PAGE, re.MULTILINE))

    assert told == dict(await owner.fetch(RIGHTS, role_of(separate_bot)))


async def test_the_gateway_is_asked_for_servers_and_members_only(
    database: Database, owner_url: str
) -> None:
    async with a_town(database, owner_url) as town:
        sessions = town.client.sandbox.discord.sessions
        asked = {each.intents for each in sessions}

    assert asked <= {GUILDS | MODERATION, GUILDS | MODERATION | MEMBERS}
    assert asked


async def test_the_sandbox_listens_on_this_machine_only() -> None:
    async with Sandbox() as sandbox:
        port = int(sandbox.url.rpartition(":")[2])
        with pytest.raises(ConnectionRefusedError), socket.socket() as outside:
            outside.connect(("127.0.0.2", port))
        with socket.create_connection(("127.0.0.1", port)):
            pass


async def test_the_embedded_server_is_for_one_account() -> None:
    with world_folder() as folder:
        async with EmbeddedPostgres(folder / "new", durable=False) as server:
            async with session(server.superuser_url) as connection:
                addresses = await connection.fetchval("SHOW listen_addresses")
            (place,) = parse_qs(urlsplit(server.url).query)["host"]
            mode = stat.S_IMODE(Path(place).stat().st_mode)

    assert ("", 0o700) == (addresses, mode)


@pytest.mark.parametrize("path", sorted(ROOT.glob("requirements*.txt")), ids=lambda path: path.name)
def test_each_package_is_locked_with_its_hashes(path: Path) -> None:
    entries = re.split(r"^(?=\S)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    packages = [entry for entry in entries if re.match(r"[A-Za-z]", entry)]
    loose = [entry for entry in packages if "==" not in entry or "--hash=sha256:" not in entry]

    assert [] == loose
    assert packages


def test_the_packages_of_node_are_locked_with_their_hashes() -> None:
    locked = msgspec.json.decode((ROOT / "tests/clients/package-lock.json").read_bytes())
    packages = {name: entry for name, entry in locked["packages"].items() if name}

    assert [] == [name for name, entry in packages.items() if "integrity" not in entry]
    assert packages


def test_make_checks_the_hashes() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    installs = [
        line
        for line in makefile.splitlines()
        if re.search(r"pip (sync|install) .*(-r|\$<|\.txt)", line)
    ]

    assert [] == [line for line in installs if "--require-hashes" not in line]
    assert len(installs) >= 4


@pytest.mark.parametrize("page", ["Makefile", "Dockerfile", "docs/deploying.md"])
def test_pip_installs_what_is_locked_and_decides_nothing(page: str) -> None:
    # While it resolves, pip looks at `coverage[toml]` apart from the locked `coverage`, takes the
    # newest, and refuses it for want of a hash: from the day on which there is a newer one.
    installs = [
        line
        for line in (ROOT / page).read_text(encoding="utf-8").splitlines()
        if re.search(r"\bpip (--python \S+ )?install .*--require-hashes", line)
        and not line.strip().startswith("uv ")
    ]

    assert [] == [line for line in installs if "--no-deps" not in line]
    assert installs


def test_nothing_that_a_locked_package_needs_is_left_out_of_the_lock() -> None:
    locked = {
        canonicalize_name(name)
        for name in re.findall(
            r"^([\w.-]+)==",
            (ROOT / "requirements-dev.txt").read_text(encoding="utf-8"),
            re.MULTILINE,
        )
    }
    needed = {
        (name, canonicalize_name(need.name))
        for name in sorted(locked)
        for need in _needs(name)
        if need.marker is None or need.marker.evaluate({"extra": ""})
    }

    assert [] == sorted(pair for pair in needed if pair[1] not in locked)
    assert needed


def _needs(name: str) -> list[Requirement]:
    try:
        return [Requirement(need) for need in requires(name) or ()]
    except PackageNotFoundError:  # one for another platform
        return []
