"""The oracle: what was promised, held against what the log, people and Discord have seen."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from boostmon.bot.discord.refusals import INVITE
from boostmon.bot.wording import replies
from tests.simulation.tables import OPEN

if TYPE_CHECKING:
    from tests.simulation.universe import Universe


CARDS = "Timed Role "  # how the titles of outcomes begin


class Violation(Struct, frozen=True):
    """A broken promise: something *lost*, something done *twice*, or else *wrong*."""

    kind: str
    text: str


def kind_of(violation: Violation) -> tuple[str, str]:
    """Return what two runs have in common that break the same promise: no ids, no times."""
    return violation.kind, re.sub(r"\d+(\.\d+)?", "", violation.text)


def judge(universe: "Universe") -> list[Violation]:
    """Return every promise that was broken."""
    from tests.simulation import oracle_lives, oracle_notices, oracle_roles  # noqa: PLC0415

    checks = (
        _crashes,
        _limits,
        _speakers,
        _commands,
        _owed,
        oracle_roles.roles,
        oracle_lives.ends,
        oracle_notices.notices,
    )
    return [violation for check in checks for violation in check(universe)]


def _crashes(universe: "Universe") -> Iterator[Violation]:
    for crash in universe.book.crashes:
        yield Violation("wrong", f"a surprise: {crash}")


def _limits(universe: "Universe") -> Iterator[Violation]:
    for at, request in universe.wire.too_fast:
        said = f"{request.by} asked too fast at {at:.3f}: {request.method} {request.place}"
        yield Violation("wrong", said)


def _speakers(universe: "Universe") -> Iterator[Violation]:
    for at, request in universe.wire.unasked[:10]:
        said = f"{request.by} wrote at {at:.3f} without the lease: {request.method} {request.place}"
        yield Violation("wrong", said)
    for place, given_at, taken_at in universe.gifts.taken:
        said = f"{place} was given at {given_at:.3f} after the end, and taken at {taken_at:.3f}"
        yield Violation("wrong", said)


def _commands(universe: "Universe") -> Iterator[Violation]:
    tables, book = universe.server.tables, universe.book
    slash = [event for event in tables.events if event.source == "slash"]
    found = Counter(event.command_id for event in slash if not event.ordinal)
    for command_id, word in book.words.items():
        times = found.pop(command_id, 0)
        if word.handled and any(handled.events for handled in word.handled) and not times:
            yield Violation("lost", f"{word.order.name} {command_id} was acknowledged")
        if word.refused and not word.handled and times:
            yield Violation("wrong", f"{word.order.name} {command_id} was refused, and is recorded")
        if times > 1:
            yield Violation("twice", f"{word.order.name} {command_id} counts {times} times")
        once = len(word.served_at) == 1  # of two processes that are asked one may have recorded it
        if once and replies.NOTHING_RECORDED in word.said and times:
            yield Violation("wrong", f"{word.order.name} {command_id} was said not to be recorded")
        if not word.handled and any(said.startswith(CARDS) for said in word.said):
            yield Violation(
                "lost", f"{word.order.name} {command_id} was shown, and not carried out"
            )
        if len({handled.events for handled in word.handled}) > 1:
            yield Violation("twice", f"{word.order.name} {command_id} has done two things")
    for command_id in found:
        yield Violation("wrong", f"nobody gave the command {command_id}")


def _owed(universe: "Universe") -> Iterator[Violation]:
    for effect in universe.server.tables.open.values():
        assert effect.state in OPEN
        guild = universe.discord.guilds[effect.stream.guild_id]
        if effect.last_error == INVITE and not guild.present:
            continue
        yield Violation(
            "lost",
            f"{effect.kind} of event {effect.position} is still {effect.state} after "
            f"{effect.attempts} attempts: {effect.last_error}",
        )
