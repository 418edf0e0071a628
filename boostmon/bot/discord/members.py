"""Members and their roles as Discord shows them: by a reading, and by its audit log."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from disnake.utils import snowflake_time
from msgspec import Struct

MEMBER_ROLE_UPDATE = 25  # resources/audit-log, "Audit Log Events"


class Membership(Struct, frozen=True):
    """Which roles a member holds, and since when they are one; a guest has no such moment."""

    roles: frozenset[str]
    joined_at: datetime | None


class RoleEntry(Struct, frozen=True):
    """A line of the audit log: at *at* the user *actor_id* gave and took roles of *target_id*."""

    at: datetime
    actor_id: str
    target_id: str
    given: frozenset[str]
    taken: frozenset[str]


def role_entry(entry: Mapping[str, Any]) -> RoleEntry | None:
    """Read an entry of Discord's; None when it is about something else."""
    if int(entry["action_type"]) != MEMBER_ROLE_UPDATE or not entry.get("user_id"):
        return None
    roles = {"$add": frozenset[str](), "$remove": frozenset[str]()}
    for change in entry.get("changes") or ():
        if change["key"] in roles:
            roles[change["key"]] |= {str(role["id"]) for role in change.get("new_value") or ()}
    return RoleEntry(
        at=snowflake_time(int(entry["id"])),
        actor_id=str(entry["user_id"]),
        target_id=str(entry["target_id"]),
        given=roles["$add"],
        taken=roles["$remove"],
    )
