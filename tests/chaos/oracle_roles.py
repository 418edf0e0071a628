"""The oracle of roles: who holds what at last, and that no change came before its event."""

import re
from collections import Counter
from collections.abc import Iterator

from tests.chaos.evidence import Evidence, Timer
from tests.chaos.violation import Violation
from tests.chaos.world import members

ENDINGS = ("Expired", "Cleared")
STARTS = ("TimerSet",)
GIVING = ("TimerSet", "TimeAdded", "Resumed")
ROLES_CHANGED = 25  # resources/audit-log, "Audit Log Events": MEMBER_ROLE_UPDATE
EPOCH_MS = 1_420_070_400_000  # of snowflakes; reference, "Snowflakes"
ROLE_OF_MEMBER = re.compile(r"/guilds/(\d+)/members/(\d+)/roles/(\d+)")


def held_roles(evidence: Evidence) -> Iterator[Violation]:
    """Who has a timer that runs holds its role, and nobody else whom nobody else gave it."""
    held = members(evidence.state)
    runs: dict[Timer, bool] = {}
    ended: dict[Timer, float] = {}
    for event in evidence.events:
        if event.type in (*STARTS, *ENDINGS):
            runs[event.timer] = event.type in STARTS
            ended[event.timer] = evidence.at(event)
    for timer, running in runs.items():
        has = timer[2] in held.get(timer[:2], set())
        if running and not has:
            yield Violation("lost", f"the timer {timer} runs, and the role is gone")
        elif has and not running and evidence.given.get(timer, 0.0) < ended[timer]:
            yield Violation("lost", f"the timer {timer} has ended, and the role is there")


def ended_by_nobody(evidence: Evidence) -> Iterator[Violation]:
    """No timer ends for what Discord did: nobody takes or deletes a role by hand here."""
    for event in evidence.events:
        if event.source == "discord":
            said = f"{event.type} of {event.timer} at {event.position}: nobody in Discord did that"
            yield Violation("lost", said)


def role_changes(evidence: Evidence) -> Iterator[Violation]:
    """Each change of a role in Discord needs an event of its own that was there before it.

    That does not hold for what follows when a member has left, or a write came late: then the bot
    gives again, or takes again, what it has given or taken before.
    """
    reasons: dict[tuple[Timer, str], list[float]] = {}
    for event in evidence.events:
        change = "$add" if event.type in GIVING else "$remove" if event.type in ENDINGS else ""
        reasons.setdefault((event.timer, change), []).append(evidence.at(event))
    late = _written_late(evidence)
    done = Counter[tuple[Timer, str]]()
    for timer, change, at in sorted(_changed(evidence), key=lambda changed: changed[-1]):
        own = min(evidence.left.get(timer[:2], at), late.get(timer, at))
        if own < at:
            continue
        done[timer, change] += 1
        before = sum(reason <= at + 0.001 for reason in reasons.get((timer, change), ()))
        if done[timer, change] > before:
            yield Violation("wrong", f"{change} of {timer} at {at} came before its event")


def made_at(snowflake: str) -> float:
    """Return when something was made in Discord, in seconds since 1970."""
    return ((int(snowflake) >> 22) + EPOCH_MS) / 1000


def _changed(evidence: Evidence) -> list[tuple[Timer, str, float]]:
    return [
        ((guild["id"], entry["target_id"], role["id"]), change["key"], made_at(entry["id"]))
        for guild in evidence.state["guilds"]
        for entry in guild["audit_log"]
        if entry["action_type"] == ROLES_CHANGED and entry["user_id"] == evidence.bot_id
        for change in entry["changes"]
        for role in change["new_value"]
    ]


def _written_late(evidence: Evidence) -> dict[Timer, float]:
    """Return since when each timer's role may have been changed by a write that came late."""
    late: dict[Timer, float] = {}
    for entry in evidence.state["requests"]:
        found = ROLE_OF_MEMBER.fullmatch(entry["path"])
        if found and "late" in entry:
            timer = found[1], found[2], found[3]
            late[timer] = min(entry["at_ms"] / 1000, late.get(timer, float("inf")))
    return late
