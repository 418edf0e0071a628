"""Looks at one server for `boostmon doctor`: what the bot may do there, and how high it stands."""

from collections.abc import Iterator
from datetime import UTC
from http import HTTPStatus

from disnake import Permissions, RoleTags

from boostmon.bot.discord.integrations import manager
from boostmon.bot.discord.reads import DiscordReads
from boostmon.bot.discord.rest import RefusedError
from boostmon.bot.doctor.invitation import link_for
from boostmon.bot.servers.document import POSTABLE_TYPES, Json, Server
from boostmon.bot.servers.guards import ROLES_PAGE, Rank
from boostmon.finding import Finding, green, red, yellow
from boostmon.projections.effects.departures import Departure
from boostmon.projections.reports.timed_places import Timed

VIEW_AUDIT_LOG = Permissions(view_audit_log=True).value
MANAGE_ROLES = Permissions(manage_roles=True).value


async def look_at_server(
    reads: DiscordReads, bot_id: str, guild_id: str, timed: Timed
) -> list[Finding]:
    """See whether the bot may do in a server what its timers there need."""
    try:
        server = Server(
            guild=await reads.get(f"/guilds/{guild_id}"),
            me=await reads.get(f"/guilds/{guild_id}/members/{bot_id}"),
            channels=await reads.get(f"/guilds/{guild_id}/channels"),
            bot_id=bot_id,
        )
    except RefusedError as error:
        if error.status not in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
            raise
        found = f"Discord does not show the server {guild_id} ({error.text})."
        return [red("discord", found, f"Invite the bot there again: {link_for(bot_id)}")]
    permissions = [look_at_permission(server), look_at_audit_log(server)]
    return [*permissions, *_roles(server, timed), *_channels(server, timed)]


def look_at_permission(server: Server) -> Finding:
    """See whether the bot may give and take roles."""
    if server.permissions & MANAGE_ROLES:
        return green("discord", f"{server.label}: BoostMon may manage roles.")
    return no_rights(server.label, server.bot_id)


def look_at_audit_log(server: Server) -> Finding:
    """See whether the bot may read who took a role by hand."""
    if server.permissions & VIEW_AUDIT_LOG:
        return green("discord", f"{server.label}: BoostMon may view the audit log.")
    found = f"{server.label}: BoostMon may not view the audit log, so who takes a role by hand"
    remedy = f"Allow it View Audit Log in {ROLES_PAGE}, or invite it again: "
    return yellow("discord", f"{found} stays unknown.", remedy + link_for(server.bot_id))


def no_rights(label: str, bot_id: str) -> Finding:
    """Say that the bot lacks Manage Roles in a server."""
    remedy = f"Allow BoostMon Manage Roles in {ROLES_PAGE}, or invite it again: {link_for(bot_id)}"
    return red("discord", f"{label}: BoostMon lacks Manage Roles.", remedy)


def absent(guild_id: str, bot_id: str, timed: Timed, left: Departure | None) -> Finding:
    """Say that the bot is not in a server that has timers."""
    found = f"BoostMon is not in the server {guild_id}, which has timers ({timed.roles.total()})"
    remedy = (
        f"Invite it there: {link_for(bot_id)} Or give the server up with "
        f"`boostmon forget-server {guild_id}`."
    )
    if left is None or not left.parked:
        return red("discord", f"{found}.", remedy)
    since = f"{left.since.astimezone(UTC):%Y-%m-%d}"
    return yellow("discord", f"{found}: nothing is tried there, since it left by {since}.", remedy)


def _roles(server: Server, timed: Timed) -> Iterator[Finding]:
    top = max(map(_rank, server.own_roles), key=lambda rank: (rank.position, -rank.role_id))
    fine = 0
    for role_id, timers in timed.roles.items():
        role = server.roles.get(role_id)
        if role is None:
            found = f"{server.label}: the role {role_id} was deleted and has timers ({timers})."
            yield yellow("discord", found, "Start `boostmon run`, which ends them.")
        elif role["managed"]:
            tags = RoleTags(role["tags"]) if role.get("tags") else None
            found = f"{server.label}: {role['name']} has timers and is managed by {manager(tags)}."
            remedy = (
                "End them with `/cleartime` and have the role taken there; name another role from "
                "now on."
            )
            yield red("discord", found, remedy)
        elif not top.outranks(_rank(role)):
            found = f"{server.label}: BoostMon's role does not stand above {role['name']}."
            remedy = f"Move BoostMon's role above {role['name']} in {ROLES_PAGE}."
            yield red("discord", found, remedy)
        else:
            fine += 1
    if fine:
        yield green("discord", f"{server.label}: BoostMon stands above {fine} roles with timers.")


def _channels(server: Server, timed: Timed) -> Iterator[Finding]:
    channels = {channel["id"]: channel for channel in server.channels}
    for channel_id, timers in timed.channels.items():
        channel = channels.get(channel_id)
        if channel is None:
            found = (
                f"{server.label}: BoostMon does not see the channel {channel_id}, or it was "
                f"deleted; timers: {timers}."
            )
            remedy = (
                "Allow BoostMon View Channel there, or name another with `/settime`; until then "
                "notices go by direct message."
            )
            yield yellow("discord", found, remedy)
        elif not server.can_post(channel):
            name = channel["name"]
            found = f"{server.label}: BoostMon cannot post in #{name}; timers there: {timers}."
            remedy = (
                f"Allow BoostMon View Channel and Send Messages in #{name}; until then "
                "notices go by direct message."
            )
            yield yellow("discord", found, remedy)
    for_text = [c for c in server.channels if c["type"] in POSTABLE_TYPES]
    count = sum(map(server.can_post, for_text))
    yield green("discord", f"{server.label}: can post in {count} of {len(for_text)} text channels.")


def _rank(role: Json) -> Rank:
    return Rank(role["position"], int(role["id"]))
