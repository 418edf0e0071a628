"""The table of routes, and what a handler is given."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from msgspec import Struct

from boostmon.sandbox.acts.server import Cause
from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.rules.language import Rule, check, shape
from boostmon.sandbox.world.errors import refuse
from boostmon.sandbox.world.model import Bot, Channel, Guild, Member, World

Kind = Literal["other", "roles", "messages", "webhook", "none"]


class Reply(Struct):
    """An answer other than 200 with a body or 204 without."""

    body: Any
    status: int = 200


class Call(Struct, kw_only=True):
    """One request, checked as far as its route says."""

    discord: Discord
    ids: dict[str, str]
    query: dict[str, str]
    body: Any
    reason: str | None = None
    caller: Bot | None = None

    @property
    def world(self) -> World:
        return self.discord.world

    @property
    def bot(self) -> Bot:
        """Who asks; only on routes that need a token."""
        if self.caller is None:
            raise refuse(50001)
        return self.caller

    def cause(self) -> Cause:
        """Return the bot as the one who does it, with its reason."""
        return Cause(self.bot.id, self.reason)

    def asked(self, required: dict[str, Rule] | None = None, **rules: Rule) -> dict[str, Any]:
        """Read the query by *rules*."""
        taken: dict[str, Any] = check(shape(required, **rules), self.query)
        return taken

    def guild(self) -> Guild:
        """Return the server in the path, if the bot is in it."""
        guild = self.world.guilds.get(self.ids["guild_id"])
        if guild is None:
            raise refuse(10004)
        if self.bot.id not in guild.members:
            raise refuse(50001)
        return guild

    def me_in(self, guild: Guild) -> Member:
        """Return the bot as a member of *guild*."""
        return guild.members[self.bot.id]

    def check_two_factor(self, guild: Guild) -> None:
        """Refuse what moderates where that needs two-factor and the bot's owner has none."""
        if guild.mfa_level and not self.world.users[self.bot.owner_id].two_factor:
            raise refuse(60003)

    def channel(self) -> tuple[Channel, Guild | None]:
        """Return the channel in the path with its server, if the bot is in there."""
        channel = self.world.channel(self.ids["channel_id"])
        if channel is None:
            raise refuse(10003)
        if channel.guild_id is None:
            if channel.bot_id != self.bot.id:
                raise refuse(50001)
            return channel, None
        guild = self.world.guilds[channel.guild_id]
        if self.bot.id not in guild.members:
            raise refuse(50001)
        return channel, guild


Handler = Callable[[Call], Awaitable[Any]]


class Route(Struct, frozen=True, kw_only=True):
    """A method and a path, as the official description spells it."""

    method: str
    template: str
    handler: Handler
    pattern: re.Pattern[str]
    kind: Kind
    token: bool
    rule: Rule | None
    files: bool
    """Whether it takes forms and files, too."""
    major: str
    """The parameter by which the rate limit of this route is kept apart."""


ROUTES: list[Route] = []


def route(
    method: str,
    template: str,
    *,
    rule: Rule | None = None,
    kind: Kind = "other",
    token: bool = True,
    files: bool = False,
) -> Callable[[Handler], Handler]:
    """Register a handler for *method* and *template*."""
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template))
    first = re.search(r"\{(\w+)\}", template)

    def register(handler: Handler) -> Handler:
        ROUTES.append(
            Route(
                method=method,
                template=template,
                handler=handler,
                pattern=pattern,
                kind=kind,
                token=token,
                rule=rule,
                files=files,
                major=first[1] if first else "",
            )
        )
        ROUTES.sort(key=lambda one: one.template.count("{"))
        return handler

    return register


def find(method: str, path: str) -> tuple[Route | None, dict[str, str], bool]:
    """Return the route for a request, its path parameters, and whether the path is known at all."""
    known = False
    for one in ROUTES:
        if match := one.pattern.fullmatch(path):
            known = True
            if one.method == method:
                return one, match.groupdict(), True
    return None, {}, known
