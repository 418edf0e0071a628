"""Tells the relay what the gateway has told of the servers: names of roles, and remedies."""

from typing import Protocol

from disnake import Client, Guild, Role

from boostmon.bot.discord.integrations import manager
from boostmon.bot.discord.refusals import INVITE, Passing, Stuck
from boostmon.bot.servers.guards import ROLES_PAGE, RolesForbiddenError, RoleTooHighError, escaped
from boostmon.projections.effects.open_effects import OUTAGE

TIME_OUT = "End BoostMon's time-out in this server."


class Server(Protocol):
    """What the relay wants to know of a server."""

    def absence(self, guild_id: str) -> Stuck | Passing | None:
        """Say why nothing can be done in a server now; None when it is there."""

    def has_role(self, guild_id: str, role_id: str) -> bool:
        """Tell whether the gateway has told of a role; others may be there all the same."""

    def name(self, guild_id: str) -> str:
        """Name a server; one that the gateway has not told of by its id."""

    def role_name(self, guild_id: str, role_id: str) -> str:
        """Name a role; a deleted one by its id."""

    def remedy(self, guild_id: str, role_id: str) -> str:
        """Say what must be done before BoostMon may give or take a role."""


class Elsewhere(Protocol):
    """Knows of the servers of which the gateway has not told."""

    def is_there(self, guild_id: str) -> bool:
        """Tell whether the bot is in such a server."""
        ...


class ServerView:
    """Answers from the cache of *client*; of a server that is not in it *presence* knows more."""

    def __init__(self, client: Client, presence: Elsewhere) -> None:
        self._client = client
        self._presence = presence

    def absence(self, guild_id: str) -> Stuck | Passing | None:
        """Say why nothing can be done in a server now; None when it is there."""
        guild = self._guild(guild_id)
        if guild is None:
            return None if self._presence.is_there(guild_id) else Stuck(INVITE)
        if guild.unavailable or guild.me is None:
            return Passing(OUTAGE)
        return None

    def has_role(self, guild_id: str, role_id: str) -> bool:
        """Tell whether the gateway has told of a role; others may be there all the same."""
        return self._role(guild_id, role_id) is not None

    def name(self, guild_id: str) -> str:
        """Name a server; one that the gateway has not told of by its id."""
        guild = self._guild(guild_id)
        return guild_id if guild is None or not guild.name else guild.name

    def role_name(self, guild_id: str, role_id: str) -> str:
        """Name a role; a deleted one by its id."""
        role = self._role(guild_id, role_id)
        return role_id if role is None else role.name

    def remedy(self, guild_id: str, role_id: str) -> str:
        """Say what must be done before BoostMon may give or take a role."""
        guild, role = self._guild(guild_id), self._role(guild_id, role_id)
        if guild is None and self._presence.is_there(guild_id):
            return str(RoleTooHighError())
        if guild is None or guild.me is None:
            return INVITE
        if guild.me.current_timeout is not None:  # what a member may do, disnake tells without it
            return TIME_OUT
        if not guild.me.guild_permissions.manage_roles:
            return str(RolesForbiddenError())
        name = escaped(role_id if role is None else role.name)
        if role is not None and role.managed:
            return (
                f"**{name}** is managed by {manager(role.tags)}, which alone can give and take "
                "it; see to it there."
            )
        if role is not None and guild.me.top_role > role:
            return (
                f"Discord refuses **{name}** although BoostMon may manage roles and stands above "
                "it; start BoostMon again, and if that does not help, invite it again."
            )
        return f"Move BoostMon's role above **{name}** in {ROLES_PAGE}."

    def _guild(self, guild_id: str) -> Guild | None:
        return self._client.get_guild(int(guild_id))

    def _role(self, guild_id: str, role_id: str) -> Role | None:
        guild = self._guild(guild_id)
        return None if guild is None else guild.get_role(int(role_id))
