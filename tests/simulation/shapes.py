"""How much happens in a run, and what goes wrong in it."""

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
KIND = Shape(seconds=3600.0, pause=8.0, trouble_every=1e9, round={"chatter": 1})
USUAL = Shape(seconds=4 * 3600.0, pause=20.0, trouble_every=20.0, round=ROUND)
