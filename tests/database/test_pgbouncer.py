"""The whole job through PgBouncer in transaction mode, with a direct URL for the owner."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from msgspec import Struct

from boostmon.cli.terminal.places import bring_up_to_date, found_database
from boostmon.commands.decider import SetTime
from boostmon.database.connections.connection import session
from boostmon.database.connections.pool import connect
from boostmon.database.embedded.binaries import account_for
from boostmon.database.embedded.provision import BOT, NAME
from boostmon.events.timer import TimerId
from boostmon.projections.replay import run
from tests.cli.test_cli import boostmon, discord
from tests.support.cluster import Node, single
from tests.support.databases import world_folder
from tests.support.patient import read
from tests.support.timers import handler_over, slash
from tests.support.town import Town
from tests.support.town import town as a_town

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
SETTINGS = """
[databases]
{database} = host={socket}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = 3
server_login_retry = 1
"""
THROUGH = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'boostmon_bot'"
DIRECT = "SELECT application_name FROM pg_stat_activity WHERE usename = 'boostmon'"

# A program that pip does not bring: .ci/run installs it, and who has it not sees the reason.
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="PgBouncer is not installed")


class Site(Struct, frozen=True):
    """A bot at work behind PgBouncer."""

    town: Town
    node: Node
    url: str
    owner_url: str


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Lend a town whose bot was given the two URLs, as `boostmon run` takes them."""
    async with single() as node:
        with _pgbouncer(node) as url:
            await _until(lambda: _listens(url))
            environ = {"DATABASE_URL": url, "BOOSTMON_OWNER_DATABASE_URL": node.url(NAME)}
            async with _at_work(environ) as town:
                yield Site(town, node, url, node.url(NAME))


async def test_doctor_finds_nothing_wrong_with_a_bot_behind_pgbouncer(site: Site) -> None:
    await site.town.say("mona", "settime", user="max", role="VIP", duration="10h")
    environ = {"DATABASE_URL": site.url, "BOOSTMON_OWNER_DATABASE_URL": site.owner_url}
    environ |= discord(site.town.client.sandbox)

    outcomes = [await boostmon("doctor", **environ) for _ in range(2)]  # the second on old servers

    assert [0, 0] == [outcome.code for outcome in outcomes]
    for outcome in outcomes:
        (yellow,) = read(outcome.code, outcome.out).faults
        assert yellow[1].startswith("The Server Members Intent is not granted")


async def test_pgbouncer_alone_says_at_once_which_variable_to_set(site: Site) -> None:
    environ = {"DATABASE_URL": site.url, **discord(site.town.client.sandbox)}

    outcome = await asyncio.wait_for(boostmon("run", **environ), 20)

    assert "leads through a pooler such as PgBouncer" in outcome.err
    assert "set BOOSTMON_OWNER_DATABASE_URL" in outcome.err
    assert 1 == outcome.code


async def test_every_command_works_through_pgbouncer(site: Site) -> None:
    town, timer = site.town, {"user": "max", "role": "VIP"}
    told = [
        await town.say("mona", "settime", duration="10h", **timer),
        await town.say("mona", "pausetime", **timer),
        await town.say("mona", "resumetime", **timer),
        await town.say("max", "timeleft"),
        await town.say("mona", "cleartime", **timer),
    ]

    assert [record["message"]["embeds"][0]["title"] for record in told] == [
        "Timed Role Activated",
        "Timed Role Paused",
        "Timed Role Resumed",
        "Timed Roles",
        "Timed Role Cleared",
    ]
    assert town.roles_of("max") == []
    assert await site.node.ask(THROUGH) <= 3


async def test_forty_commands_share_three_connections(site: Site) -> None:
    town = site.town
    await town.say("mona", "settime", user="max", role="VIP", duration="10h")
    sending = (town.send("mona", "removetime", user="max", duration="1") for _ in range(40))
    asked = await asyncio.gather(*sending)
    told = await asyncio.gather(*(town.reply(each) for each in asked))

    titles = {record["message"]["embeds"][0]["title"] for record in told}
    assert titles == {"Timed Role Reduced"}
    assert (await town.events()).count("TimeRemoved") == 40
    assert await site.node.ask(THROUGH) <= 3
    async with session(site.owner_url) as owner:
        assert (await run.check(owner)).clean


async def test_hints_come_over_the_owners_direct_connection(site: Site) -> None:
    town = site.town
    user_id, role_id = town.id_of("user", "vera"), town.id_of("role", "VIP")
    timer = TimerId(town.client.ids["guild"], user_id, role_id)
    command = SetTime(time.time_ns() // 1_000_000, 1000, ())
    assert await site.node.ask(DIRECT) == "boostmon listener"

    async with await connect(site.owner_url) as other:  # without a hint the sweep is 30 s away
        await handler_over(other).handle(timer, command, slash())

    await _until(lambda: _has_ended(town))


async def test_a_restart_of_the_server_behind_pgbouncer_loses_no_command(site: Site) -> None:
    town = site.town
    await site.node.stop()
    asked = await town.send("mona", "settime", user="max", role="VIP", duration="1h")
    await site.node.start()
    told = await town.reply(asked)

    assert told["message"]["embeds"][0]["title"] == "Timed Role Activated"
    assert await town.events() == ["TimerSet"]


@asynccontextmanager
async def _at_work(environ: dict[str, str]) -> AsyncIterator[Town]:
    async with found_database(environ) as place:
        await bring_up_to_date(place)
        cache = place.statement_cache
        async with (
            await connect(place.url, statement_cache=cache) as database,
            a_town(database, place.owner_url) as town,
        ):
            yield town


@contextmanager
def _pgbouncer(node: Node) -> Iterator[str]:
    """Run PgBouncer before *node*; lend the URL that leads through it."""
    port = _free_port()
    with world_folder() as folder:
        settings, users = folder / "pgbouncer.ini", folder / "users.txt"
        users.write_text(f'"{BOT}" ""\n', encoding="utf-8")
        settings.write_text(
            SETTINGS.format(database=NAME, socket=node.socket, port=port, users=users),
            encoding="utf-8",
        )
        process = _started(settings)
        try:
            yield f"postgresql://{BOT}@127.0.0.1:{port}/{NAME}"
        finally:
            process.kill()
            process.wait()


def _started(settings: Path) -> subprocess.Popen[bytes]:
    account = account_for(settings.parent / "data")
    return subprocess.Popen(  # noqa: S603 - no shell, and our own words
        [str(PROGRAM), "--quiet", str(settings)],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **(account.options if account else {}),
    )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _listens(url: str) -> bool:
    port = int(url.rpartition(":")[2].partition("/")[0])
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _has_ended(town: Town) -> bool:
    """Tell whether a role was taken from somebody."""
    requests = town.client.sandbox.state()["requests"]
    return any(each["method"] == "DELETE" and "/roles/" in each["path"] for each in requests)


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not done():  # noqa: ASYNC110 - what is waited for raises no event
            await asyncio.sleep(0.02)
