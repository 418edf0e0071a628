"""How the tests are shared out among the workers of pytest-xdist."""

import os

import pytest


@pytest.mark.xdist_group("browser")
def test_tests_of_a_group_stay_together(request: pytest.FixtureRequest) -> None:
    """Else each worker starts a browser and a demo of its own, and they disturb each other."""
    is_worker = "PYTEST_XDIST_WORKER" in os.environ
    assert is_worker is request.node.nodeid.endswith("@browser")
