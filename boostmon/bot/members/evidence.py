"""Evidence: decides by one table what a reading of a member means for a timed role.

Absence is no proof. What Discord shows is one moment: a write may still be on its way, an answer
may be old. A timer ends for what Discord did only on positive evidence.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec import Struct

from boostmon.bot.discord.members import Membership, RoleEntry
from boostmon.projections.effects.kinds import TAKE_ROLE
from boostmon.projections.effects.standings import Found, RoleChange, Standing


class Agrees(Struct, frozen=True):
    """Discord shows what the log wants, or is about to."""


class Held(Struct, frozen=True):
    """The role of an imported timer is held: that is noted as the receipt of a give."""


class Left(Struct, frozen=True):
    """A role was lost by leaving, before *change* could take it: so it is done."""

    change: RoleChange


class Owe(Struct, frozen=True):
    """An imported timer's member has left and come back since: the role is owed for once."""

    found: Found = "left_and_returned"


class Unheld(Struct, frozen=True):
    """The role of an imported timer is not held: somebody must look at it."""


class Reopen(Struct, frozen=True):
    """A *change* is owed again, for what was *found*."""

    change: RoleChange
    found: Found


class Missing(Struct, frozen=True):
    """A role is missing whose give was confirmed before: who took it is to be found out."""

    given: RoleChange


Conclusion = Agrees | Held | Left | Owe | Unheld | Reopen | Missing


def conclude(standing: Standing, seen: Membership) -> Conclusion:
    """Say what it means that a member was *seen* so.

    *standing* was read before Discord was asked, and has not changed since. `docs/architecture.md`
    has the table.
    """
    held = standing.timer.role_id in seen.roles
    if standing.is_open:
        return Agrees()
    if standing.wanted == held:
        return _in_agreement(standing, seen)
    if not standing.wanted:
        return _after_the_end(standing)
    given = standing.given
    if given is None:
        return Owe() if _older(standing.begun_at, seen.joined_at) else Unheld()
    if standing.in_doubt or given.unfulfilled:
        return Reopen(given, "not_held")
    if _older(given.given_after, seen.joined_at):
        return Reopen(given, "left_and_returned")
    return Missing(given)


def _in_agreement(standing: Standing, seen: Membership) -> Agrees | Held | Left:
    """Note what is seen for the first time to be so.

    Who joined after Discord knew no such member had left indeed, which ends that doubt.
    """
    change = standing.change
    if standing.wanted:
        return Held() if standing.given is None else Agrees()
    left = change is not None and change.kind == TAKE_ROLE and change.state == "done"
    if change is None or not left or not change.unfulfilled:
        return Agrees()
    is_back = _older(change.given_before, seen.joined_at)
    return Left(change) if is_back or not standing.in_doubt else Agrees()


def _after_the_end(standing: Standing) -> Agrees | Reopen:
    """Take again what was not surely taken; what somebody else gave stays."""
    taken = standing.change
    if taken is None or taken.kind != TAKE_ROLE:
        return Agrees()
    return Reopen(taken, "held_after_end") if standing.in_doubt or taken.unfulfilled else Agrees()


def _older(moment: datetime | None, joined_at: datetime | None) -> bool:
    """Tell whether a *moment* is from before the member joined: leaving has undone a give of it."""
    return moment is not None and joined_at is not None and moment < joined_at


def taken_by(
    entries: Iterable[RoleEntry], *, user_id: str, role_id: str, since: datetime | None
) -> str | None:
    """Return who took a role from a member, by the newest entry after *since* about it.

    None: no entry tells, which proves nothing; entries may be late or missing.
    """
    about = newest_about(entries, user_id=user_id, role_id=role_id)
    if about is None or role_id not in about.taken or (since is not None and about.at <= since):
        return None
    return about.actor_id


def given_by(
    entries: Iterable[RoleEntry], *, user_id: str, role_id: str, since: datetime | None
) -> str | None:
    """Return who gave a role to a member, by the newest entry after *since* about it."""
    about = newest_about(entries, user_id=user_id, role_id=role_id)
    if about is None or role_id not in about.given or (since is not None and about.at <= since):
        return None
    return about.actor_id


def newest_about(entries: Iterable[RoleEntry], *, user_id: str, role_id: str) -> RoleEntry | None:
    """Return the newest of *entries* about a role of a member."""
    about: Sequence[RoleEntry] = [
        entry
        for entry in entries
        if entry.target_id == user_id and role_id in entry.given | entry.taken
    ]
    return max(about, key=lambda entry: entry.at, default=None)
