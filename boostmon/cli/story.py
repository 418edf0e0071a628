"""The story that `demo` tells: people give commands, time passes, and roles end."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from boostmon.cli.town import DemoError, Town
from boostmon.database.clock import FileClock, write_clock
from boostmon.database.connection import session
from boostmon.events.timer import HOUR, MINUTE

LOOK = 0.1  # seconds
LATEST = 30.0  # seconds that anything may take
PREFIXES = {"user": "@", "role": "@", "channel": "#"}
CHAPTER = "bold cyan"


class Story:
    """Tells what happens on *console*; timer time passes *speed* times as fast between chapters."""

    def __init__(
        self,
        town: Town,
        *,
        console: Console,
        clock_file: Path,
        speed: float,
        environ: Mapping[str, str],
    ) -> None:
        self._town = town
        self._console = console
        self._clock_file = clock_file
        self._clock = FileClock(clock_file)
        self._speed = speed
        self._environ = environ
        self._began = self._clock.now()

    async def tell(self, data_json: Path) -> None:
        """Tell it all; raise `DemoError` when it does not come out as it should."""
        await self._import(data_json)
        await self._commands()
        await self._hold()
        await self._warnings()
        await self._end()

    async def _import(self, data_json: Path) -> None:
        self._chapter("The timers of the JavaScript bot move in")
        ids = self._town.ids
        entry = {"expiresAt": self._began + 40 * HOUR, "warningsSent": {}}
        content = {ids["users"]["vera"]: {"roles": {ids["roles"]["Supporter"]: entry}}}
        data_json.write_text(json.dumps(content))
        self._console.print("[dim]$[/] boostmon import data.json --guild …")
        self._print(await self.boostmon("import", str(data_json), "--guild", ids["guild"]))

    async def _commands(self) -> None:
        self._chapter("A moderator gives roles that end")
        vip = {"user": "max", "role": "VIP"}
        await self._give("mona", "settime", vip | {"duration": "70m", "channel": "general"})
        await self._give("mona", "settime", {"user": "carl", "role": "Trial", "duration": "2h"})
        self._chapter("What may not be is refused, and says why")
        await self._give("max", "settime", vip | {"duration": "1w"})
        admin = {"user": "max", "role": "Admin", "duration": "1w"}
        await self._give("mona", "settime", admin)

    async def _hold(self) -> None:
        self._chapter("A pause stops the countdown; the role stays")
        await self._give("mona", "pausetime", {"user": "carl"})
        await self._pass(5 * MINUTE)
        await self._give("mona", "resumetime", {"user": "carl"})
        await self._give("mona", "addtime", {"user": "carl", "duration": "1 day"})

    async def _warnings(self) -> None:
        self._chapter("Time passes: warnings at 60, 10 and 1 minutes, then the role goes")
        await self._pass(66 * MINUTE, until="has expired")

    async def _end(self) -> None:
        self._chapter("How it ended")
        if ("max", "–") not in self._town.members():
            raise DemoError("max still has a role that has ended.")
        discord = Table("member", "roles", title="What Discord shows")
        for member in self._town.members():
            discord.add_row(*member)
        self._console.print(discord)
        self._console.print(await self._log())
        self._console.print("[dim]$[/] boostmon replay --check")
        self._print(await self.boostmon("replay", "--check"))

    async def _log(self) -> Table:
        table = Table("#", "member", "role", "event", "by", title="What the log says")
        query = "SELECT position, user_id, role_id, type, metadata->>'source' FROM event_log"
        async with session(self._environ["BOOSTMON_OWNER_DATABASE_URL"]) as owner:
            for position, user, role, kind, source in await owner.fetch(f"{query} ORDER BY 1"):
                who, which = self._town.name("@", user), self._town.name("@&", role)
                table.add_row(str(position), who, which, kind, source)
        return table

    async def _give(self, who: str, name: str, options: dict[str, str]) -> None:
        typed = " ".join(f"{k}:{PREFIXES.get(k, '')}{v}" for k, v in options.items())
        self._console.print(f"{self._stamp()} [bold]{who}[/] › /{name} {escape(typed)}")
        record = await self._town.give(who, name, options)
        if record is None:
            self._console.print(f"  Discord does not offer /{name} to {who}")
        else:
            self._reply(record)

    def _reply(self, record: dict[str, Any]) -> None:
        messages = [m for m in (record["message"], *record["followups"]) if m]
        private = record["ephemeral"] or any(m["flags"] & 64 for m in messages)
        for message in messages:
            lines = [self._town.readable(message["content"])] if message["content"] else []
            for embed in message["embeds"]:
                lines += [
                    f"{field['name']}: {self._town.readable(field['value'])}"
                    for field in embed.get("fields", ())
                ]
            title = next((embed.get("title") for embed in message["embeds"]), None)
            seen = "only the caller sees this" if private else None
            text = escape("\n".join(lines))
            self._console.print(Panel(text, title=title, subtitle=seen, expand=False))

    async def _pass(self, ms: int, until: str | None = None) -> None:
        """Let *ms* of timer time pass, telling the news; go on until *until* was posted."""
        target = self._clock.now() + ms
        write_clock(self._clock_file, now=self._clock.now(), speed=self._speed)
        seen = until is None
        async with asyncio.timeout(LATEST + ms / 1000 / self._speed):
            while self._clock.now() < target or not seen:
                await asyncio.sleep(LOOK)
                for place, text in self._town.news():
                    self._console.print(f"{self._stamp()} [magenta]{place}[/] {escape(text)}")
                    seen = seen or (until or "") in text
        write_clock(self._clock_file, now=self._clock.now(), speed=1.0)

    async def boostmon(self, *arguments: str) -> str:
        """Run another command of BoostMon as a process of its own; return what it printed."""
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "boostmon", *arguments],
            env=os.environ | self._environ,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            printed, complaint = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode != 0:
            raise DemoError(f"boostmon {arguments[0]} failed: {complaint.decode().strip()}")
        return printed.decode()

    def _chapter(self, title: str) -> None:
        self._console.print(f"\n[{CHAPTER}]{title}[/]")

    def _print(self, text: str) -> None:
        self._console.print(escape(text.rstrip()))

    def _stamp(self) -> str:
        minutes, seconds = divmod((self._clock.now() - self._began) // 1000, 60)
        return f"[dim]{minutes // 60}:{minutes % 60:02}:{seconds:02}[/]"
