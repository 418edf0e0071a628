"""How much happens in a run, and what goes wrong in it."""

from msgspec import structs

from tests.simulation.plan import Shape

# How often each kind comes round; a round is shuffled, so that none is left out for long.
ROUND = {
    "kill": 3,
    "stop": 1,
    "freeze": 2,
    "suspend": 1,
    "database away": 2,
    "database silent": 1,
    "database losing": 2,
    "database slow": 2,
    "hints lost": 2,
    "weather": 12,
    "discord down": 1,
    "outage": 1,
    "demote": 2,
    "mute": 2,
    "close dms": 2,
    "chatter": 3,
}
LATE = {"late weather": 6, "news weather": 6, "leave": 4, "leave and get a role": 4} | {
    "set and cleared in fog": 3,
    "cleared and set in fog": 3,
}
BY_HAND = {
    "taken by hand": 8,
    "given by hand": 6,
    "audit log dawdles": 2,
    "audit log forbidden": 1,
    "uninvite": 1,
    "taken and set again": 4,
}
CLOCKS = {"clock steps": 3}
KIND = Shape(seconds=3600.0, pause=5.0, trouble_every=1e9, round={"chatter": 1})
ALL = Shape(
    seconds=4100.0,
    pause=6.5,
    trouble_every=9.0,
    late=True,
    round=ROUND | LATE | BY_HAND | CLOCKS,
)

WIDE = structs.replace(
    ALL,
    seconds=3400.0,
    round=ALL.round | {"many taken": 1, "held back decided": 2, "role deleted": 1},
    wide=True,
)

# For each bug that can be planted a short run in which it soon does harm.
NARROW = Shape(seconds=600.0, pause=6.0, trouble_every=5.0, late=True, round={})
FOG = {"set and cleared in fog": 3, "cleared and set in fog": 3}
FINDING = {
    "old-absence": structs.replace(
        NARROW, seconds=300.0, round={"taken and set again": 3, "leave and get a role": 1}
    ),
    "doubt-forgotten": structs.replace(NARROW, round=FOG | {"late weather": 1}),
    "superseded-doubt": structs.replace(NARROW, round=FOG),
    "lease-ignored": structs.replace(
        NARROW,
        trouble_every=12.0,
        round={"freeze": 2, "suspend": 1},
    ),
    "clock-believed": structs.replace(NARROW, seconds=400.0, round={"clock steps": 1}),
    "lease-by-its-time": structs.replace(
        NARROW, seconds=400.0, pause=12.0, round={"clock steps": 1}
    ),
    "gift-taken": structs.replace(NARROW, round={"given by hand": 1}),
    "nonce-dropped": structs.replace(NARROW, seconds=300.0, round={"weather": 1}),
}
