"""The server of an interaction, as its caller and the bot stand in it."""

import disnake
from disnake import Member, Role
from disnake.abc import GuildChannel
from disnake.interactions import Interaction
from msgspec import structs

from boostmon.bot.discord.answer_dates import made_at
from boostmon.bot.discord.command_settings import Use
from boostmon.bot.servers.facts import ServerFacts, facts_told, role_facts
from boostmon.bot.servers.guards import OutsideServerError, RoleFacts, ServerUnseenError, Standing
from boostmon.database.clocks.clock import Clock

LATE_MS = 1_000  # since Discord has made an interaction; what it shows was true then
POSTABLE = (disnake.ChannelType.text, disnake.ChannelType.news)


class Place:
    """The server of an interaction, seen by its caller and by the bot.

    What the interaction says is of now: the caller's roles and permissions, and the role that was
    *shown* in it. The rest is what the gateway has told, until it is asked for anew.
    """

    def __init__(self, inter: Interaction, clock: Clock, shown: Role | None = None) -> None:
        """Take what *inter* shows, or raise `RejectedError` where there is nothing to judge.

        How late it came is told by Discord's time as *clock* has it: this host's may be wrong.
        """
        if inter.guild_id is None:
            raise OutsideServerError
        author = inter.author
        if not isinstance(author, Member):
            raise ServerUnseenError
        self._permissions = inter.permissions
        self._caller_is_asked_for = False
        self.guild_id = str(inter.guild_id)
        self.channel_id = str(inter.channel.id)
        self.caller_id = str(author.id)
        self._caller_roles = roles_of(author)
        self.is_late = clock.discord_now() - made_at(inter.id) > LATE_MS
        self._guild = inter.guild
        self._take(facts_told(inter.guild_id, inter.guild), role_facts(shown) if shown else None)

    def _take(self, facts: ServerFacts, shown: RoleFacts | None) -> None:
        unknown = (self._caller_roles | {self.guild_id}) - facts.roles.keys()
        self.is_doubtful = bool(unknown) and not facts.anew
        if shown is not None and facts.roles.get(shown.role_id) != shown:
            self.is_doubtful = True
            facts = structs.replace(facts, roles={**facts.roles, shown.role_id: shown})
        self.facts = facts

    def learn(self, facts: ServerFacts) -> None:
        """Go by *facts* that were asked for, from now on."""
        self._take(facts, None)

    def learn_caller(self, roles: frozenset[str]) -> None:
        """Go by the *roles* that the caller was asked for, from now on."""
        self._caller_roles = roles
        self._caller_is_asked_for = True

    @property
    def standing(self) -> Standing:
        """Who stands where."""
        return self.facts.standing(self.caller_id, self._caller_roles)

    @property
    def caller_is_staff(self) -> bool:
        """Whether the caller may manage roles."""
        if self._caller_is_asked_for:
            return self.facts.may_manage(self.caller_id, self._caller_roles)
        return self._permissions.manage_roles

    @property
    def caller_is_administrator(self) -> bool:
        """Whether the caller may use every command, whatever the settings are."""
        return self._permissions.administrator and not self._caller_is_asked_for

    @property
    def use(self) -> Use:
        """Who uses a command, and where."""
        return Use(
            guild_id=self.guild_id,
            channel_id=self.channel_id,
            user_id=self.caller_id,
            roles=self._caller_roles,
        )

    def role(self, role_id: str) -> RoleFacts | None:
        """Return the role *role_id*; None when it is not known, or was deleted."""
        return self.facts.roles.get(role_id)

    def by_ownership(self, role_id: str) -> bool:
        """Tell whether the caller may handle a role as the server's owner only."""
        role, standing = self.role(role_id), self.standing
        return standing.caller_owns and not (role and standing.caller.outranks(role.rank))

    def can_post(self, channel: GuildChannel) -> bool:
        """Tell whether notices can be posted in *channel*."""
        if self._guild is None or self._guild.me is None:
            return False
        seen = self._guild.get_channel(channel.id)
        if seen is None or seen.type not in POSTABLE:
            return False
        allowed = seen.permissions_for(self._guild.me)
        return allowed.view_channel and allowed.send_messages


def roles_of(member: Member) -> frozenset[str]:
    """Return the ids of the roles that an interaction shows of *member*.

    disnake's own list leaves out those that the gateway has not told of.
    """
    return frozenset(map(str, member._roles))  # noqa: SLF001
