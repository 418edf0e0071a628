"""The story that `demo` tells: people give commands, time passes, and roles end."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping

from boostmon.cli.demonstration.scene import Scene
from boostmon.cli.demonstration.teller import Teller
from boostmon.cli.demonstration.town import DemoError, Town
from boostmon.events.timer import HOUR, MINUTE

LOOK = 0.1  # seconds
LATEST = 30.0  # seconds that anything may take
ANSWERED = 3  # times that a command is given before the story goes on without an answer


class Story:
    """Tells what happens; timer time passes *speed* times as fast between chapters.

    A person may play along at the page. Then the story waits for them where it must, and tells
    what is, even if that is not what it would have been.
    """

    def __init__(
        self,
        town: Town,
        teller: Teller,
        *,
        scene: Scene,
        speed: float,
        environ: Mapping[str, str],
    ) -> None:
        self._town = town
        self._teller = teller
        self._folder = scene.folder
        self._bot = scene.bot
        self._feed = scene.feed
        self._board = scene.board
        self._tempo = scene.tempo
        self._speed = speed
        self._environ = environ
        self._is_paused = False  # as the reader knows

    async def tell(self) -> None:
        """Tell it all; raise `DemoError` when it does not come out as it should."""
        await self._import()
        await self._commands()
        await self._hold()
        await self._warnings()
        await self._end()

    async def _import(self) -> None:
        self._teller.chapter("The timers of the JavaScript bot move in")
        ids, data_json = self._town.ids, self._folder / "data.json"
        entry = {"expiresAt": self._tempo.now() + 40 * HOUR, "warningsSent": {}}
        content = {ids["users"]["vera"]: {"roles": {ids["roles"]["Supporter"]: entry}}}
        data_json.write_text(json.dumps(content))
        self._teller.shell("boostmon import data.json --guild …")
        await self._boostmon("import", str(data_json), "--guild", ids["guild"])

    async def _commands(self) -> None:
        self._teller.chapter("A moderator gives roles that end")
        vip = {"user": "max", "role": "VIP"}
        await self._give("mona", "settime", vip | {"duration": "70m", "channel": "general"})
        await self._give("mona", "settime", {"user": "carl", "role": "Trial", "duration": "2h"})
        self._teller.chapter("What may not be is refused, and says why")
        await self._give("max", "settime", vip | {"duration": "1w"})
        admin = {"user": "max", "role": "Admin", "duration": "1w"}
        await self._give("mona", "settime", admin)

    async def _hold(self) -> None:
        self._teller.chapter("A pause stops the countdown; the role stays")
        await self._give("mona", "pausetime", {"user": "carl"})
        await self._pass(5 * MINUTE)
        await self._give("mona", "resumetime", {"user": "carl"})
        await self._give("mona", "addtime", {"user": "carl", "duration": "1 day"})

    async def _warnings(self) -> None:
        self._teller.chapter("Time passes: warnings at 60, 10 and 1 minutes, then the role goes")
        await self._pass(66 * MINUTE, until="@max notice: your access for VIP has expired.")

    async def _end(self) -> None:
        self._teller.chapter("How it ended")
        if ("max", "–") not in self._town.members():
            self._surprise("max was to end without a role.")
        self._teller.members()
        await self._feed.refresh()
        self._teller.log(self._board.entries)
        self._teller.shell("boostmon replay --check")
        await self._boostmon("replay", "--check")

    async def _give(self, who: str, name: str, options: dict[str, str]) -> None:
        """Have *who* give a command; again if the bot was stopped before it answered."""
        for _ in range(ANSWERED):
            await self._bot_there()
            self._teller.typed(who, name, options)
            try:
                record = await self._town.give(who, name, options)
            except DemoError as error:  # whom or what it names may be gone
                self._surprise(str(error))
                return
            if record is None:
                self._teller.plain(f"  Discord does not offer /{name} to {who}")
                return
            self._teller.reply(record)
            if record["acknowledged_ms"] is not None:
                return
            self._surprise("The application did not respond.")

    async def _pass(self, ms: int, until: str | None = None) -> None:
        """Let *ms* of timer time pass, telling the news; go on until *until* was posted.

        Only what nobody holds up must come in time.
        """
        target = self._tempo.now() + ms
        self._tempo.ask(self._speed)
        seen, patience = until is None, LATEST
        while self._tempo.now() < target or not seen:
            self._mention_pause()
            await self._bot_there()
            await asyncio.sleep(LOOK)
            news = self._teller.news()
            seen = seen or any(until in text for text in news if until)
            if self._tempo.now() >= target and not self._tempo.is_paused:
                patience -= LOOK if not self._board.was_read else 3 * LOOK
            if patience < 0:
                self._surprise(f"Nobody was told: {until}")
                break
        self._tempo.ask(1.0)

    def _mention_pause(self) -> None:
        if self._tempo.is_paused and not self._is_paused:
            self._teller.aside("Time stands still; the story goes on with it.")
        self._is_paused = self._tempo.is_paused

    async def _bot_there(self) -> None:
        """Wait for the bot; a person may have stopped it."""
        if self._bot.is_there:
            return
        if not self._bot.is_wanted and not self._bot.has_died:
            self._teller.aside("BoostMon is stopped; the story goes on when it runs again.")
        await self._bot.until_there()

    def _surprise(self, text: str) -> None:
        """Tell what should not be; it is a failure unless somebody may have played along."""
        if not self._board.was_read:
            raise DemoError(f"{text} The bot's log ends: {self._bot.tail()}")
        self._teller.aside(text)

    async def _boostmon(self, *arguments: str) -> None:
        """Run another command of BoostMon as a process of its own; tell what it printed."""
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "boostmon", *arguments],
            env=os.environ | self._environ,
            cwd=self._folder,  # where there is no .env
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            printed, complaint = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        self._teller.plain(printed.decode())
        if process.returncode != 0:
            self._surprise(f"boostmon {arguments[0]} failed: {complaint.decode().strip()}")
