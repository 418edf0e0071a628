"""Takes note of what the bot logs as an exception: nothing in it should be a surprise to it."""

import logging
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.exceptions import DropEvent

from tests.simulation.book import Book


@contextmanager
def capture_crashes(book: Book) -> Iterator[None]:
    """Have *book* hear of every exception that is logged; nothing is printed."""

    def note(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if event.get("exc_info"):
            error = structlog.processors.format_exc_info(None, "", dict(event))
            book.crashes.append(str(error.get("exception"))[-2000:])
        raise DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[note],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        structlog.configure(**before)
