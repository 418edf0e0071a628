"""Accidents of gateway connections: `POST /_sim/gateway`."""

from typing import Any, Literal

from msgspec import Struct

from boostmon.sandbox.core import Discord
from boostmon.sandbox.errors import ControlError
from boostmon.sandbox.model import Bot
from boostmon.sandbox.sessions import Connection


class ConnectionChange(Struct, forbid_unknown_fields=True, kw_only=True):
    action: Literal["close", "reconnect", "invalidate", "drop", "freeze"]
    bot: str | None = None
    code: int = 4000
    resumable: bool = False


def change_connections(discord: Discord, change: ConnectionChange) -> Any:
    """Close, cut or freeze a bot's connections, or tell it to reconnect or begin anew."""
    bot = _bot(discord, change.bot)
    told = 0
    for session in discord.sessions:
        if session.bot_id != bot.id or session.connection is None:
            continue
        told += 1
        connection = session.connection
        _apply(connection, change)
        if change.action == "invalidate" and not change.resumable:
            discord.sessions.end(session)
            connection.session = None
    return {"sessions": told}


def _bot(discord: Discord, name: str | None) -> Bot:
    for bot in discord.world.bots.values():
        if name in (None, bot.id, bot.name):
            return bot
    raise ControlError(f"there is no bot {name}", 404)


def _apply(connection: Connection, change: ConnectionChange) -> None:
    match change.action:
        case "close":
            connection.close(change.code)
        case "drop":
            connection.drop()
        case "freeze":
            connection.frozen = True
        case "reconnect":
            connection.send({"op": 7, "t": None, "s": None, "d": None})
        case "invalidate":
            connection.send({"op": 9, "t": None, "s": None, "d": change.resumable})
