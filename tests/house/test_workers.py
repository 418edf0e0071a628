"""How the tests are shared out among the workers of pytest-xdist."""

import pytest


@pytest.mark.xdist_group("browser")
def test_tests_of_a_group_stay_together(request: pytest.FixtureRequest) -> None:
    """Else each worker starts a browser and a demo of its own, and they disturb each other."""
    grouped = request.config.getoption("loadgroup", default=False)
    assert grouped is request.node.nodeid.endswith("@browser")
