"""The statements that change effects, the lease and channels, over the tables in memory."""

from collections.abc import Sequence
from typing import Any

import msgspec

from tests.simulation.reading_twins import Rows
from tests.simulation.tables import Key, Tables, moment

EFFECTS, LOG = "boostmon_effects", "boostmon_log"


def attempt_effect(tables: Tables, *given: Any) -> Rows:
    """Note that an effect is attempted."""
    position, kind, role_name, look = given
    effect = tables.open.get((position, kind))
    if effect is None:
        return []
    effect.attempts += 1
    effect.attempted_at = tables.clock()
    effect.receipt = {"role_name": role_name}
    tables.doubt(effect, None if look is None else tables.clock() + look, 0)
    return [{"position": position}]


def close_effect(tables: Tables, *given: Any) -> Rows:
    """Close an effect."""
    position, kind, state, document, look_again_at, looks, look = given
    effect = tables.open.get((position, kind))
    if effect is None:
        return []
    receipt, attempted_at = document and msgspec.json.decode(document), effect.attempted_at
    if receipt is not None and kind != "notice" and attempted_at is not None:
        receipt["asked_at"] = moment(attempted_at).isoformat()
    tables.settle(effect, state)
    effect.receipt = receipt
    earlier = look_again_at and look_again_at.timestamp()
    tables.doubt(effect, *((earlier, looks) if look is None else (tables.clock() + look, 0)))
    tables.notify(EFFECTS, str(position))
    return [{"pg_notify": ""}]


def postpone_effect(tables: Tables, *given: Any) -> Rows:
    """Put an effect off."""
    position, kind, state, seconds, why, in_doubt, look_again_at, looks, attempts = given
    effect = tables.open.get((position, kind))
    if effect is None:
        return []
    effect.state, effect.due_at, effect.last_error = state, tables.clock() + seconds, why
    if not in_doubt:
        if effect.attempts != attempts:
            effect.attempted_at = None
        tables.doubt(effect, look_again_at and look_again_at.timestamp(), looks)
    tables.notify(EFFECTS, str(position))
    return [{"pg_notify": ""}]


def supersede_effects(tables: Tables, positions: Sequence[int], kinds: Sequence[str]) -> Rows:
    """Close effects that are not true any more."""
    keys: list[Key] = [key for key in zip(positions, kinds, strict=True) if key in tables.open]
    for key in keys:
        effect = tables.open[key]
        tables.doubt(effect, tables.doubted(effect), effect.looks)
        tables.settle(effect, "superseded")
        tables.notify(EFFECTS, str(key[0]))
    return [{"pg_notify": ""} for _ in keys]


def hold_effects(tables: Tables, *given: Any) -> Rows:
    """Keep effects that are not tried."""
    positions, kinds, state, why, seconds = given
    for key in zip(positions, kinds, strict=True):
        effect = tables.open.get(key)
        if effect is not None:
            effect.state, effect.last_error = state, why
            if seconds is not None:
                effect.due_at = tables.clock() + seconds
    return []


def close_effects(tables: Tables, *given: Any) -> Rows:
    """Close effects of which nothing can come."""
    positions, kinds, reason = given
    keys: list[Key] = [key for key in zip(positions, kinds, strict=True) if key in tables.open]
    for key in keys:
        effect = tables.open[key]
        tables.doubt(effect, None, effect.looks)
        tables.settle(effect, "done")
        effect.receipt = {"reason": reason}
        tables.notify(EFFECTS, str(key[0]))
    return [{"pg_notify": ""} for _ in keys]


def take_opening(tables: Tables, limit: int, seconds: float) -> Rows:
    """Count the opening of a channel, unless there were too many."""
    now = tables.clock()
    asked_at = [min(at, now) for at in tables.openings_asked_at]
    waits = [0.0, tables.openings_closed_until - now]
    if len(asked_at) >= limit:
        waits.append(seconds - (now - asked_at[limit - 1]))
    wait = max(waits)
    tables.openings_asked_at = asked_at if wait else [now, *asked_at][:limit]
    return [{"seconds": wait}]


def close_openings(tables: Tables, seconds: float) -> Rows:
    """Open no channel for a while."""
    tables.openings_closed_until = tables.clock() + seconds
    return []


def tell_put_off(tables: Tables, positions: Sequence[int]) -> Rows:
    """Tell that effects are put off."""
    for position in positions:
        tables.notify(EFFECTS, f"{position} later")
    return [{"pg_notify": ""} for _ in positions]


def close_old_notices(tables: Tables, guild_id: str, before: int) -> Rows:
    """Close the notices that were decided before a moment of timer time."""
    for effect in list(tables.open.values()):
        event = tables.events[effect.position - 1]
        old = msgspec.json.decode(event.data)["at"] < before
        if effect.kind == "notice" and effect.stream.guild_id == guild_id and old:
            doubt = "" if effect.attempted_at is None else "an attempt may have sent it; "
            tables.settle(effect, "done")
            effect.receipt = {"reason": f"{doubt}more than an hour old when BoostMon was back"}
    return []


def hasten_effects(tables: Tables, guild_id: str) -> Rows:
    """Have everything tried again now."""
    for effect in tables.open.values():
        if effect.stream.guild_id == guild_id:
            effect.due_at = tables.clock()
    return []


def claim_lease(tables: Tables, *given: Any) -> Rows:
    """Give the lease to who may have it."""
    _, holder, seconds, writing, _ = given  # of one application: there is no other
    lease = tables.lease
    if lease.holder != holder and str(lease.writing) != writing:
        return []
    lease.write(holder, tables.clock() + seconds)
    return [{"name": "relay"}]


def release_lease(tables: Tables, _: str, holder: str, seconds: float) -> Rows:
    """Let go of the lease."""
    if tables.lease.holder == holder:
        tables.lease.write(None, tables.clock() + seconds)
    return []


def note_direct_channel(tables: Tables, user_id: str, channel_id: str) -> Rows:
    """Remember a channel."""
    if user_id in tables.people:
        tables.direct_channels[user_id] = channel_id
    return []
