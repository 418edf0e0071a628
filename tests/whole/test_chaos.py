"""A short run of the chaos driver; `make soak` has the long one."""

from tests.chaos.driver import run, short
from tests.support.databases import world_folder

SEED = 20


async def test_nothing_is_lost_and_nothing_comes_twice() -> None:
    with world_folder() as folder:
        summary = await run(short(SEED), folder)
        assert [] == summary.violations
    assert summary.acknowledged > 5
    assert summary.events["Expired"] > 5
    assert summary.notices > 5
    assert sum(summary.troubles.values()) > 10
    assert {"late write", "stray events", "rejoin"} <= summary.troubles.keys()
