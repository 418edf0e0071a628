"""`boostmon demo`."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import click
from rich.console import Console

from boostmon.cli.logs import configure_logs
from boostmon.cli.places import Place, bring_up_to_date, port_taken
from boostmon.cli.stopping import until_stopped
from boostmon.cli.story import Story
from boostmon.cli.town import DemoError, Town
from boostmon.config import LogConfig
from boostmon.database.clock import write_clock
from boostmon.database.embedded import EmbeddedPostgres
from boostmon.sandbox import Sandbox

FAREWELL = 10.0
OURS = ("BOOSTMON_", "DISCORD_", "DATABASE_URL", "PORT")

NEXT = """
[bold]To go on with a server of your own[/]: create an application at Discord's developer portal,
copy the token from its page Bot, invite it with the permission Manage Roles, and

  DISCORD_TOKEN=… boostmon run

The database is made by itself; docs/quickstart.md has the details."""


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Where to listen; 0: any free port."
)
@click.option(
    "--speed",
    type=click.FloatRange(1, 3600),
    default=300.0,
    show_default=True,
    help="How fast time passes between the chapters.",
)
def demo(*, port: int, speed: float) -> None:
    """Watch BoostMon do its job, without token or network."""
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
    configure_logs(LogConfig(boostmon_log_level="warning"))
    asyncio.run(until_stopped(_demo(port, speed)))


async def _demo(port: int, speed: float) -> None:
    console = Console(highlight=False)
    async with _stage(port, console) as (sandbox, place, folder):
        clock_file = folder / "clock.json"
        write_clock(clock_file, now=round(time.time() * 1000), speed=1.0)
        environ = {
            "DATABASE_URL": place.url,
            "BOOSTMON_OWNER_DATABASE_URL": place.owner_url,
            "DISCORD_TOKEN": sandbox.token,
            "BOOSTMON_DISCORD_API": sandbox.api,
            "BOOSTMON_CLOCK": str(clock_file),
        }
        async with _bot(environ, folder / "bot.log"), aiohttp.ClientSession() as session:
            town = Town(sandbox, session)
            await town.registered()
            story = Story(
                town, console=console, clock_file=clock_file, speed=speed, environ=environ
            )
            await story.tell(folder / "data.json")
    console.print(NEXT)


@asynccontextmanager
async def _stage(port: int, console: Console) -> AsyncIterator[tuple[Sandbox, Place, Path]]:
    """Lend a simulated Discord and an empty database, both gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="boostmon-demo-") as folder:
        Path(folder).chmod(0o711)  # root's PostgreSQL runs as another account
        async with (
            _sandbox(port) as sandbox,
            EmbeddedPostgres(Path(folder) / "database") as server,
        ):
            console.print(f"database: {server.description}")
            console.print(f"Discord: simulated at {sandbox.url}")
            place = Place(url=server.url, owner_url=server.owner_url, statement_cache=True)
            await bring_up_to_date(place)
            yield sandbox, place, Path(folder)


@asynccontextmanager
async def _sandbox(port: int) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(port=port)
    try:
        await sandbox.start()
    except OSError as error:
        raise port_taken(port, error) from error
    try:
        yield sandbox
    finally:
        await sandbox.stop()


@asynccontextmanager
async def _bot(environ: Mapping[str, str], log: Path) -> AsyncIterator[None]:
    """Run the bot as a process of its own, which must outlive what is done with it."""
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "boostmon", "run"],
            env=os.environ | environ,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield
    except TimeoutError as error:
        raise DemoError(f"The bot did not do its part: …{log.read_text()[-500:]}") from error
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(FAREWELL):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
