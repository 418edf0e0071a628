"""Runs checks one after the other; whatever becomes of one, the next one is run."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog
from msgspec import Struct

from boostmon.errors import BoostmonError
from boostmon.finding import Area, Finding, red, red_for

PATIENCE = 10.0  # seconds
REPORT = "Report it, with what `BOOSTMON_LOG_LEVEL=debug boostmon doctor` prints."

Question = Callable[[], Awaitable[Sequence[Finding]]]

log = structlog.get_logger()


class Check(Struct, frozen=True, kw_only=True):
    """One question; *what* is looked at, and *remedy* is for when there is no answer in time."""

    area: Area
    what: str
    ask: Question
    remedy: str
    patience: float = PATIENCE


async def examine(checks: Iterable[Check]) -> list[Finding]:
    """Ask every question, and return all that was found, in the same order."""
    return [finding for check in checks for finding in await _answers(check)]


async def _answers(check: Check) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(check.patience):
            return await check.ask()
    except BoostmonError as error:
        return [red_for(check.area, error, check.remedy)]
    except TimeoutError:
        found = f"Looking at {check.what} took longer than {check.patience:g} s."
        return [red(check.area, found, check.remedy)]
    except Exception as error:  # it must not keep the others from being asked
        log.debug("check failed", what=check.what, exc_info=True)
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        return [red(check.area, f"Looking at {check.what} failed ({reason}).", REPORT)]
