"""`python -m boostmon.sandbox [--port N]`."""

import argparse
import asyncio
import contextlib
import signal
import sys

from boostmon.sandbox.server import serve


async def _serve(port: int) -> None:
    """Serve until the program is told to end."""
    serving = asyncio.ensure_future(serve(port))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="boostmon.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    options = parser.parse_args()
    try:
        asyncio.run(_serve(options.port))
    except OSError as error:
        sys.exit(f"Port {options.port} is not free: {error.strerror}. Choose another --port.")


main()
