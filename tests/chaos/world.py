"""A Discord with several servers, and what the driver does to it and sees of it."""

import asyncio
import re
import time
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from boostmon.sandbox import Sandbox
from boostmon.sandbox.control.changes import CHANGES
from boostmon.sandbox.core.faults import EntryFault, Fault
from boostmon.sandbox.core.journal import Journal
from boostmon.sandbox.people.usage import Use, use

SERVERS = ("north", "east", "south", "west")
ROLES = ("Trial", "Member", "VIP", "Gold")
PEOPLE = tuple(f"person{number}" for number in range(8))
CHANNELS = ("general", "news", "lobby")
BOT, MODERATOR, STAFF = "BoostMon", "mona", "Moderator"
TOP = len(ROLES) + 2  # the bot's place, above everybody's
NOTICE = re.compile(r"<@(\d+)> (warning|notice): your access for \*\*(.+?)\*\*")
OPTION_TYPES = {"user": 6, "role": 8, "duration": 3, "channel": 7}
MAY = ["MANAGE_ROLES", "VIEW_CHANNEL", "SEND_MESSAGES", "EMBED_LINKS", "READ_MESSAGE_HISTORY"]
WITHOUT_AUDIT_LOG = "west"  # there BoostMon may not read it
GREETER = "Greeter"  # another bot, which gives roles to those who join
KEPT = 200_000  # requests
LOOK = 0.1  # seconds

Json = dict[str, Any]


def specification() -> Json:
    """Describe the world as the sandbox takes it."""
    return {
        "users": [{"name": name} for name in ("olga", MODERATOR, *PEOPLE)],
        "bots": [
            {"name": BOT, "owner": "olga", "privileged_intents": ["members"]},
            {"name": GREETER, "owner": "olga"},
        ],
        "guilds": [_server(name) for name in SERVERS],
    }


def _server(name: str) -> Json:
    staff = {"name": STAFF, "permissions": ["MANAGE_ROLES"]}
    log = [] if name == WITHOUT_AUDIT_LOG else ["VIEW_AUDIT_LOG"]
    own = {"name": BOT, "bot": BOT, "permissions": MAY + log}
    return {
        "name": name,
        "owner": "olga",
        "roles": [*({"name": role_name(name, role)} for role in ROLES), staff, own],
        "members": [{"user": MODERATOR, "roles": [STAFF]}, *({"user": one} for one in PEOPLE)],
        "channels": [{"name": channel} for channel in CHANNELS],
    }


def role_name(server: str, role: str) -> str:
    """Name a role as no other server has one, for a notice does not tell its server."""
    return f"{role} {server}"


class Mark(Struct, frozen=True):
    """What Discord keeps by which a notice is told: whom it is for, of which kind and role."""

    user_id: str
    is_warning: bool
    role: str


class World:
    """The sandbox as the driver uses it, without a detour over HTTP."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self._discord = sandbox.discord
        self._discord.journal = Journal(KEPT)
        world = self._discord.world
        self.users = {user.key: user.id for user in world.users.values()}
        self.bot_id = next(iter(world.bots))
        self.left: dict[tuple[str, str], float] = {}  # server and user, by id, and since when
        self.given: dict[tuple[str, str, str], float] = {}  # a role by another bot, and when
        self._servers = {guild.name: guild for guild in world.guilds.values()}

    def change(self, kind: str, **fields: Any) -> Any:
        """Do what `POST /_sim/KIND` does."""
        shape, apply = CHANGES[kind]
        return apply(self._discord, msgspec.convert(fields, shape))

    def arm(self, **fields: Any) -> None:
        """Arm a fault."""
        if "audit_log" in fields:
            self._discord.faults.entries.append(EntryFault(**fields))
        else:
            self._discord.faults.armed.append(Fault(**fields))

    def leave(self, guild: str, user: str) -> None:
        """Let somebody leave a server, and remember it."""
        self.change("member", guild=guild, user=user, action="leave")
        self.left.setdefault((self._servers[guild].id, self.users[user]), time.time())

    def greet(self, guild: str, user: str, role: str) -> None:
        """Let another bot give a role to somebody, and remember it."""
        role_id = self._id(guild, "role", role)
        held = self._servers[guild].members[self.users[user]].roles
        if role_id in held:
            return
        self.change("member", guild=guild, user=user, action="give", role=role_id, by=GREETER)
        self.given[self._servers[guild].id, self.users[user], role_id] = time.time()

    def calm(self) -> None:
        """Take back every fault, outage, demotion and closed DM."""
        self._discord.faults.clear()
        for name, guild in self._servers.items():
            if not guild.available:
                self.change("guild", guild=name, action="back")
            self.change("role", guild=name, role=BOT, action="move", position=TOP)
            for channel in CHANNELS:
                self.change("channel", guild=name, channel=channel, action="edit", overwrites=[])
        for name in PEOPLE:
            self.change("user", user=name, dms_open=True)

    async def until_done(self) -> None:
        """Wait until nothing is to happen late any more."""
        while len(self._discord.later):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(LOOK)

    def nudge(self) -> None:
        """Let each server's staff touch a role, at which the bot looks again at what is stuck."""
        for name, guild in self._servers.items():
            role = next(role for role in guild.roles.values() if role.name == STAFF)
            flipped = role.permissions ^ (1 << 6)  # Add Reactions, which nobody here needs
            self.change("role", guild=name, role=STAFF, action="edit", permissions=flipped)

    def command(self, server: str, name: str, deliveries: int, **options: str) -> str:
        """Let the moderator give a command; return the interaction's id."""
        given = [
            {"name": key, "type": OPTION_TYPES[key], "value": self._id(server, key, value)}
            for key, value in options.items()
        ]
        asked = Use(
            user_id=self.users[MODERATOR],
            guild_id=self._servers[server].id,
            name=name,
            options=given,
            deliveries=deliveries,
        )
        return use(self._discord, asked).id

    @property
    def listens(self) -> int:
        """How many processes of the bot are connected."""
        return sum(session.connection is not None for session in self._discord.sessions)

    @property
    def offers_commands(self) -> bool:
        """Whether the bot has registered its commands."""
        return any(self._discord.world.bots[self.bot_id].commands.values())

    def state(self) -> Json:
        """Show everything, as `GET /_sim/state` does."""
        return self.sandbox.state()

    def _id(self, server: str, kind: str, name: str) -> str:
        guild = self._servers[server]
        match kind:
            case "user":
                return self.users[name]
            case "role":
                wanted = role_name(server, name)
                return next(one.id for one in guild.roles.values() if one.name == wanted)
            case "channel":
                return next(one.id for one in guild.channels.values() if one.name == name)
            case _:
                return name


def notices(state: Json, bot_id: str) -> Iterator[Json]:
    """Give every warning and expiry notice of the bot that stands anywhere."""
    rooms = [channel for guild in state["guilds"] for channel in guild["channels"]]
    for room in [*rooms, *state["dms"]]:
        for message in room["messages"]:
            if message["author"]["id"] == bot_id and NOTICE.match(message["content"]):
                yield message


def mark_of(message: Json) -> Mark | None:
    """Return by what a notice is told; None for another message."""
    found = NOTICE.match(message["content"])
    return Mark(found[1], found[2] == "warning", found[3]) if found else None


def members(state: Json) -> dict[tuple[str, str], set[str]]:
    """Return the roles of everybody, by server and user."""
    return {
        (guild["id"], member["user_id"]): set(member["roles"])
        for guild in state["guilds"]
        for member in guild["members"]
    }
