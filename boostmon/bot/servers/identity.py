"""Identity: whether the database is that of the application whose token the bot has."""

import asyncio
from typing import Any, Protocol

import aiohttp
import disnake
import structlog

from boostmon.errors import AnotherApplicationError, DatabaseError, DiscordError
from boostmon.projections.effects.owner import Owner

LOOK_EVERY = 5.0  # seconds; as often as the lease is renewed
PAGE = 200  # servers in one answer; resources/user, "Get Current User Guilds"
REMEDY = (
    "give the token of that application, or hand the database over with `boostmon adopt-database`"
)

log = structlog.get_logger()


class Servers(Protocol):
    """Discord's REST, as far as it lists the servers that a bot is in."""

    async def get_guilds(self, limit: int, *, after: Any = None) -> Any:
        """List up to *limit* of them, those after an id."""


class Identity:
    """Keeps a bot from working on the database of another application."""

    def __init__(self, owner: Owner, servers: Servers, application_id: str) -> None:
        self._owner = owner
        self._servers = servers
        self._application_id = application_id

    async def prove(self) -> None:
        """See that the database is this application's, or make it so if it is nobody's yet.

        A database with timers is taken by an application only that is in one of their servers.
        Raise `AnotherApplicationError`, and `DiscordError` when Discord does not tell.
        """
        if await self._is_ours():
            return
        used = await self._owner.servers_in_use()
        if used and not await self._sees_one(used):
            raise AnotherApplicationError(
                "This database has timers, and the application of DISCORD_TOKEN "
                f"({self._application_id}) is in none of their servers; give the token of the "
                "application that has set them, or hand the database over with "
                "`boostmon adopt-database`."
            )
        await self._owner.claim(self._application_id)
        if await self._is_ours():
            log.info("this database is the application's", application=self._application_id)

    async def keep(self) -> None:
        """Raise `AnotherApplicationError` once the database was handed over to another one."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self._is_ours()
            except DatabaseError as error:
                log.info("not known whose database it is", reason=str(error))

    async def _is_ours(self) -> bool:
        """Tell whether it is this application's; False: nobody's. Raise if it is another's."""
        owner = await self._owner.application_id()
        if owner in (None, self._application_id):
            return owner is not None
        raise another(owner, f"the application {self._application_id}")

    async def _sees_one(self, used: set[str]) -> bool:
        """Ask Discord whether the bot is in one of the servers *used*."""
        after: disnake.Object | None = None
        try:
            while True:
                page = await self._servers.get_guilds(PAGE, after=after)
                if any(str(guild["id"]) in used for guild in page):
                    return True
                if len(page) < PAGE:
                    return False
                after = disnake.Object(page[-1]["id"])
        except (aiohttp.ClientError, OSError, TimeoutError, disnake.HTTPException) as error:
            raise DiscordError(
                f"Discord does not tell which servers the bot is in ({error}), and the database "
                "is nobody's yet; try again."
            ) from error


def another(owner: str | None, whose: str) -> AnotherApplicationError:
    """Say that the database is that of *owner*, and the token that of *whose*."""
    return AnotherApplicationError(
        f"This database is that of the application {owner}, and DISCORD_TOKEN is that of {whose}; "
        f"{REMEDY}."
    )
