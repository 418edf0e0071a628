"""The plan of the trouble: which blow falls when, from a seed."""

from collections.abc import Collection
from random import Random
from typing import Any

from msgspec import Struct

from tests.chaos.world import CHANNELS, PEOPLE, SERVERS

ROLE_ROUTE = "/guilds/{guild_id}/members/{user_id}/roles/{role_id}"
MESSAGE_ROUTE = "/channels/{channel_id}/messages"
CALLBACK_ROUTE = "/interactions/{interaction_id}/{interaction_token}/callback"
REPLY_ROUTE = "^/webhooks/"
ROUTES = (ROLE_ROUTE, MESSAGE_ROUTE, ROLE_ROUTE, MESSAGE_ROUTE, CALLBACK_ROUTE, REPLY_ROUTE)
READ_ROUTES = (
    "/guilds/{guild_id}/members/{user_id}",
    "/guilds/{guild_id}/members/{user_id}",
    MESSAGE_ROUTE,
    "/guilds/{guild_id}/audit-logs",
)
STATUSES = (500, 502, 503, 504, 520, 524)
EVENTS = (
    "GUILD_MEMBER_*",
    "GUILD_MEMBER_*",
    "GUILD_AUDIT_LOG_ENTRY_CREATE",
    "GUILD_MEMBERS_CHUNK",
    "GUILD_ROLE_*",
    "INTERACTION_CREATE",
)
STEPS = (-7200.0, -600.0, -30.0, 30.0, 600.0, 7200.0)  # seconds
PAST_THE_LEASE = 22.0  # seconds; a lease lasts 20
# How often each kind comes round; a round is shuffled, so that none is left out for long.
ROUND = {
    "kill a bot": 2,
    "stop a bot": 1,
    "freeze a bot": 2,
    "kill the database": 1,
    "restart the database": 1,
    "freeze the database": 1,
    "fault": 20,
    "gateway": 4,
    "outage": 1,
    "demote": 2,
    "mute": 2,
    "close dms": 2,
    "leave": 1,
    "rejoin": 3,
    "late write": 8,
    "old answer": 4,
    "stray events": 6,
    "entries": 2,
    "clock step": 2,
    "freeze past the lease": 1,
}
PROCESSES = [kind for kind in ROUND if kind.split()[0] in ("kill", "stop", "freeze", "restart")]


class Blow(Struct, frozen=True, kw_only=True):
    """One piece of trouble, *at* some seconds after the start."""

    at: float
    kind: str
    seconds: float = 0.0
    where: str = ""
    number: int = 0
    fields: dict[str, Any] = {}
    name: str = ""
    """By what it is counted, where that is not its kind."""


def blows(
    random: Random, seconds: float, every: float, longest: float, kinds: Collection[str] = ROUND
) -> list[Blow]:
    """Plan the trouble of a run: one every so many seconds, each over after *longest* seconds."""
    planned: list[Blow] = []
    left: list[str] = []
    at = 2.0
    while at < seconds:
        if not left:
            left = [kind for kind, times in ROUND.items() if kind in kinds for _ in range(times)]
            random.shuffle(left)
        planned.append(_blow(random, left.pop(), at, longest))
        at += random.uniform(0.3, 1.7) * every
    return planned


