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
        is_open = _has_screen() and webbrowser.open(url)
    except (OSError, webbrowser.Error):
        is_open = False
    if not is_open:
        complain("No browser could be opened; the address is above.")


def _has_screen() -> bool:
    """Tell whether a browser would have a window, and not take the terminal."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in SCREENS)
