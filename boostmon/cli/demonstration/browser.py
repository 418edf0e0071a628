"""Opens the demonstration's page, where there is somebody to see it."""

import os
import sys
import threading
import webbrowser
from collections.abc import Callable

SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")


def open_page(url: str, complain: Callable[[str], None]) -> None:
    """Show *url* in the default browser; *complain*, from a thread, when there is none.

    Returns at once: some browsers keep their caller until they are closed.
    """
    threading.Thread(target=_open, args=(url, complain), daemon=True).start()


def _open(url: str, complain: Callable[[str], None]) -> None:
    try:
        is_open = _has_window() and webbrowser.open(url)
    except (OSError, webbrowser.Error):
        is_open = False
    if not is_open:
        complain("No browser could be opened; the address is above.")


def _has_window() -> bool:
    """Tell whether the browser has a window, and does not take the terminal that tells the story.

    Which one `BROWSER` names is a person's own choice.
    """
    if os.environ.get("BROWSER"):
        return True
    if sys.platform != "darwin" and not any(os.environ.get(name) for name in SCREENS):
        return False
    browser = webbrowser.get()
    in_terminal = isinstance(browser, webbrowser.GenericBrowser)
    return not in_terminal or isinstance(browser, webbrowser.BackgroundBrowser)
