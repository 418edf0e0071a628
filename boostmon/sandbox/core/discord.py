"""The one place that holds it all: the world, its sessions, clocks, limits and records."""

import time

from boostmon.sandbox.core.faults import Faults
from boostmon.sandbox.core.interactions import Interactions
from boostmon.sandbox.core.journal import Journal
from boostmon.sandbox.core.later import Later
from boostmon.sandbox.core.limits import Limits, RateLimiter
from boostmon.sandbox.core.sessions import Sessions
from boostmon.sandbox.world.model import Message, World
from boostmon.sandbox.world.seed import build
from boostmon.sandbox.world.snowflakes import Snowflakes
from boostmon.sandbox.world.world_spec import DEFAULT_WORLD, WorldSpec


class Discord:
    """A whole Discord in memory."""

    def __init__(self, limits: Limits, spec: WorldSpec | None = None) -> None:
        self.url = ""
        self.beside: list[str] = []
        """The paths of what else is served, such as `/_demo/`."""
        self.later = Later()
        self.sessions = Sessions(self.later)
        self.watch = self.sessions.watch
        self._first_limits = limits
        self.apart = 0.0
        """Seconds by which this Discord's time of day is ahead of this machine's."""
        self.world = World(Snowflakes())
        self.reset(spec)

    def reset(self, spec: WorldSpec | None = None) -> None:
        """Begin anew with the world that *spec* describes, or the default one."""
        self.limits, self.apart = self._first_limits, 0.0
        self.limiter = RateLimiter(self.limits, wall=self.wall)
        self.world = build(spec or DEFAULT_WORLD, known=self.world.bots.values(), clock=self.wall)
        self.interactions = Interactions()
        self.later.forget()
        self.faults = self.sessions.faults = Faults()
        self.journal = Journal()
        self._nonces: dict[tuple[str, str], tuple[float, Message]] = {}
        self._ahead = 0.0
        self.watch.begin_anew()

    def now(self) -> float:
        """Return the clock of interactions and nonces: steady, and tests may advance it."""
        return time.monotonic() + self._ahead

    def wall(self) -> float:
        """Return the time of day in this Discord; tests may set it apart from this machine's."""
        return time.time() + self.apart

    def advance(self, seconds: float) -> None:
        """Let interactions and nonces age at once."""
        self._ahead += seconds

    def remember_nonce(self, message: Message) -> None:
        """Note that a message had a nonce; those too old to matter are forgotten."""
        if message.nonce is None:
            return
        key = (message.author_id, str(message.nonce))
        self._nonces.pop(key, None)
        self._nonces[key] = (self.now(), message)
        while self._is_old(next(iter(self._nonces.values()))[0]):
            del self._nonces[next(iter(self._nonces))]

    def said_with(self, author_id: str, nonce: int | str) -> Message | None:
        """Return what this author said with this nonce in the past few minutes."""
        said_at, message = self._nonces.get((author_id, str(nonce)), (0.0, None))
        return None if message is None or self._is_old(said_at) else message

    def _is_old(self, moment: float) -> bool:
        return self.now() - moment > self.limits.nonce_seconds

    def gateway_url(self) -> str:
        """Return where the gateway is."""
        return self.url.replace("http://", "ws://", 1) + "/gateway"
