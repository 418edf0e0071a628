"""The tables of the database, in memory, with the indexes that the statements lean on."""

from bisect import insort
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from msgspec import Struct, field

OPEN = ("owed", "stuck")
FIRST_LOOK = 30.0  # seconds after an attempt
Key = tuple[int, str]


class Stream(Struct, kw_only=True):
    """One timer's place in the log; *number* is its `stream_id`."""

    number: int
    guild_id: str
    user_id: str
    role_id: str
    events: "list[Event]" = field(default_factory=list)
    effects: "list[Effect]" = field(default_factory=list)
    open: int = 0


class Event(Struct, kw_only=True):
    """A row of `events`, with what the statements take out of its document."""

    position: int
    stream: Stream
    version: int
    data: str
    type: str
    channel_id: str | None
    actor_id: str | None
    source: str
    command_id: str
    ordinal: int
    recorded_at: float
    true_at: float
    sent_at: float  # when the statement was sent that has recorded it, by the true time
    hash: bytes


class Effect(Struct, kw_only=True):
    """A row of `effects`; times are the database's, in seconds since 1970."""

    position: int
    kind: str
    stream: Stream
    due_at: float
    state: str = "owed"
    attempts: int = 0
    attempted_at: float | None = None
    done_at: float | None = None
    look_again_at: float | None = None
    looks: int = 0
    last_error: str | None = None
    receipt: dict[str, str | None] | None = None


class Row(Struct, kw_only=True):
    """A row of `role_timers`."""

    stream: Stream
    version: int
    expires_at: int
    warn_channel_id: str | None
    paused_at: int | None
    paused_remaining_ms: int
    warnings_sent: str
    created_at: int
    updated_at: int
    next_due_at: int | None


class Lease(Struct):
    """The row of `lease`; *writing* counts how often it was written."""

    holder: str | None = None
    expires_at: float = -float("inf")
    writing: int = 1

    def write(self, holder: str | None, expires_at: float) -> None:
        """Write the row."""
        self.holder, self.expires_at = holder, expires_at
        self.writing += 1


class Difference(Struct):
    """A row of `differences`."""

    found: str
    position: int
    found_at: float
    decided_at: float | None


class Tables:
    """Everything that is stored, and who is told of changes."""

    def __init__(self, clock: Callable[[], float], truth: Callable[[], float]) -> None:
        """Take *clock*, which tells the time of the database's own machine, and the true time."""
        self.clock = clock
        self.truth = truth
        self.sent_at = 0.0  # when the statement was sent that is being carried out
        self.people: dict[str, int] = {}
        self.streams: dict[tuple[str, str], Stream] = {}
        self.of_user: dict[str, list[Stream]] = {}
        self.events: list[Event] = []
        self.commands: dict[str, Stream] = {}
        self.effects: dict[Key, Effect] = {}
        self.open: dict[Key, Effect] = {}
        self.doubts: dict[Key, Effect] = {}
        self.differences: dict[int, Difference] = {}
        self.rows: dict[int, Row] = {}
        self.due: list[tuple[int, int]] = []
        self.lease = Lease()
        self.direct_channels: dict[str, str] = {}
        self.openings_closed_until = float("-inf")
        self.openings_asked_at: list[float] = []  # the newest first
        self.notify: Callable[[str, str], None] = lambda *_: None

    def person(self, user_id: str | None) -> None:
        """Give a person who is new a number."""
        if user_id is not None:
            self.people.setdefault(user_id, len(self.people) + 1)

    def new_stream(self, guild_id: str, user_id: str, role_id: str) -> Stream:
        """Make a stream."""
        self.person(user_id)
        number = len(self.streams) + 1
        stream = Stream(number=number, guild_id=guild_id, user_id=user_id, role_id=role_id)
        self.streams[user_id, role_id] = stream
        self.of_user.setdefault(user_id, []).append(stream)
        return stream

    def of_member(self, guild_id: str, user_id: str) -> Iterable[Stream]:
        """List the streams of a member, the oldest first."""
        return (s for s in self.of_user.get(user_id, ()) if s.guild_id == guild_id)

    def owe(self, effect: Effect) -> None:
        """Insert an effect."""
        self.effects[effect.position, effect.kind] = effect
        self.open[effect.position, effect.kind] = effect
        effect.stream.effects.append(effect)
        effect.stream.open += 1

    def settle(self, effect: Effect, state: str) -> None:
        """Close an open effect."""
        effect.state, effect.done_at, effect.last_error = state, self.clock(), None
        effect.attempted_at = None
        del self.open[effect.position, effect.kind]
        effect.stream.open -= 1

    def reopen(self, effect: Effect) -> None:
        """Owe a closed effect again."""
        effect.state, effect.due_at = "owed", self.clock()
        effect.done_at = effect.receipt = effect.last_error = None
        self.open[effect.position, effect.kind] = effect
        effect.stream.open += 1

    def doubt(self, effect: Effect, look_again_at: float | None, looks: int) -> None:
        """Set when a member is to be read again because of an effect."""
        effect.look_again_at, effect.looks = look_again_at, looks
        if look_again_at is None:
            self.doubts.pop((effect.position, effect.kind), None)
        else:
            self.doubts[effect.position, effect.kind] = effect

    def doubted(self, effect: Effect) -> float | None:
        """Return when the member is read again, which the release before did not note."""
        if effect.look_again_at is None and effect.kind != "notice":
            return None if effect.attempted_at is None else effect.attempted_at + FIRST_LOOK
        return effect.look_again_at

    def put(self, row: Row) -> None:
        """Insert or replace a timer's row."""
        self.drop(row.stream)
        self.rows[row.stream.number] = row
        if row.next_due_at is not None:
            insort(self.due, (row.next_due_at, row.stream.number))

    def drop(self, stream: Stream) -> None:
        """Delete a timer's row."""
        row = self.rows.pop(stream.number, None)
        if row is not None and row.next_due_at is not None:
            self.due.remove((row.next_due_at, stream.number))


def moment(seconds: float) -> datetime:
    """Return a time of the database as asyncpg does."""
    return datetime.fromtimestamp(seconds, UTC)
