"""Decides which of three clocks is followed, as each may be wrong: values in, values out.

What a clock says is kept as an offset: the milliseconds by which it is ahead of this machine's
monotonic clock, so that it goes on by itself, and a jump shows.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Literal

from msgspec import Struct

Name = Literal["database", "host", "discord"]
NAMES: tuple[Name, ...] = ("database", "host", "discord")  # those on the left are followed first
AGREES = 5_000.0  # milliseconds between two clocks that agree
JUMP = 1_000.0  # milliseconds; what a clock does not gain or lose between two looks at it
VAGUE = 10_000.0  # milliseconds; an answer that leaves more room tells no time
TOGETHER = 1_000.0  # milliseconds between two steps that are one
HOLD = 600.0  # seconds that are waited for two clocks to agree

Offsets = Mapping[Name, float]


class Bounds(Struct, frozen=True):
    """Between which two offsets a clock is, as far as what was heard of it tells."""

    low: float
    high: float

    @property
    def middle(self) -> float:
        """The best guess."""
        return (self.low + self.high) / 2

    def narrowed(self, newer: "Bounds") -> "Bounds":
        """Return what both tell; if they contradict each other, what the *newer* ones tell."""
        low, high = max(self.low, newer.low), min(self.high, newer.high)
        return Bounds(low, high) if low <= high else newer


class Heard(Struct, frozen=True, kw_only=True):
    """What Discord has said of its clock: in answers, and by the ids that it makes."""

    dated: Bounds | None = None
    by_id: Bounds | None = None

    @property
    def offset(self) -> float | None:
        """The best guess; None when nothing was heard."""
        known = self.dated or self.by_id
        return None if known is None else known.middle

    def answer(self, second: int, *, sent: float, received: float) -> "Heard":
        """Take in an answer that says it was *second*, in seconds since 1970.

        The question was *sent*, and the answer *received*, on the monotonic clock, in seconds.
        """
        told = Bounds((second - received) * 1000, (second + 1 - sent) * 1000)
        if told.high - told.low > VAGUE:
            return self
        dated = told if self.dated is None else self.dated.narrowed(told)
        return Heard(dated=dated, by_id=self.by_id)

    def id_made(self, moment: int, *, received: float) -> "Heard":
        """Take in an id made at *moment*, in epoch milliseconds, and *received* some time later.

        However late it came, Discord's clock is not behind it. Where answers carry no date, it is
        taken to have come at once unless one before it came sooner.
        """
        low = moment - received * 1000
        if self.by_id is not None and low <= self.by_id.high:
            by_id = Bounds(max(low, self.by_id.low), self.by_id.high)
        else:
            by_id = Bounds(low, low + JUMP)
        return Heard(dated=self.dated, by_id=by_id)

    @property
    def is_consistent(self) -> bool:
        """Whether no id is of a time that is yet to come by the dates of the answers."""
        if self.dated is None or self.by_id is None:
            return True
        return self.by_id.low <= self.dated.high + AGREES


class Judgement(Struct, frozen=True, kw_only=True):
    """What is made of the *clocks*: whose time is *followed*, None while that is in doubt.

    *offset* is that of timer time. *doubted_since*: since when no two clocks agree, in seconds of
    the monotonic clock; None when two do, or when there is nobody to contradict the only one.
    """

    clocks: Offsets
    followed: Name | None
    offset: float
    doubted_since: float | None = None

    def ahead(self, name: Name) -> float:
        """Tell by how many seconds a clock is ahead of timer time."""
        return (self.clocks[name] - self.offset) / 1000


def judge(
    clocks: Offsets, *, one_witness: bool, now: float, before: Judgement | None = None
) -> Judgement:
    """Decide whose time to follow at *now*; *before* is what was decided last.

    *one_witness*: the clocks of the database and of this host are the same, so that the one does
    not bear the other out. While no two clocks agree nothing is followed, for `HOLD` seconds; then
    Discord's is. Timer time goes on from *before* meanwhile.
    """
    followed = _agreed(clocks, one_witness=one_witness)
    if followed is None and not _is_contradicted(clocks, one_witness=one_witness, before=before):
        followed = "database"
    if followed is not None:
        return Judgement(clocks=clocks, followed=followed, offset=clocks[followed])
    since = now if before is None or before.doubted_since is None else before.doubted_since
    if now - since >= HOLD:
        followed = _last_resort(clocks, one_witness=one_witness)
    guess = clocks.get("discord", clocks["database"]) if before is None else before.offset
    offset = guess if followed is None else clocks[followed]
    return Judgement(clocks=clocks, followed=followed, offset=offset, doubted_since=since)


def stepped_together(before: Offsets, after: Offsets) -> bool:
    """Tell whether the database's clock and this host's have made the same step: they are one."""
    database, host = (after[name] - before[name] for name in ("database", "host"))
    return abs(database) > AGREES and abs(database - host) <= TOGETHER


def _agree(clocks: Offsets, one: Name, other: Name) -> bool:
    return abs(clocks[one] - clocks[other]) <= AGREES


def _agreed(clocks: Offsets, *, one_witness: bool) -> Name | None:
    """Return the first clock that another one bears out."""
    for pair in combinations([name for name in NAMES if name in clocks], 2):
        same = one_witness and pair == ("database", "host")
        if not same and _agree(clocks, *pair):
            return pair[0]
    return None


def _is_contradicted(clocks: Offsets, *, one_witness: bool, before: Judgement | None) -> bool:
    """Tell whether there is somebody, or an earlier time, to contradict the database's clock."""
    alone = one_witness and "discord" not in clocks and _agree(clocks, "database", "host")
    if not alone:
        return True
    return before is not None and abs(clocks["database"] - before.offset) > AGREES


def _last_resort(clocks: Offsets, *, one_witness: bool) -> Name | None:
    """Return whom to follow although nobody bears it out; None: the doubt stays."""
    if "discord" in clocks:
        return "discord"
    return "database" if one_witness and _agree(clocks, "database", "host") else None
