"""Prints the demonstration's story."""

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from boostmon.cli.demonstration.tempo import Tempo
from boostmon.cli.demonstration.town import Town
from boostmon.events.following import LogEntry

PREFIXES = {"user": "@", "role": "@", "channel": "#"}
CHAPTER = "bold cyan"


class Teller:
    """Prints what people do and what comes of it, with the timer time since the beginning."""

    def __init__(self, console: Console, town: Town, tempo: Tempo) -> None:
        self._console = console
        self._town = town
        self._tempo = tempo
        self._began = tempo.now()

    def chapter(self, title: str) -> None:
        self._console.print(f"\n[{CHAPTER}]{title}[/]")

    def shell(self, line: str) -> None:
        self._console.print(f"[dim]$[/] {line}")

    def plain(self, text: str) -> None:
        self._console.print(escape(text.rstrip()))

    def aside(self, text: str) -> None:
        """Say what is not part of the story."""
        self._console.print(f"[yellow]{escape(text)}[/]")

    def typed(self, who: str, name: str, options: dict[str, str]) -> None:
        given = " ".join(f"{k}:{PREFIXES.get(k, '')}{v}" for k, v in options.items())
        self._console.print(f"{self._stamp()} [bold]{who}[/] › /{name} {escape(given)}")

    def reply(self, record: dict[str, Any]) -> None:
        """Print the messages that answer an interaction."""
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

    def news(self) -> list[str]:
        """Print what the bot has posted since the last time, and return it."""
        fresh = self._town.news()
        for place, text in fresh:
            self._console.print(f"{self._stamp()} [magenta]{place}[/] {escape(text)}")
        return [text for _, text in fresh]

    def members(self) -> None:
        table = Table("member", "roles", title="What Discord shows")
        for name, roles in self._town.members():
            table.add_row(escape(name), escape(roles))
        self._console.print(table)

    def log(self, entries: Iterable[LogEntry]) -> None:
        """Print the newest events as a table."""
        table = Table("#", "member", "role", "event", "by", title="What the log says")
        for entry in entries:
            who, which = self._town.name("@", entry.user_id), self._town.name("@&", entry.role_id)
            table.add_row(str(entry.position), escape(who), escape(which), entry.type, entry.source)
        self._console.print(table)

    def _stamp(self) -> str:
        minutes, seconds = divmod((self._tempo.now() - self._began) // 1000, 60)
        return f"[dim]{minutes // 60}:{minutes % 60:02}:{seconds:02}[/]"
