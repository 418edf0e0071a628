"""The gateway's protocol, from HELLO to the close codes."""

import asyncio
import time
from typing import Any

import msgspec
from aiohttp import WSMsgType, web

from boostmon.sandbox.acts import picture
from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.core.sessions import Connection, Session
from boostmon.sandbox.gateway import member_requests
from boostmon.sandbox.world import render
from boostmon.sandbox.world.model import Bot
from boostmon.sandbox.world.render_application import flags
from boostmon.sandbox.world.seed import new_token

Json = dict[str, Any]

UNKNOWN_OPCODE, DECODE_ERROR, NOT_AUTHENTICATED, AUTHENTICATION_FAILED = 4001, 4002, 4003, 4004
ALREADY_AUTHENTICATED, INVALID_SEQUENCE, RATE_LIMITED, TIMED_OUT = 4005, 4007, 4008, 4009
INVALID_SHARD, SHARDING_REQUIRED, INVALID_VERSION, INVALID_INTENTS, DISALLOWED_INTENTS = (
    4010,
    4011,
    4012,
    4013,
    4014,
)

_LARGEST_PAYLOAD, _MOST_EVENTS, _EVENTS_WINDOW = 4096, 120, 60.0
_MAX_CONCURRENCY, _MOST_GUILDS = 1, 2500
_KNOWN_INTENTS = sum(1 << bit for bit in (*range(17), 20, 21, 24, 25))
_GONE = (1000, 1001)
_ACK_SECONDS = 0.02


