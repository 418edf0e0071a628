"""The simulated server that the demonstration plays in, as its people see it."""

import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import aiohttp

from boostmon.errors import BoostmonError
from boostmon.sandbox import Sandbox

ANSWER_WITHIN = 3.0  # seconds; then Discord says that the application did not respond
SETTLED_WITHIN = 10.0
MENTION = re.compile(r"<(@&|@|#)(\d+)>")
MOMENT = re.compile(r"<t:(\d+):([FR])>")
OPTION_TYPES = {"user": 6, "role": 8, "channel": 7, "duration": 3}


class DemoError(BoostmonError):
    """The demonstration did not get as far as it should."""


class Town:
    """The simulated server: its people by name, and what they see."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self._sandbox = sandbox
        self._session = session
        self.ids: dict[str, Any] = sandbox.state()["ids"]
        named = {"@": self.ids["users"], "@&": self.ids["roles"], "#": self.ids["channels"]}
        self._names = {(kind, id_): name for kind, of in named.items() for name, id_ in of.items()}
        self._seen: set[str] = set()

    async def give(self, who: str, name: str, options: dict[str, str]) -> dict[str, Any] | None:
        """Have *who* give a slash command, and return what became of the interaction.

        None: Discord itself does not let *who* use that command. Without `acknowledged_ms` nobody
        answered.
        """
        payload = {
            "type": 2,
            "guild_id": self.ids["guild"],
            "user_id": self.ids["users"][who],
            "name": name,
            "options": [self._option(key, value) for key, value in options.items()],
        }
        sent = await self._post("/_sim/interaction", payload)
        if sent is None:
            return None
        record = await self._became(sent["id"], "answered", ANSWER_WITHIN)
        if record["acknowledged_ms"] is None:
            return record
        return await self._became(sent["id"], "settled", SETTLED_WITHIN)

    def news(self) -> list[tuple[str, str]]:
        """Return where and what the bot has posted since the last time, oldest first."""
        state = self._sandbox.state()
        places = [
            (f"#{channel['name']}", channel["messages"])
            for guild in state["guilds"]
            for channel in guild["channels"]
        ]
        places += [
            (f"DM to {self.name('@', dm['user_id'])}", dm["messages"]) for dm in state["dms"]
        ]
        fresh = [
            (message["id"], place, self.readable(message["content"]))
            for place, messages in places
            for message in messages
            if message["id"] not in self._seen and message["content"]
            if message["author"]["id"] == self.ids["bot"]
        ]
        self._seen |= {id_ for id_, _, _ in fresh}
        return [(place, text) for _, place, text in sorted(fresh)]

    def readable(self, text: str) -> str:
        """Return *text* with names for ids and times for timestamps."""

        def moment(found: re.Match[str]) -> str:
            at = datetime.fromtimestamp(int(found[1]), UTC)
            return f"{at:%a %H:%M:%S} UTC" if found[2] == "F" else ""

        def name(found: re.Match[str]) -> str:
            return found[1][0] + self.name(found[1], found[2])

        return MENTION.sub(name, MOMENT.sub(moment, text)).replace("**", "").strip(" ()")

    def name(self, kind: str, id_: str) -> str:
        """Name the user (`@`), role (`@&`) or channel (`#`) *id_*."""
        found: str = self._names.get((kind, id_), id_)
        return found

    def members(self) -> list[tuple[str, str]]:
        """Return every member with their roles."""
        return [
            (member["name"], ", ".join(member["role_names"]) or "–")
            for guild in self._sandbox.state()["guilds"]
            if guild["id"] == self.ids["guild"]
            for member in guild["members"]
        ]

    def _option(self, key: str, value: str) -> dict[str, Any]:
        known = {"user": "users", "role": "roles", "channel": "channels"}
        given = self.ids[known[key]][value] if key in known else value
        return {"name": key, "type": OPTION_TYPES[key], "value": given}

    async def _became(self, interaction_id: str, wanted: str, seconds: float) -> dict[str, Any]:
        url = f"{self._sandbox.url}/_sim/interaction/{interaction_id}"
        patience = {"wait": wanted, "timeout": str(seconds)}
        async with self._session.get(url, params=patience) as answer:
            record: dict[str, Any] = await answer.json()
            if answer.status != HTTPStatus.OK:
                raise DemoError(f"The sandbox has forgotten the command: {record['message']}")
            return record

    async def _post(self, path: str, payload: dict[str, Any]) -> dict[str, Any] | None:
        async with self._session.post(self._sandbox.url + path, json=payload) as answer:
            body: dict[str, Any] = await answer.json()
            if answer.status == HTTPStatus.FORBIDDEN:
                return None
            if answer.status != HTTPStatus.OK:
                raise DemoError(f"The sandbox refused {path}: {body.get('message')}")
            return body


def is_there(sandbox: Sandbox) -> bool:
    """Tell whether the bot is connected and has registered its commands."""
    discord = sandbox.discord
    is_connected = any(session.connection for session in discord.sessions)
    return is_connected and any(any(bot.commands.values()) for bot in discord.world.bots.values())
