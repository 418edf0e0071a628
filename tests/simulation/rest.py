"""Discord's REST as far as the bot asks it: what a request does, and what its answer says."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from boostmon.bot.discord.refusals import (
    CANNOT_SEND_TO_USER,
    MISSING_ACCESS,
    MISSING_PERMISSIONS,
    OPENING_TOO_FAST,
    UNKNOWN_CHANNEL,
    UNKNOWN_GUILD,
    UNKNOWN_MEMBER,
    UNKNOWN_ROLE,
)
from tests.simulation.discord import BOT_ID, Discord, Entry, Guild, Member
from tests.simulation.timeline import EPOCH

MEMBER = "/guilds/{guild_id}/members/{user_id}"
ROLE = "/guilds/{guild_id}/members/{user_id}/roles/{role_id}"
ROLES = "/guilds/{guild_id}/roles"
ONE_ROLE = "/guilds/{guild_id}/roles/{role_id}"
AUDIT_LOG = "/guilds/{guild_id}/audit-logs"
OPEN = "/users/@me/channels"
MESSAGES = "/channels/{channel_id}/messages"
REPLY = "/interactions/{interaction_id}"  # all that an interaction is answered with
MOST = 100


class Request(Struct, frozen=True, kw_only=True):
    """A request; *ids* are those of its path, *by* is who asks."""

    method: str
    path: str
    ids: Mapping[str, str]
    by: str
    json: Mapping[str, Any]
    params: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Which limit it counts against."""
        if self.path == OPEN:
            return "opening"
        if self.method == "GET":
            return "read"
        return "role" if self.path == ROLE else "message"

    @property
    def place(self) -> str:
        """The server or channel whose bucket it is in."""
        return self.ids.get("guild_id") or self.ids.get("channel_id") or ""


class Refusal(Exception):  # noqa: N818 - an answer of Discord
    """An error that Discord answers."""

    def __init__(self, status: int, code: int, message: str) -> None:
        self.status, self.code, self.message = status, code, message


def carry_out(discord: Discord, request: Request) -> Any:
    """Do what is asked and return the answer's body; None: there is none (204)."""
    match request.method, request.path:
        case ("PUT" | "DELETE") as method, path if path == ROLE:
            _change_role(discord, request.ids, held=method == "PUT")
            return None
        case "GET", path if path == MEMBER:
            return _member(_member_of(discord, request.ids))
        case "GET", path if path == ROLES:
            guild = _guild(discord, request.ids)
            return [{"id": role_id} for role_id in (guild.id, *guild.roles)]
        case "GET", path if path == ONE_ROLE:
            return _role(discord, request.ids)
        case "GET", path if path == AUDIT_LOG:
            return _audit_log(discord, request)
        case "POST", path if path == OPEN:
            return {"id": discord.open_direct(str(request.json["recipient_id"]))}
        case "POST", path if path == MESSAGES:
            return _post(discord, request)
        case "GET", path if path == MESSAGES:
            return _read(discord, request)
        case _, path if path == REPLY:
            return None
        case unknown:
            raise LookupError(f"the model knows no {unknown}")


def _guild(discord: Discord, ids: Mapping[str, str]) -> Guild:
    guild = discord.guilds.get(ids["guild_id"])
    if guild is None or not guild.present:
        raise Refusal(403, MISSING_ACCESS, "Missing Access")
    if guild.unavailable:
        raise Refusal(404, UNKNOWN_GUILD, "Unknown Guild")
    return guild


def _member_of(discord: Discord, ids: Mapping[str, str]) -> Member:
    member = _guild(discord, ids).members.get(ids["user_id"])
    if member is None or not member.present:
        raise Refusal(404, UNKNOWN_MEMBER, "Unknown Member")
    return member


def _member(member: Member) -> dict[str, Any]:
    joined_at = datetime.fromtimestamp(EPOCH + member.joined_at, UTC).isoformat()
    return {"roles": sorted(member.roles), "joined_at": joined_at}


def _role(discord: Discord, ids: Mapping[str, str]) -> dict[str, Any]:
    if ids["role_id"] not in _guild(discord, ids).roles:
        raise Refusal(404, UNKNOWN_ROLE, "Unknown Role")
    return {"id": ids["role_id"]}


def _change_role(discord: Discord, ids: Mapping[str, str], *, held: bool) -> None:
    guild = _guild(discord, ids)
    member, role_id = _member_of(discord, ids), ids["role_id"]
    if role_id not in guild.roles:
        raise Refusal(404, UNKNOWN_ROLE, "Unknown Role")
    if role_id in guild.above:
        raise Refusal(403, MISSING_PERMISSIONS, "Missing Permissions")
    discord.turn((guild.id, member.user_id, role_id), held=held, by="bot")


def _post(discord: Discord, request: Request) -> dict[str, Any]:
    channel_id, json = request.ids["channel_id"], request.json
    _see(discord, channel_id, writing=True)
    nonce = str(json["nonce"]) if json.get("enforce_nonce") else None
    message = discord.post(channel_id, BOT_ID, json["content"], nonce)
    return {"id": message.id, "channel_id": message.channel_id}


def _read(discord: Discord, request: Request) -> list[dict[str, Any]]:
    channel_id = request.ids["channel_id"]
    _see(discord, channel_id, writing=False)
    after, limit = int(request.params["after"]), int(request.params["limit"])
    return [
        {"id": m.id, "author": {"id": m.author_id}, "content": m.content}
        for m in reversed(discord.messages_after(channel_id, after, limit))
    ]


def _see(discord: Discord, channel_id: str, *, writing: bool) -> None:
    if channel_id.startswith("18"):
        if writing and channel_id in discord.closed:
            raise Refusal(403, CANNOT_SEND_TO_USER, "Cannot send messages to this user")
        return
    if channel_id in discord.muted:
        raise Refusal(403, MISSING_ACCESS, "Missing Access")
    if not any(channel_id in guild.channels for guild in discord.guilds.values()):
        raise Refusal(404, UNKNOWN_CHANNEL, "Unknown Channel")


def _audit_log(discord: Discord, request: Request) -> dict[str, Any]:
    guild = _guild(discord, request.ids)
    if guild.id in discord.forbidden:
        raise Refusal(403, MISSING_PERMISSIONS, "Missing Permissions")
    entries = discord.entries.get((guild.id, request.params["target_id"]), [])
    seen = [e for e in reversed(entries) if e.seen_at <= discord.timeline.now]
    return {"audit_log_entries": [entry_body(entry) for entry in seen[:MOST]]}


def entry_body(entry: Entry) -> dict[str, Any]:
    """Return an entry of the audit log as Discord tells it."""
    key = "$add" if entry.given else "$remove"
    return {
        "id": entry.id,
        "action_type": 25,
        "user_id": entry.actor_id,
        "target_id": entry.user_id,
        "changes": [{"key": key, "new_value": [{"id": entry.role_id, "name": "role"}]}],
    }


def too_fast(request: Request) -> Refusal | None:
    """Return the error that Discord has of its own for a limit, instead of a 429."""
    if request.kind == "opening":
        return Refusal(400, OPENING_TOO_FAST, "You are opening direct messages too fast")
    return None