def _blow(random: Random, kind: str, at: float, longest: float) -> Blow:
    if kind in FAULTS:
        return Blow(at=at, kind="fault", name=kind, fields=FAULTS[kind](random))
    if kind in GATEWAY:
        return Blow(at=at, kind="gateway", name=kind, fields=GATEWAY[kind](random))
    seconds = max(0.05, random.random() ** 2) * longest  # mostly short
    number, where = random.randrange(1000), random.choice(SERVERS)
    match kind:
        case "clock step":
            step = {"ahead": random.choice(STEPS)}
            seconds = random.uniform(1, 3) * longest  # a clock is looked at once a minute
            return Blow(at=at, kind=kind, seconds=seconds, fields=step)
        case "freeze past the lease":
            seconds = random.uniform(PAST_THE_LEASE, max(longest, PAST_THE_LEASE))
            return Blow(at=at, kind="freeze a bot", name=kind, seconds=seconds, number=number)
        case "close dms":
            return Blow(at=at, kind=kind, seconds=seconds, where=random.choice(PEOPLE))
        case "mute":
            fields = {"guild": where, "channel": random.choice(CHANNELS)}
            return Blow(at=at, kind=kind, seconds=seconds, fields=fields)
        case "leave" | "rejoin":
            fields = {"guild": where, "user": random.choice(PEOPLE)}
            return Blow(at=at, kind=kind, seconds=seconds, fields=fields, number=number)
        case "kill a bot" | "stop a bot":
            return Blow(at=at, kind=kind, seconds=min(seconds, 5.0), number=number)
        case "freeze the database":
            return Blow(at=at, kind=kind, seconds=min(seconds, 12.0))
        case _:
            return Blow(at=at, kind=kind, seconds=seconds, where=where, number=number)


def _fault(random: Random) -> dict[str, Any]:
    path, when = random.choice(ROUTES), random.choice(("before", "after"))
    fault: dict[str, Any] = {"path": path, "when": when, "times": random.randint(1, 3)}
    if path == MESSAGE_ROUTE:
        fault["method"] = "POST"
    match random.choice(("status", "status", "status", "reset", "hang", "slow", "busy")):
        case "status":
            return fault | {"status": random.choice(STATUSES)}
        case "reset":
            return fault | {"reset": True}
        case "hang":  # done, or not, and then silent for longer than anybody waits
            return fault | {"hang": random.uniform(9, 14), "status": 500, "times": 1}
        case "slow":  # done late, but while the bot still waits
            return fault | {"hang": random.uniform(0.5, 5)}
        case _ if path in (ROLE_ROUTE, MESSAGE_ROUTE):
            return fault | {"status": 429, "when": "before"}
        case _:
            return fault | {"status": 503}


def _late_write(random: Random) -> dict[str, Any]:
    """Plan a write that is carried out when nobody waits for it any more, or never."""
    path = random.choice((ROLE_ROUTE, ROLE_ROUTE, MESSAGE_ROUTE))
    methods = ("POST",) if path == MESSAGE_ROUTE else ("PUT", "DELETE")
    effect = "never" if random.random() < 0.2 else random.uniform(0.5, 18)
    fault = {"method": random.choice(methods), "path": path, "effect": effect}
    match random.choice(("given up", "given up", "error", "cut")):
        case "given up":
            return fault | {"hang": random.uniform(9, 20)}
        case "error":
            return fault | {"status": random.choice(STATUSES)}
        case _:
            return fault | {"reset": True}


def _old_answer(random: Random) -> dict[str, Any]:
    """Plan answers that show what was true when they were asked for."""
    fault = {"method": "GET", "path": random.choice(READ_ROUTES), "when": "after"}
    return fault | {"hang": random.uniform(0.5, 7), "times": random.randint(1, 3)}


def _entries(random: Random) -> dict[str, Any]:
    """Plan lines of the audit log that are late or missing."""
    fault = {"audit_log": random.choice(("lose", "delay")), "seconds": random.uniform(1, 20)}
    return fault | {"times": random.randint(1, 5)}


def _events(random: Random) -> dict[str, Any]:
    """Plan events that are lost, late or doubled."""
    return {
        "action": random.choice(("lose", "delay", "double")),
        "event": random.choice(EVENTS),
        "seconds": random.uniform(0.5, 10),
        "times": random.randint(1, 5),
    }


def _gateway(random: Random) -> dict[str, Any]:
    action = random.choice(("close", "close", "drop", "reconnect", "invalidate"))
    match action:
        case "close":
            return {"action": action, "code": random.choice((1000, 1001, 4000, 4009))}
        case "invalidate":
            return {"action": action, "resumable": random.random() < 0.5}
        case _:
            return {"action": action}


FAULTS = {
    "fault": _fault,
    "late write": _late_write,
    "old answer": _old_answer,
    "entries": _entries,
}
GATEWAY = {"gateway": _gateway, "stray events": _events}
