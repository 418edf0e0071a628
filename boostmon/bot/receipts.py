"""What came of an effect, put down: its receipt, or why and when it is tried again."""

import random

from msgspec import Struct

from boostmon.bot.notices import Receipt
from boostmon.bot.refusals import Directly, Final, Later, Passing, Stuck, Verdict
from boostmon.projections.owed import OwedEffect, OwedEffects

SLOWEST_RETRY = 300.0
STUCK_RETRY = 600.0


class Again(Struct, frozen=True):
    """An effect is tried again in *seconds*; *directly*: by direct message."""

    seconds: float
    directly: bool = False


async def put_down(
    owed: OwedEffects, effect: OwedEffect, verdict: Receipt | Verdict
) -> Again | None:
    """Close *effect*, or put it off and say until when."""
    match verdict:
        case dict():
            await owed.close(effect, "done", verdict)
            return None
        case Final(reason=reason):
            await owed.close(effect, "done", {"reason": reason})
            return None
        case Stuck(remedy=remedy):
            seconds = _jittered(STUCK_RETRY)
            await owed.postpone(effect, stuck=True, seconds=seconds, why=remedy, in_doubt=False)
            return Again(seconds)
        case Passing(why=why, in_doubt=in_doubt):
            seconds = _jittered(min(2.0**effect.attempts, SLOWEST_RETRY))
            await owed.postpone(effect, stuck=False, seconds=seconds, why=why, in_doubt=in_doubt)
            return Again(seconds)
        case Later(seconds=seconds):
            return Again(seconds)
        case Directly(why=why):
            await owed.postpone(effect, stuck=False, seconds=0, why=why, in_doubt=False)
            return Again(0.0, directly=True)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
