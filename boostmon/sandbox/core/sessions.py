"""Gateway sessions: who hears what, and what is kept for a RESUME."""

import asyncio
import secrets
import zlib
from collections import deque
from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
from aiohttp import WSCloseCode, web

from boostmon.sandbox.core.faults import Faults
from boostmon.sandbox.core.later import Later
from boostmon.sandbox.core.watch import Watch
from boostmon.sandbox.world import render
from boostmon.sandbox.world.model import Bot, Guild, World

GUILDS, MEMBERS, MODERATION = 1 << 0, 1 << 1, 1 << 2
GUILD_TYPING, DIRECT_TYPING = 1 << 11, 1 << 14
PRESENCES, GUILD_MESSAGES, DIRECT_MESSAGES, MESSAGE_CONTENT = 1 << 8, 1 << 9, 1 << 12, 1 << 15

_OF_THE_HANDSHAKE = ("READY", "RESUMED")

Json = dict[str, Any]


class Connection:
    """One WebSocket; what is sent goes out in order, from a task of its own."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self._transport = request.transport
        self.session: Session | None = None
        self.closed_by_us = False
        self.frozen = False
        self.heard = asyncio.get_running_loop().time()
        self._deflate = (
            zlib.compressobj() if request.query.get("compress") == "zlib-stream" else None
        )
        self._outgoing: asyncio.Queue[bytes | int] = asyncio.Queue()
        self._writer = asyncio.create_task(self._write())

    def send(self, payload: Json) -> None:
        """Queue *payload*; nothing comes out of a connection that is frozen."""
        if self.frozen:
            return
        self._outgoing.put_nowait(msgspec.json.encode(payload))

    def close(self, code: int) -> None:
        """Close with *code* once everything before it is out."""
        self.closed_by_us = True
        self._outgoing.put_nowait(code)

    def drop(self) -> None:
        """Cut the connection without a word."""
        self.closed_by_us = True
        if self._transport is not None:
            self._transport.abort()

    async def stop(self) -> None:
        """Let go of the socket."""
        self._writer.cancel()
        await asyncio.gather(self._writer, return_exceptions=True)

    async def _write(self) -> None:
        while True:
            item = await self._outgoing.get()
            if isinstance(item, int):
                await self.socket.close(code=item)
                return
            try:
                await self._put(item)
            except ConnectionError:
                return

    async def _put(self, item: bytes) -> None:
        if self._deflate is None:
            await self.socket.send_str(item.decode())
            return
        packed = self._deflate.compress(item) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        await self.socket.send_bytes(packed)


class Session:
    """What a bot that has identified hears; it outlives its connection."""

    def __init__(self, bot: Bot, intents: int, shard: tuple[int, int], keep: int) -> None:
        self.id = secrets.token_hex(16)
        self.bot_id = bot.id
        self.intents = intents
        self.shard = shard
        self.large_threshold = 50
        self.sequence = 0
        self.connection: Connection | None = None
        self.lost_at = 0.0
        self.among: Sessions | None = None
        self._kept: deque[tuple[int, Json]] = deque(maxlen=keep)

    def hears(self, guild_id: str | None) -> bool:
        """Whether events of this server (or of DMs) come to this shard."""
        number, count = self.shard
        return (int(guild_id) >> 22) % count == number if guild_id else number == 0

    def guild_create(self, world: World, guild: Guild) -> Json:
        """Show *guild* as this session may see it: all its members only with presences."""
        few = len(guild.members) <= self.large_threshold
        everyone = bool(self.intents & PRESENCES) and few
        return render.guild_create(world, guild, world.bots[self.bot_id], everyone=everyone)

    def dispatch(self, event: str, data: Json) -> None:
        """Send an event: once, unless a fault has it come late, twice or never."""
        if self.among is None or event in _OF_THE_HANDSHAKE:
            self._send(event, data)
            return
        shard, _ = self.shard
        fault = self.among.faults.take_event(self.bot_id, shard, self.id, event)
        if fault is None:
            self._send(event, data)
            return
        self.among.tell_faults()
        for seconds in fault.delays:
            self.among.later.after(seconds, partial(self._send, event, data))

    def _send(self, event: str, data: Json) -> None:
        """Send an event with the next number, or keep it until the client is back."""
        self.sequence += 1
        payload = {"op": 0, "t": event, "s": self.sequence, "d": data}
        self._kept.append((self.sequence, payload))
        if self.connection:
            self.connection.send(payload)

    def missed(self, since: int) -> list[Json] | None:
        """Return the events after *since*, or None when they are no longer kept."""
        if since < self.sequence and (not self._kept or self._kept[0][0] > since + 1):
            return None
        return [payload for sequence, payload in self._kept if sequence > since]


class Sessions:
    """Every session of every bot, and the sending of events to the right ones."""

    def __init__(self, later: Later) -> None:
        self.later = later
        self.faults = Faults()
        self._all: dict[str, Session] = {}
        self.watch = Watch()

    def tell_faults(self) -> None:
        """Tell those who look on which faults are armed, and how often they were used."""
        self.watch.tell("FAULTS", lambda: self.faults.all)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._all.values()))

    def add(self, session: Session) -> None:
        """Take in a session that has just identified."""
        session.among = self
        self._all[session.id] = session

    def get(self, session_id: object) -> Session | None:
        """Find a session to resume."""
        return self._all.get(session_id) if isinstance(session_id, str) else None

    def end(self, session: Session) -> None:
        """Forget a session: it can no longer be resumed."""
        self._all.pop(session.id, None)

    def in_guild(self, guild: Guild) -> list[Session]:
        """Return the sessions whose bot is a member of *guild*, which is not in an outage."""
        if not guild.available:
            return []
        return [s for s in self if s.bot_id in guild.members and s.hears(guild.id)]

    def of_guild(self, guild: Guild, intent: int) -> list[Session]:
        """Return those of them with *intent*."""
        return [session for session in self.in_guild(guild) if session.intents & intent]

    def to_guild(
        self, guild: Guild, event: str, data: Json, intent: int = GUILDS, *, always: str = ""
    ) -> None:
        """Send an event of *guild* to those with *intent*, and to the bot *always*."""
        self.watch.tell(event, lambda: data)
        for session in self.in_guild(guild):
            if session.intents & intent or session.bot_id == always:
                session.dispatch(event, data)

    def to_bot(self, bot_id: str, guild_id: str | None, event: str, data: Json) -> int:
        """Send an event to each session of one bot, whatever its intents; return how many."""
        heard = [s for s in self if s.bot_id == bot_id and s.hears(guild_id)]
        for session in heard:
            session.dispatch(event, data)
        return len(heard)

    async def stop(self) -> None:
        """Close every connection."""
        for session in self:
            if session.connection:
                await session.connection.socket.close(code=WSCloseCode.GOING_AWAY)
        self._all.clear()
