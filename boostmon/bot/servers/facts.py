"""A server as the guards must know it: its roles, its owner, and what the bot holds."""

from collections.abc import Collection, Mapping
from typing import Any

from disnake import Guild, Permissions, Role
from msgspec import Struct

from boostmon.bot.servers.guards import Rank, RoleFacts, Standing

MANAGES_ROLES = Permissions(manage_roles=True).value | Permissions(administrator=True).value


class ServerFacts(Struct, frozen=True, kw_only=True):
    """What is known of a server; *anew*: Discord was asked, and the gateway's word is not needed.

    What the gateway has told may be old, and it may have told nothing of a role.
    """

    guild_id: str
    owner_id: str
    roles: Mapping[str, RoleFacts]
    bot_id: str
    bot_roles: frozenset[str]
    anew: bool = False

    def standing(self, caller_id: str, caller_roles: Collection[str]) -> Standing:
        """Say who stands where."""
        return Standing(
            caller_owns=caller_id == self.owner_id,
            caller=self._top(caller_roles),
            bot=self._top(self.bot_roles),
            bot_manages_roles=self.may_manage(self.bot_id, self.bot_roles),
        )

    def may_manage(self, user_id: str, held: Collection[str]) -> bool:
        """Tell whether somebody who holds these roles, and @everyone, may manage roles."""
        roles = [self.roles[role_id] for role_id in {*held, self.guild_id} & self.roles.keys()]
        return user_id == self.owner_id or any(role.manages_roles for role in roles)

    def names(self) -> dict[str, str]:
        """Return the name of every role, by id."""
        return {role_id: role.name for role_id, role in self.roles.items()}

    def _top(self, held: Collection[str]) -> Rank:
        ranks = [self.roles[role_id].rank for role_id in held if role_id in self.roles]
        lowest = Rank(0, int(self.guild_id))  # that of @everyone, which all have
        return max(ranks, key=lambda rank: (rank.position, -rank.role_id), default=lowest)


def facts_told(guild_id: int, guild: Guild | None) -> ServerFacts:
    """Return what the gateway has told of a server; nothing, if not that the bot is in it."""
    if guild is None or guild.me is None:
        return ServerFacts(
            guild_id=str(guild_id), owner_id="", roles={}, bot_id="", bot_roles=frozenset()
        )
    return ServerFacts(
        guild_id=str(guild_id),
        owner_id=str(guild.owner_id),
        roles={str(role.id): role_facts(role) for role in guild.roles},
        bot_id=str(guild.me.id),
        bot_roles=frozenset(str(role.id) for role in guild.me.roles),
    )


def facts_asked(guild: Mapping[str, Any], bot_id: str, bot_roles: Collection[str]) -> ServerFacts:
    """Return what Discord answers of a server, and the roles that the bot has there."""
    guild_id = str(guild["id"])
    return ServerFacts(
        guild_id=guild_id,
        owner_id=str(guild["owner_id"]),
        roles={str(role["id"]): _role_asked(role, guild_id) for role in guild["roles"]},
        bot_id=bot_id,
        bot_roles=frozenset(bot_roles),
        anew=True,
    )


def role_facts(role: Role) -> RoleFacts:
    """Return what the guards need to know of *role*."""
    return RoleFacts(
        role_id=str(role.id),
        name=role.name,
        rank=Rank(role.position, role.id),
        everyone=role.id == role.guild.id,
        managed=role.managed,
        manages_roles=bool(role.permissions.value & MANAGES_ROLES),
    )


def _role_asked(role: Mapping[str, Any], guild_id: str) -> RoleFacts:
    return RoleFacts(
        role_id=str(role["id"]),
        name=role["name"],
        rank=Rank(role["position"], int(role["id"])),
        everyone=str(role["id"]) == guild_id,
        managed=role["managed"],
        manages_roles=bool(int(role["permissions"]) & MANAGES_ROLES),
    )
