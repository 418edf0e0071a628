"""Model of what exists: users, bots, servers, and what is in them."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from msgspec import Struct, field

from boostmon.sandbox.world.snowflakes import Snowflakes

TEXT, DM, VOICE, CATEGORY, ANNOUNCEMENT = 0, 1, 2, 4, 5
KINDS_IN_GUILDS = (TEXT, VOICE, CATEGORY, ANNOUNCEMENT)
MESSAGEABLE = (TEXT, DM, VOICE, ANNOUNCEMENT)
PRIVILEGED = {"presences": 1 << 8, "members": 1 << 1, "message_content": 1 << 15}


class User(Struct):
    """An account; `key` is the name by which tests and the control interface know it."""

    id: str
    key: str
    username: str
    global_name: str | None = None
    bot: bool = False
    dms_open: bool = True
    two_factor: bool = True


class Role(Struct):
    id: str
    name: str
    permissions: int = 0
    position: int = 0
    color: int = 0
    secondary_color: int | None = None
    tertiary_color: int | None = None
    hoist: bool = False
    managed: bool = False
    mentionable: bool = False
    unicode_emoji: str | None = None
    tags: dict[str, Any] | None = None


class Member(Struct):
    user_id: str
    roles: list[str]
    joined_at: str
    nick: str | None = None
    disabled_until: str | None = None
    """Until when the member is in time-out; a time that is over stays."""


class Overwrite(Struct):
    """Permissions of one role (type 0) or member (type 1) in one channel."""

    id: str
    type: int
    allow: int = 0
    deny: int = 0


class Attachment(Struct, kw_only=True):
    """A file in a message."""

    id: str
    filename: str
    url: str
    content_type: str
    content: bytes
    description: str | None = None


class Message(Struct, kw_only=True):
    """A message; `pinged` is whom it really notified."""

    id: str
    channel_id: str
    author_id: str
    timestamp: str
    content: str = ""
    embeds: list[dict[str, Any]] = []
    components: list[dict[str, Any]] = []
    attachments: list[Attachment] = []
    flags: int = 0
    type: int = 0
    tts: bool = False
    nonce: int | str | None = None
    edited: str | None = None
    mentions: list[str] = []
    mention_roles: list[str] = []
    mention_everyone: bool = False
    pinged: list[str] = []
    reference: dict[str, Any] | None = None
    application_id: str | None = None
    interaction_id: str | None = None
    metadata: dict[str, Any] | None = None
    posted: float = 0.0
    """When it was posted, on the clock of interactions and nonces."""
    viewer_id: str | None = None
    """Who alone can see it, when it is ephemeral."""


class Channel(Struct):
    id: str
    name: str
    type: int = TEXT
    guild_id: str | None = None
    position: int = 0
    topic: str | None = None
    overwrites: dict[str, Overwrite] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    private: dict[str, Message] = field(default_factory=dict)
    """Ephemeral messages: only their interaction can reach them."""
    recipient_id: str | None = None
    bot_id: str | None = None

    def find(self, message_id: str) -> Message | None:
        """Find a message, public or not."""
        return self.messages.get(message_id) or self.private.get(message_id)

    @property
    def last_message_id(self) -> str | None:
        return next(reversed(self.messages), None)


class Guild(Struct):
    id: str
    name: str
    owner_id: str
    joined_at: str
    locale: str = "en-US"
    available: bool = True
    mfa_level: int = 0
    """1 where who moderates needs two-factor authentication; for a bot its owner does."""
    roles: dict[str, Role] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    audit_log: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=1000))
    overrides: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """What Server Settings → Integrations says, by command id (or application id for all)."""
    seen: dict[str, set[str]] = field(default_factory=dict)
    """The channels that each bot was last told of in full."""


class Bot(Struct):
    """An application and its bot user, who share an id."""

    id: str
    name: str
    token: str
    owner_id: str
    privileged: int = 0
    commands: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    """By scope ("" is global, else a guild's id), then by command id."""
    starts_left: int = 1000


class World(Struct):
    """Everything there is in this Discord."""

    snowflake: Snowflakes
    users: dict[str, User] = field(default_factory=dict)
    bots: dict[str, Bot] = field(default_factory=dict)
    guilds: dict[str, Guild] = field(default_factory=dict)
    dms: dict[str, Channel] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    """The ids of users by the names under which tests know them; the first of a name has it."""
    dm_ids: dict[tuple[str, str], str] = field(default_factory=dict)
    """The ids of direct messages by bot and user."""

    def add(self, user: User) -> User:
        """Take in an account."""
        self.users[user.id] = user
        self.names.setdefault(user.key, user.id)
        return user

    def user(self, name: str) -> User | None:
        """Find an account by id or name."""
        return self.users.get(name) or self.users.get(self.names.get(name, ""))

    def now(self, *, ago: float = 0.0) -> str:
        """Return the present, or some seconds *ago*, as Discord writes times."""
        return self.snowflake.now(ago)

    def channel(self, channel_id: str) -> Channel | None:
        """Find a channel of any server, or a DM."""
        for guild in self.guilds.values():
            if channel := guild.channels.get(channel_id):
                return channel
        return self.dms.get(channel_id)

    def guilds_of(self, user_id: str) -> Iterator[Guild]:
        """Every server that the user is in."""
        return (guild for guild in self.guilds.values() if user_id in guild.members)

    def dm(self, bot_id: str, user_id: str) -> Channel:
        """Return the DM channel of a bot with a user; made once."""
        if known := self.dm_ids.get((bot_id, user_id)):
            return self.dms[known]
        channel = Channel(self.snowflake(), "", DM, recipient_id=user_id, bot_id=bot_id)
        self.dms[channel.id] = channel
        self.dm_ids[bot_id, user_id] = channel.id
        return channel
