"""What an interaction shows of its server, as the values that the guards judge."""

import disnake
from disnake import Guild, Member, Role
from disnake.abc import GuildChannel
from disnake.interactions import Interaction

from boostmon.bot.guards import OutsideServerError, Rank, RoleFacts, ServerUnseenError, Standing

POSTABLE = (disnake.ChannelType.text, disnake.ChannelType.news)


class Place:
    """The server of an interaction, seen by its caller and by the bot."""

    def __init__(self, inter: Interaction) -> None:
        """Take what *inter* shows, or raise `RejectedError` where there is nothing to judge."""
        if inter.guild_id is None:
            raise OutsideServerError
        guild, author = inter.guild, inter.author
        # Without the bot, or before its server arrived, there are no ranks to compare.
        if guild is None or not isinstance(author, Member) or guild.me is None:
            raise ServerUnseenError
        self._guild: Guild = guild
        self._author: Member = author
        self._bot: Member = guild.me
        self.guild_id = str(guild.id)
        self.caller_id = str(author.id)

    @property
    def standing(self) -> Standing:
        """Who stands where."""
        return Standing(
            caller_owns=self._guild.owner_id == self._author.id,
            caller=_rank(self._author.top_role),
            bot=_rank(self._bot.top_role),
            bot_manages_roles=self._bot.guild_permissions.manage_roles,
        )

    @property
    def caller_is_staff(self) -> bool:
        """Whether the caller may manage roles."""
        return self._author.guild_permissions.manage_roles

    def role(self, role_id: str) -> RoleFacts | None:
        """Return the role *role_id*; None when it was deleted."""
        role = self._guild.get_role(int(role_id))
        return None if role is None else role_facts(role)

    def names(self) -> dict[str, str]:
        """Return the name of every role, by id."""
        return {str(role.id): role.name for role in self._guild.roles}

    def can_post(self, channel: GuildChannel) -> bool:
        """Tell whether notices can be posted in *channel*."""
        seen = self._guild.get_channel(channel.id)
        if seen is None or seen.type not in POSTABLE:
            return False
        allowed = seen.permissions_for(self._bot)
        return allowed.view_channel and allowed.send_messages


def role_facts(role: Role) -> RoleFacts:
    """Return what the guards need to know of *role*."""
    return RoleFacts(
        role_id=str(role.id),
        name=role.name,
        rank=_rank(role),
        everyone=role.is_default(),
        managed=role.managed,
    )


def _rank(role: Role) -> Rank:
    return Rank(role.position, role.id)
