"""Requests for members over the gateway: by id, by name, or all; answered in chunks."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.core.sessions import MEMBERS, PRESENCES, Session
from boostmon.sandbox.world import render
from boostmon.sandbox.world.model import Guild, Member
from boostmon.sandbox.world.snowflakes import is_snowflake

Json = dict[str, Any]

OPCODE = 8
_CHUNK, _MOST_IDS, _MOST_BY_NAME, _LONGEST_NONCE = 1000, 100, 100, 32


class MalformedError(Exception):
    """The request is not one."""


class DisallowedError(Exception):
    """The request needs an intent that the session does not have."""


class Wanted(Struct):
    """Which members are asked for."""

    found: list[Member]
    missing: list[str] = []


def answer(discord: Discord, session: Session, data: Json) -> None:
    """Send the members that are asked for; all of a server at most once in a while."""
    guild_id = data.get("guild_id")
    if not is_snowflake(guild_id):
        raise MalformedError
    guild = discord.world.guilds.get(str(guild_id))
    wanted, query = data.get("user_ids"), data.get("query")
    if (wanted is None) == (query is None):
        raise MalformedError
    limit = None if query is None else _limit(query, data)
    if query is not None and not (query and limit) and not session.intents & MEMBERS:
        raise DisallowedError
    if guild is None or not guild.available or not session.hears(guild.id):
        return
    if session.bot_id not in guild.members:
        return
    if query is None:
        _send(discord, session, guild, data, _by_id(guild, wanted))
    elif query:
        _send(discord, session, guild, data, Wanted(_by_name(discord, guild, query, limit or 0)))
    elif not _limited(discord, session, guild, data):
        found = list(guild.members.values())
        _send(discord, session, guild, data, Wanted(found[: limit or None]))


def _limit(query: Any, data: Json) -> int:
    limit = data.get("limit")
    if not isinstance(query, str) or not isinstance(limit, int) or isinstance(limit, bool):
        raise MalformedError
    if limit < 0:
        raise MalformedError
    return limit


def _by_id(guild: Guild, wanted: Any) -> Wanted:
    listed = wanted if isinstance(wanted, list) else [wanted]
    if not all(map(is_snowflake, listed)):
        raise MalformedError
    ids = list(dict.fromkeys(map(str, listed)))[:_MOST_IDS]
    found = [guild.members[one] for one in ids if one in guild.members]
    return Wanted(found, [one for one in ids if one not in guild.members])


def _by_name(discord: Discord, guild: Guild, query: str, limit: int) -> list[Member]:
    """Find members whose name or nickname begins with *query*; a hundred at most."""
    users, start = discord.world.users, query.lower()
    found = (
        member
        for member in guild.members.values()
        if users[member.user_id].username.lower().startswith(start)
        or (member.nick or "").lower().startswith(start)
    )
    return list(found)[: min(limit or _MOST_BY_NAME, _MOST_BY_NAME)]


def _limited(discord: Discord, session: Session, guild: Guild, data: Json) -> bool:
    """Whether all members of *guild* were asked for a moment ago; then say for how long."""
    after = discord.limiter.wait("all_members", f"{session.bot_id} {guild.id}")
    if after:
        meta = {"guild_id": guild.id} | _nonce(data)
        told = {"opcode": OPCODE, "retry_after": after, "meta": meta}
        session.dispatch("RATE_LIMITED", told)
    return after > 0


def _nonce(data: Json) -> Json:
    """Return the nonce to send back; one that is too long is ignored."""
    nonce = data.get("nonce")
    fits = isinstance(nonce, str) and len(nonce.encode(errors="replace")) <= _LONGEST_NONCE
    return {"nonce": nonce} if fits else {}


def _send(discord: Discord, session: Session, guild: Guild, data: Json, wanted: Wanted) -> None:
    pages = list(_pages(wanted.found))
    presences = bool(data.get("presences")) and bool(session.intents & PRESENCES)
    for index, page in enumerate(pages):
        chunk: Json = {
            "guild_id": guild.id,
            "members": [render.member(discord.world, member) for member in page],
            "chunk_index": index,
            "chunk_count": len(pages),
        }
        if wanted.missing:
            chunk["not_found"] = wanted.missing
        if presences:
            chunk["presences"] = []
        session.dispatch("GUILD_MEMBERS_CHUNK", chunk | _nonce(data))


def _pages(found: list[Member]) -> Iterable[list[Member]]:
    for start in range(0, max(1, len(found)), _CHUNK):
        yield found[start : start + _CHUNK]
