"""`boostmon`, which is `python -m boostmon`, too: it can be stopped from the first moment."""

import os
import signal
import sys
from importlib import import_module

GOING_ON = {"run", "demo", "sandbox"}


def main() -> None:
    """Run the command line; a command that goes on and on is stopped even while it loads."""
    if GOING_ON.intersection(sys.argv[1:]):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _stop_at_once)
    import_module("boostmon.cli").main()


def _stop_at_once(*_: object) -> None:
    os._exit(0)  # nothing was begun yet


if __name__ == "__main__":
    main()
