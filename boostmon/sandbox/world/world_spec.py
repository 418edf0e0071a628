"""The description of a world, which `POST /_sim/reset` takes, and the default one."""

from typing import Any, Literal

from msgspec import Struct, convert, field

from boostmon.sandbox.world import permissions
from boostmon.sandbox.world.model import TEXT

Bits = int | str | list[str]


class UserSpec(Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    id: str | None = None
    dms_open: bool = True
    two_factor: bool = True


class BotSpec(Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    id: str | None = None
    token: str | None = None
    owner: str | None = None
    privileged_intents: list[Literal["presences", "members", "message_content"]] = []


class RoleSpec(Struct, forbid_unknown_fields=True, kw_only=True):
    """A role; those of a server are listed from the lowest up."""

    name: str
    id: str | None = None
    permissions: Bits = 0
    color: int = 0
    hoist: bool = False
    mentionable: bool = False
    managed: bool = False
    tags: dict[str, Any] | None = None
    bot: str | None = None
    """The bot whose own integration role this is: managed, and its bot holds it."""


class OverwriteSpec(Struct, forbid_unknown_fields=True, kw_only=True):
    role: str | None = None
    member: str | None = None
    allow: Bits = 0
    deny: Bits = 0


class ChannelSpec(Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    id: str | None = None
    type: int = TEXT
    topic: str | None = None
    overwrites: list[OverwriteSpec] = []


class MemberSpec(Struct, forbid_unknown_fields=True, kw_only=True):
    user: str
    roles: list[str] = []
    nick: str | None = None


class GuildSpec(Struct, forbid_unknown_fields=True, kw_only=True):
    name: str
    owner: str
    id: str | None = None
    locale: str = "en-US"
    mfa_level: Literal[0, 1] = 0
    everyone: Bits = permissions.EVERYDAY
    roles: list[RoleSpec] = []
    members: list[MemberSpec] = []
    channels: list[ChannelSpec] = []


class WorldSpec(Struct, forbid_unknown_fields=True, kw_only=True):
    """What `POST /_sim/reset` takes. Names refer to names; ids are optional."""

    bots: list[BotSpec] = field(default_factory=lambda: [BotSpec(name="BoostMon")])
    users: list[UserSpec] = []
    guilds: list[GuildSpec] = []


DEFAULT_WORLD: WorldSpec = convert(
    {
        "users": [
            {"name": "olga"},
            {"name": "mona"},
            {"name": "max"},
            {"name": "vera"},
            {"name": "carl", "dms_open": False},
        ],
        "bots": [{"name": "BoostMon", "owner": "olga"}],
        "guilds": [
            {
                "name": "Sandbox",
                "owner": "olga",
                "roles": [
                    {"name": "Trial"},
                    {"name": "Supporter"},
                    {"name": "VIP", "color": 0xF1C40F, "hoist": True},
                    {"name": "Moderator", "permissions": ["MANAGE_ROLES", "MANAGE_MESSAGES"]},
                    {"name": "Server Booster", "tags": {"premium_subscriber": None}},
                    {
                        "name": "BoostMon",
                        "bot": "BoostMon",
                        "permissions": [
                            "MANAGE_ROLES",
                            "VIEW_AUDIT_LOG",
                            "VIEW_CHANNEL",
                            "SEND_MESSAGES",
                            "EMBED_LINKS",
                            "READ_MESSAGE_HISTORY",
                        ],
                    },
                    {"name": "Admin", "permissions": ["ADMINISTRATOR"]},
                ],
                "members": [
                    {"user": "mona", "roles": ["Moderator"]},
                    {"user": "max"},
                    {"user": "vera", "roles": ["Supporter"]},
                    {"user": "carl"},
                ],
                "channels": [
                    {"name": "general"},
                    {"name": "announcements", "type": 5},
                    {"name": "lounge", "type": 2},
                    {
                        "name": "staff",
                        "overwrites": [
                            {"role": "@everyone", "deny": ["VIEW_CHANNEL"]},
                            {"role": "Moderator", "allow": ["VIEW_CHANNEL"]},
                            {
                                "role": "BoostMon",
                                "allow": ["VIEW_CHANNEL"],
                                "deny": ["SEND_MESSAGES"],
                            },
                        ],
                    },
                ],
            }
        ],
    },
    WorldSpec,
)
"""olga owns the server; mona moderates; max and vera have no rights; carl takes no DMs."""
