"""The link that invites the bot into a server, with the rights that it needs and no others."""

from http import HTTPStatus

from disnake import Permissions
from msgspec import Struct

from boostmon.bot.connection.client import REFUSAL
from boostmon.bot.discord.reads import discord_reads
from boostmon.bot.discord.rest import RefusedError, UnansweredError, id_in
from boostmon.config import DiscordConfig
from boostmon.errors import ConfigurationError, DiscordError

NEEDED = Permissions(
    manage_roles=True,  # give and take roles
    view_channel=True,  # see the channels of notices
    send_messages=True,  # post notices there
    embed_links=True,  # show replies
    read_message_history=True,  # look whether a notice in doubt was posted
    view_audit_log=True,  # see who took a role by hand
)


class Invitation(Struct, frozen=True):
    """A link; *doubt* is why Discord could not be asked whose it is."""

    link: str
    doubt: str | None = None


def link_for(application_id: str) -> str:
    """Return the link that invites an application."""
    return (
        f"https://discord.com/oauth2/authorize?client_id={application_id}"
        f"&scope=bot%20applications.commands&permissions={NEEDED.value}"
    )


async def invitation(discord: DiscordConfig) -> Invitation:
    """Return the link for the bot of a token, whose first part will do when nobody answers.

    Raise `ConfigurationError` when Discord refuses the token, and `DiscordError` when neither
    Discord nor the token tells whose it is.
    """
    try:
        async with discord_reads(discord) as reads:
            application = await reads.get("/oauth2/applications/@me")
        return Invitation(link_for(str(application["id"])))
    except (RefusedError, UnansweredError) as error:
        if isinstance(error, RefusedError) and error.status == HTTPStatus.UNAUTHORIZED:
            raise ConfigurationError(REFUSAL) from error
        application_id = id_in(discord.discord_token)
        if application_id is None:
            raise DiscordError(
                f"{error}, and DISCORD_TOKEN does not begin with an application's id; try again "
                "later, or copy the token again from the page Bot of your application."
            ) from error
        return Invitation(link_for(application_id), str(error))
