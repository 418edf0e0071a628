"""Accidents of gateway connections: `POST /_sim/gateway`."""

from typing import Any, Literal

from msgspec import Struct

from boostmon.sandbox.acts.named import bot_named
from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.core.faults import EventFault
from boostmon.sandbox.core.sessions import Connection
from boostmon.sandbox.world.errors import ControlError
from boostmon.sandbox.world.model import Bot


class ConnectionChange(Struct, forbid_unknown_fields=True, kw_only=True):
    action: Literal["close", "reconnect", "invalidate", "drop", "freeze", "lose", "delay", "double"]
    bot: str | None = None
    code: int = 4000
    resumable: bool = False
    event: str = "*"
    shard: int | None = None
    seconds: float = 0.0
    times: int | None = 1


def change_connections(discord: Discord, change: ConnectionChange) -> Any:
    """Do something to a bot's connections, or to the events that will come over them."""
    bot = bot_named(discord, change.bot)
    match change.action:
        case "lose" | "delay" | "double" as action:
            return _arm(discord, bot, action, change)
        case _:
            return {"sessions": _do(discord, bot, change)}


def _arm(
    discord: Discord, bot: Bot, action: Literal["lose", "delay", "double"], change: ConnectionChange
) -> EventFault:
    """Let the next events be lost, late or doubled."""
    if action == "delay" and not change.seconds:
        raise ControlError("a delay needs seconds")
    fault = EventFault(
        action=action,
        event=change.event,
        bot=bot.id,
        shard=change.shard,
        seconds=change.seconds,
        times=change.times,
    )
    discord.faults.events.append(fault)
    discord.sessions.tell_faults()
    return fault


def _do(discord: Discord, bot: Bot, change: ConnectionChange) -> int:
    """Close, cut or freeze a bot's connections, or tell it to reconnect or begin anew."""
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
    return told


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
