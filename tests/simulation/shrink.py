"""Shrinks a plan that breaks a promise to a short story that breaks it, too (delta debugging)."""

from collections.abc import Callable, Sequence

from msgspec import structs

from tests.simulation.plan import Moment, Plan


def shrink(plan: Plan, fails: Callable[[Plan], bool], *, most: int) -> Plan:
    """Drop moments of *plan* as long as the rest *fails*, in at most *most* runs."""
    left, parts = list(plan.moments), 2
    while most > 0 and len(left) > 1:
        for rest in _without_a_part(left, parts):
            most -= 1
            if fails(_with(plan, rest)):
                left, parts = rest, max(parts - 1, 2)
                break
            if most <= 0:
                break
        else:
            if parts >= len(left):
                break
            parts = min(2 * parts, len(left))
    return _with(plan, left)


def _without_a_part(moments: list[Moment], parts: int) -> list[list[Moment]]:
    size = -(-len(moments) // parts)
    starts = range(0, len(moments), size)
    return [moments[:start] + moments[start + size :] for start in starts]


def _with(plan: Plan, moments: Sequence[Moment]) -> Plan:
    """Return *plan* with only *moments*; it ends soon after the last of them."""
    end = max((moment.at + moment.seconds for moment in moments), default=0.0)
    return structs.replace(plan, moments=moments, seconds=min(plan.seconds, end + 60.0))


def story(plan: Plan) -> list[str]:
    """Tell what happens in a plan, line by line."""
    lines = []
    for moment in plan.moments:
        order = moment.order
        what = f"{moment.where} {moment.who} {moment.role} for {moment.seconds:.1f} s"
        if order is not None:
            what = f"{order.guild_id} {order.user_id} {order.role_id} {order.minutes} min"
        name = order.name if order else moment.kind
        lines.append(f"{moment.at:10.3f} {name}: {what}")
    return lines
