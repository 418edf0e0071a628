"""A command as it was given: what the logs say of it."""

from typing import get_args

from disnake import Member, Role, User
from disnake.interactions import ApplicationCommandInteraction, MessageInteraction
from msgspec import Struct, structs

from boostmon.bot.servers.guards import Action


class Given(Struct, frozen=True, kw_only=True):
    """The slash command *name*, *by* whom, about whom; *command_id* makes it count once."""

    name: str
    command_id: str
    guild_id: str | None
    by: str
    user_id: str | None = None
    role_id: str | None = None


def slash_name(action: str) -> str:
    """Name the slash command of *action*."""
    return f"{action}time"


def given(
    inter: ApplicationCommandInteraction,
    name: str,
    *,
    user: User | Member | None,
    role: Role | None,
) -> Given:
    """Say what was given in a slash command."""
    return Given(
        name=name,
        command_id=str(inter.id),
        guild_id=_guild_id(inter),
        by=str(inter.author.id),
        user_id=str(user.id) if user else None,
        role_id=str(role.id) if role else None,
    )


def given_by_menu(inter: MessageInteraction) -> Given:
    """Say what was given in a menu of ours, which carries the command that it belongs to."""
    unread = Given(
        name="unknown",
        command_id=str(inter.id),
        guild_id=_guild_id(inter),
        by=str(inter.author.id),
        role_id=next(iter(inter.data.values or ()), None),
    )
    match inter.data.custom_id.split(":"):
        case [_, action, command_id, _, user_id, _] if action in get_args(Action):
            name = slash_name(action)
            return structs.replace(unread, name=name, command_id=command_id, user_id=user_id)
        case _:
            return unread


def _guild_id(inter: ApplicationCommandInteraction | MessageInteraction) -> str | None:
    return str(inter.guild_id) if inter.guild_id else None
