"""A server as Discord's REST describes it to the bot: its roles, and what the bot may do there."""

from typing import Any

from disnake import Permissions
from msgspec import Struct

from boostmon.bot.servers.place import POSTABLE

ALL = Permissions.all().value
ADMINISTRATOR = Permissions(administrator=True).value
POST = Permissions(view_channel=True, send_messages=True).value
POSTABLE_TYPES = {kind.value for kind in POSTABLE}

Json = dict[str, Any]


class Server(Struct, frozen=True, kw_only=True):
    """A server as Discord shows it to the bot, whose user and application have one id."""

    guild: Json
    me: Json
    channels: list[Json]
    bot_id: str

    @property
    def label(self) -> str:
        """Name it, for people."""
        return f"{self.guild['name']} ({self.guild['id']})"

    @property
    def roles(self) -> dict[str, Json]:
        """Its roles, by id."""
        return {role["id"]: role for role in self.guild["roles"]}

    @property
    def own_roles(self) -> list[Json]:
        """The bot's roles in it, @everyone among them."""
        ids = {self.guild["id"], *self.me["roles"]}
        return [role for role in self.guild["roles"] if role["id"] in ids]

    @property
    def permissions(self) -> int:
        """What the bot may do where no channel says otherwise."""
        allowed = 0
        for role in self.own_roles:
            allowed |= int(role["permissions"])
        is_all = allowed & ADMINISTRATOR or self.guild["owner_id"] == self.bot_id
        return ALL if is_all else allowed

    def can_post(self, channel: Json) -> bool:
        """Tell whether notices can be posted in *channel* (topics/permissions, "Overwrites")."""
        if channel["type"] not in POSTABLE_TYPES:
            return False
        allowed = self.permissions
        if allowed & ADMINISTRATOR:
            return True
        own_roles = set(self.me["roles"])
        levels = (
            [o for o in channel["permission_overwrites"] if o["id"] == self.guild["id"]],
            [o for o in channel["permission_overwrites"] if o["id"] in own_roles],
            [o for o in channel["permission_overwrites"] if o["id"] == self.bot_id],
        )
        for overwrites in levels:
            for overwrite in overwrites:
                allowed &= ~int(overwrite["deny"])
            for overwrite in overwrites:
                allowed |= int(overwrite["allow"])
        return allowed & POST == POST
