"""When the demonstration opens its page in a browser, and what it says when it cannot."""

import threading
import webbrowser
from collections.abc import Callable

import pytest

from boostmon.cli.demonstration.browser import SCREENS, open_page

URL = "http://127.0.0.1:1/"


class Opened:
    """What came of opening a page: the addresses shown, and the complaint if there is one."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.complaint = ""
        self._complained = threading.Event()

    def complain(self, text: str) -> None:
        self.complaint = text
        self._complained.set()

    def wait_for_complaint(self) -> str:
        assert self._complained.wait(10)
        return self.complaint


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """Stand for a machine without a screen."""
    made = Opened()
    for name in (*SCREENS, "BROWSER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(webbrowser, "open", _showing(made.shown.append))
    return made


def _showing(show: Callable[[str], None]) -> Callable[[str], bool]:
    def shown(url: str) -> bool:
        show(url)
        return True

    return shown


def test_without_a_screen_it_says_where_the_address_is(opened: Opened) -> None:
    open_page(URL, opened.complain)

    assert opened.wait_for_complaint() == "No browser could be opened; the address is above."
    assert [] == opened.shown


def test_a_browser_that_would_take_the_terminal_is_not_opened(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser("lynx"))
    open_page(URL, opened.complain)

    assert opened.wait_for_complaint()
    assert [] == opened.shown


@pytest.mark.parametrize("error", [OSError(), webbrowser.Error()])
def test_a_browser_that_fails_is_one_line(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(_: str) -> bool:
        raise error

    monkeypatch.setenv("BROWSER", "broken")
    monkeypatch.setattr(webbrowser, "open", fail)
    open_page(URL, opened.complain)

    assert opened.wait_for_complaint()


def test_a_browser_with_a_window_shows_the_page_and_keeps_nobody(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, closed = threading.Event(), threading.Event()

    def show(_: str) -> None:
        shown.set()
        assert closed.wait(10)

    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.BackgroundBrowser("firefox"))
    monkeypatch.setattr(webbrowser, "open", _showing(show))
    open_page(URL, opened.complain)

    assert shown.wait(10)  # it is open, and we are here
    closed.set()
    assert "" == opened.complaint
