"""`python -m boostmon.sandbox [--port N]`."""

import argparse
import asyncio
import contextlib
import sys

from boostmon.sandbox.server import serve


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="boostmon.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    options = parser.parse_args()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(options.port))
    except OSError as error:
        sys.exit(f"Port {options.port} is not free: {error.strerror}. Choose another --port.")


main()
