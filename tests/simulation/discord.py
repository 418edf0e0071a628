"""A model of Discord: its servers, members, roles and messages, and the truth of who did what."""

from bisect import bisect_right
from collections.abc import Callable
from random import Random

from msgspec import Struct, field

from tests.simulation.timeline import EPOCH, Timeline

DISCORD_EPOCH_MS = 1_420_070_400_000
BOT_ID = "1300000000000000001"
NONCE_HOLDS = 180.0  # seconds; "the past few minutes"
Place = tuple[str, str, str]  # server, user, role


class Turn(Struct, frozen=True):
    """The truth about one role of one member: since *at* they hold it, or not, by whose doing."""

    at: float
    held: bool
    by: str  # "bot", or the id of somebody else, "left" or "deleted"


class Member(Struct):
    """A member of a server, or who was one."""

    user_id: str
    roles: set[str] = field(default_factory=set)
    joined_at: float = 0.0
    present: bool = True


class Message(Struct, frozen=True):
    """A message; *author_id* is the bot's or somebody's."""

    id: str
    channel_id: str
    author_id: str
    content: str
    nonce: str | None
    at: float


class Guild(Struct):
    """A server."""

    id: str
    roles: dict[str, str]
    channels: list[str]
    members: dict[str, Member]
    above: set[str] = field(default_factory=set)  # roles that the bot may not give
    present: bool = True  # the bot is a member
    unavailable: bool = False


class Entry(Struct, frozen=True):
    """An entry of the audit log: who changed which role of whom."""

    id: str
    at: float
    guild_id: str
    actor_id: str
    user_id: str
    role_id: str
    given: bool
    seen_at: float  # from when on Discord tells of it when it is asked


class Discord:
    """Everything that Discord holds; *tell* hears of each change, as the gateway does."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.ahead = 0.0  # by how many seconds the dates of its answers are wrong
        self.guilds: dict[str, Guild] = {}
        self.channels: dict[str, list[Message]] = {}
        self.direct: dict[str, str] = {}  # the channel of each user's direct messages
        self.closed: set[str] = set()  # users who take none
        self.muted: set[str] = set()  # channels that take no message, nor show any
        self.turns: dict[Place, list[Turn]] = {}
        self.entries: dict[tuple[str, str], list[Entry]] = {}  # by server and target
        self.forbidden: set[str] = set()  # servers whose audit log the bot may not read
        self.turned: Callable[..., None] = lambda *_, **__: None
        self.tell: Callable[[str, str, str], None] = lambda *_: None
        self._nonces: dict[str, Message] = {}
        self._made = 0
        self.dawdling: Random | None = None  # entries of the audit log come late or not at all

    def clock(self) -> float:
        """Tell the time as Discord has it, in seconds since 1970."""
        return EPOCH + self.timeline.now + self.ahead

    def snowflake(self) -> str:
        """Return a new id."""
        ms = int((EPOCH + self.timeline.now) * 1000) - DISCORD_EPOCH_MS
        self._made = max(self._made + 1, ms << 22)
        return str(self._made)

    def turn(self, place: Place, *, held: bool, by: str) -> bool:
        """Give or take a role, if that changes anything; return whether it does."""
        guild_id, user_id, role_id = place
        member = self.guilds[guild_id].members[user_id]
        if (role_id in member.roles) == held:
            return False
        (member.roles.add if held else member.roles.discard)(role_id)
        self._note(place, held=held, by=by)
        self.turned(place, held=held, by=by, at=self.timeline.now)
        self.tell("member", guild_id, user_id)
        self._log(place, given=held, actor_id=BOT_ID if by == "bot" else by)
        return True

    def _log(self, place: Place, *, given: bool, actor_id: str) -> None:
        """Write a line of the audit log, at times late or not at all."""
        late, drawn = 0.0, self.dawdling
        if drawn is not None:
            late = drawn.choice((0.0, drawn.uniform(1, 90), float("inf")))
        now = self.timeline.now
        entry = Entry(self.snowflake(), now, *place[:1], actor_id, *place[1:], given, now + late)
        self.entries.setdefault(place[:2], []).append(entry)
        if late < float("inf"):
            self.tell("entry", place[0], place[1])

    def leave(self, guild_id: str, user_id: str) -> None:
        """Have a member leave; their roles are lost."""
        member = self.guilds[guild_id].members[user_id]
        if not member.present:
            return
        member.present = False
        for role_id in sorted(member.roles):
            self._note((guild_id, user_id, role_id), held=False, by="left")
        member.roles.clear()
        self.tell("left", guild_id, user_id)

    def join(self, guild_id: str, user_id: str) -> None:
        """Have who left come back."""
        member = self.guilds[guild_id].members[user_id]
        if not member.present:
            member.present, member.joined_at = True, self.timeline.now
            self.tell("joined", guild_id, user_id)

    def delete_role(self, guild_id: str, role_id: str) -> None:
        """Delete a role, from every member."""
        guild = self.guilds[guild_id]
        if guild.roles.pop(role_id, None) is None:
            return
        for member in guild.members.values():
            if role_id in member.roles:
                member.roles.discard(role_id)
                self._note((guild_id, member.user_id, role_id), held=False, by="deleted")
        self.tell("role deleted", guild_id, role_id)

    def post(self, channel_id: str, author_id: str, content: str, nonce: str | None) -> Message:
        """Post a message, unless one with the same nonce was posted within minutes."""
        now = self.timeline.now
        first = self._nonces.get(nonce) if nonce else None
        if first is not None and now - first.at < NONCE_HOLDS:  # whatever its channel is
            return first
        message = Message(self.snowflake(), channel_id, author_id, content, nonce, now)
        self.channels.setdefault(channel_id, []).append(message)
        if nonce:
            self._nonces[nonce] = message
        return message

    def messages_after(self, channel_id: str, after: int, limit: int) -> list[Message]:
        """Return the messages of a channel after an id, the oldest first."""
        messages = self.channels.get(channel_id, [])
        first = bisect_right(messages, after, key=lambda message: int(message.id))
        return messages[first : first + limit]

    def open_direct(self, user_id: str) -> str:
        """Return the channel of direct messages with a user."""
        return self.direct.setdefault(user_id, f"18{int(user_id) % 10**17:017}")

    def holds(self, place: Place) -> bool:
        """Tell whether a member holds a role now."""
        guild_id, user_id, role_id = place
        return role_id in self.guilds[guild_id].members[user_id].roles

    def _note(self, place: Place, *, held: bool, by: str) -> None:
        self.turns.setdefault(place, []).append(Turn(self.timeline.now, held, by))