class CloseError(Exception):
    """The connection is to be closed with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Gateway:
    """Takes in WebSockets and speaks the gateway's protocol with them."""

    def __init__(self, discord: Discord) -> None:
        self._discord = discord

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one connection to its end."""
        socket = web.WebSocketResponse(max_msg_size=2**20, timeout=1.0)
        await socket.prepare(request)
        connection = Connection(request, socket)
        version_known = request.query.get("v", "10") == "10"
        if not version_known or request.query.get("encoding", "json") != "json":
            connection.close(DECODE_ERROR if version_known else INVALID_VERSION)
        watch = asyncio.create_task(self._watch(connection))
        try:
            interval = self._discord.limits.heartbeat_ms
            connection.send({"op": 10, "t": None, "s": None, "d": {"heartbeat_interval": interval}})
            await self._listen(connection)
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
            self._detach(connection)
            await connection.stop()
        return socket

    async def _watch(self, connection: Connection) -> None:
        """Close a connection that has stopped to send heartbeats."""
        while True:
            patience = self._discord.limits.heartbeat_ms / 1000 * 1.5
            silent = asyncio.get_running_loop().time() - connection.heard
            if silent > patience:
                if connection.session:
                    self._discord.sessions.end(connection.session)
                connection.close(TIMED_OUT)
                return
            await asyncio.sleep(patience - silent + 0.01)

    async def _listen(self, connection: Connection) -> None:
        times: list[float] = []
        async for message in connection.socket:
            now = time.monotonic()
            times = [*(t for t in times if now - t < _EVENTS_WINDOW), now]
            try:
                self._take(connection, _decode(message.type, message.data), len(times))
            except CloseError as error:
                connection.close(error.code)

    def _detach(self, connection: Connection) -> None:
        """Keep the session for a RESUME, unless the client has said goodbye."""
        session = connection.session
        if session is None or session.connection is not connection:
            return
        session.connection = None
        self._show(session)
        session.lost_at = self._discord.now()
        if connection.socket.close_code in _GONE and not connection.closed_by_us:
            self._discord.sessions.end(session)

    def _show(self, session: Session) -> None:
        """Tell those who look on whether the bot is there."""
        bot = self._discord.world.bots.get(session.bot_id)
        if bot:
            self._discord.watch.tell("BOT", lambda: picture.bot(self._discord, bot))

    def _take(self, connection: Connection, payload: Json, lately: int) -> None:
        if lately > _MOST_EVENTS:
            raise CloseError(RATE_LIMITED)
        op, data = payload.get("op"), payload.get("d")
        if op == 1:
            loop = asyncio.get_running_loop()
            connection.heard = loop.time()
            # As late as over a network: a client may note after sending that it has sent.
            ack = {"op": 11, "t": None, "s": None, "d": None}
            loop.call_later(_ACK_SECONDS, connection.send, ack)
        elif op == 2:  # noqa: PLR2004 -- an opcode; Discord's documentation has names for them
            self._identify(connection, _mapping(data))
        elif op == 6:  # noqa: PLR2004 -- RESUME
            self._resume(connection, _mapping(data))
        elif op not in (3, 4, 8, 31):
            raise CloseError(UNKNOWN_OPCODE)
        elif connection.session is None:
            raise CloseError(NOT_AUTHENTICATED)
        elif op == 8:  # noqa: PLR2004 -- REQUEST GUILD MEMBERS
            self._members(connection.session, _mapping(data))

    def _members(self, session: Session, data: Json) -> None:
        try:
            member_requests.answer(self._discord, session, data)
        except member_requests.MalformedError as error:
            raise CloseError(DECODE_ERROR) from error
        except member_requests.DisallowedError as error:
            raise CloseError(DISALLOWED_INTENTS) from error

    def _bot(self, token: object) -> Bot:
        for bot in self._discord.world.bots.values():
            if token in (bot.token, f"Bot {bot.token}"):
                return bot
        raise CloseError(AUTHENTICATION_FAILED)

    def _identify(self, connection: Connection, data: Json) -> None:
        if connection.session:
            raise CloseError(ALREADY_AUTHENTICATED)
        bot = self._bot(data.get("token"))
        shard = _shard(data)
        key = f"{bot.id} {shard[0] % _MAX_CONCURRENCY}"
        if self._discord.limiter.wait("identify", key):
            connection.send({"op": 9, "t": None, "s": None, "d": False})
            return
        if not bot.starts_left:  # topics/gateway, "Session Start Limit": the token is reset
            bot.token = new_token(bot.id)
            raise CloseError(AUTHENTICATION_FAILED)
        session = Session(bot, _intents(bot, data), shard, self._discord.limits.resume_buffer)
        if not isinstance(data.get("properties"), dict):
            raise CloseError(DECODE_ERROR)
        threshold = data.get("large_threshold", 50)
        guilds = self._discord.world.guilds_of(bot.id)
        if sum(session.hears(guild.id) for guild in guilds) > _MOST_GUILDS:
            raise CloseError(SHARDING_REQUIRED)
        session.large_threshold = threshold if isinstance(threshold, int) else 50
        session.connection = connection
        connection.session = session
        bot.starts_left -= 1
        self._end_old_sessions()
        self._discord.sessions.add(session)
        self._ready(session, bot)

    def _ready(self, session: Session, bot: Bot) -> None:
        world = self._discord.world
        guilds = [guild for guild in world.guilds_of(bot.id) if session.hears(guild.id)]
        ready = {
            "v": 10,
            "user": render.me(world, world.users[bot.id]),
            "guilds": [{"id": guild.id, "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": self._discord.gateway_url(),
            "shard": list(session.shard),
            "application": {"id": bot.id, "flags": flags(bot)},
            "private_channels": [],
            "relationships": [],
            "presences": [],
            "guild_join_requests": [],
            "geo_ordered_rtc_regions": [],
            "user_settings": {},
            "auth": {},
            "_trace": ["sandbox"],
        }
        session.dispatch("READY", ready)
        self._show(session)
        for guild in guilds:
            if guild.available and session.intents & 1:
                session.dispatch("GUILD_CREATE", session.guild_create(world, guild))

    def _end_old_sessions(self) -> None:
        """Forget the sessions that have been without a connection for too long."""
        oldest = self._discord.now() - self._discord.limits.resume_seconds
        for session in self._discord.sessions:
            if session.connection is None and session.lost_at < oldest:
                self._discord.sessions.end(session)

    def _resume(self, connection: Connection, data: Json) -> None:
        if connection.session:
            raise CloseError(ALREADY_AUTHENTICATED)
        bot = self._bot(data.get("token"))
        self._end_old_sessions()
        session, since = self._discord.sessions.get(data.get("session_id")), data.get("seq")
        if not isinstance(since, int):
            raise CloseError(DECODE_ERROR)
        if session and session.bot_id == bot.id and since > session.sequence:
            raise CloseError(INVALID_SEQUENCE)
        missed = session.missed(since) if session and session.bot_id == bot.id else None
        if session is None or missed is None:
            connection.send({"op": 9, "t": None, "s": None, "d": False})
            return
        session.connection = connection
        connection.session = session
        for payload in missed:
            connection.send(payload)
        session.dispatch("RESUMED", {"_trace": ["sandbox"]})
        self._show(session)


def _decode(kind: WSMsgType, raw: Any) -> Json:
    if kind not in (WSMsgType.TEXT, WSMsgType.BINARY):
        raise CloseError(DECODE_ERROR)
    if len(raw) > _LARGEST_PAYLOAD:
        raise CloseError(DECODE_ERROR)
    try:
        return _mapping(msgspec.json.decode(raw))
    except msgspec.DecodeError as error:
        raise CloseError(DECODE_ERROR) from error


def _mapping(value: Any) -> Json:
    if not isinstance(value, dict):
        raise CloseError(DECODE_ERROR)
    return value


def _intents(bot: Bot, data: Json) -> int:
    intents = data.get("intents")
    if not isinstance(intents, int) or isinstance(intents, bool):
        raise CloseError(DECODE_ERROR)
    if intents < 0 or intents & ~_KNOWN_INTENTS:
        raise CloseError(INVALID_INTENTS)
    privileged = 1 << 1 | 1 << 8 | 1 << 15
    if intents & privileged & ~bot.privileged:
        raise CloseError(DISALLOWED_INTENTS)
    return intents


def _shard(data: Json) -> tuple[int, int]:
    shard = data.get("shard", [0, 1])
    match shard:
        case [int(number), int(count)] if 0 <= number < count:
            return number, count
    raise CloseError(INVALID_SHARD)
