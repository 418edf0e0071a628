"""Receipts: puts down what came of an effect, or why and when it is tried again."""

import random

from msgspec import Struct

from boostmon.bot.discord.refusals import (
    Directly,
    Final,
    Later,
    Over,
    Passing,
    Receipt,
    Stuck,
    Verdict,
)
from boostmon.projections.effects.queue import OwedEffect, OwedEffects

SLOWEST_RETRY = 300.0
FIRST_STUCK_RETRY, STUCK_RETRY = 2.0, 600.0  # a refusal may be a passing lie


class Settled(Struct, frozen=True):
    """An effect is closed; *proof*: Discord has done it, and did not only show it as done."""

    proof: bool = False


class Again(Struct, frozen=True):
    """An effect is tried again in *seconds*; *directly*: by direct message.

    *stuck_for*: what somebody must do. Not *asked*: Discord was not asked, or nobody knows.
    """

    seconds: float
    directly: bool = False
    stuck_for: str | None = None
    asked: bool = True


async def put_down(
    owed: OwedEffects, effect: OwedEffect, verdict: Receipt | Verdict, *, tries: int = 0
) -> Again | Settled:
    """Close *effect*, or put it off and say until when.

    *tries*: how often before, in a row, what holds it up has held it or others up.
    """
    match verdict:
        case dict():
            is_proof = "confirmed" not in verdict
            await owed.close(effect, "done", verdict, in_doubt=not is_proof)
            return Settled(proof=is_proof)
        case Final(reason=reason, in_doubt=in_doubt):
            await owed.close(effect, "done", {"reason": reason}, in_doubt=in_doubt)
            return Settled()
        case Stuck(remedy=remedy):
            seconds = _jittered(min(FIRST_STUCK_RETRY * 2.0**tries, STUCK_RETRY))
            await owed.postpone(effect, stuck=True, seconds=seconds, why=remedy, in_doubt=False)
            return Again(seconds, stuck_for=remedy)
        case Passing(why=why, in_doubt=in_doubt):
            seconds = _jittered(min(2.0**effect.attempts, SLOWEST_RETRY))
            await owed.postpone(effect, stuck=False, seconds=seconds, why=why, in_doubt=in_doubt)
            return Again(seconds)
        case Later(seconds=seconds):
            return Again(seconds, asked=False)
        case Over():
            await owed.close(effect, "superseded")
            return Settled()
        case Directly(why=why):
            await owed.postpone(effect, stuck=False, seconds=0, why=why, in_doubt=False)
            return Again(0.0, directly=True)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
