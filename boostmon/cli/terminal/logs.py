"""Logs with structlog, on stderr: text for people, JSON for machines; disnake's among them."""

import logging
import sys
from typing import Any

import structlog
from msgspec import Struct, structs
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

from boostmon.config import LogConfig


def configure_logs(config: LogConfig) -> None:
    """Send every log line of this process to stderr in the shape that *config* asks for."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(config),
            ],
        )
    )
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(config.boostmon_log_level.upper())
    # Below INFO disnake logs all that it sends and gets: messages, options, the tokens of replies.
    debug = config.boostmon_log_level == "debug"
    logging.getLogger("disnake").setLevel(logging.INFO if debug else logging.WARNING)
    logging.getLogger("disnake.client").addFilter(_is_news)
    if not debug:
        logging.getLogger("disnake.client").addFilter(_in_a_line)


def _is_news(record: logging.LogRecord) -> bool:
    # At every start disnake warns that it cannot speak; nobody asks it to.
    return "voice will NOT be supported" not in record.getMessage()


def _in_a_line(record: logging.LogRecord) -> bool:
    # That Discord is away is no mistake of the program, whose traceback would be of use.
    if record.exc_info and record.getMessage().startswith("Attempting a reconnect"):
        error = record.exc_info[1]
        record.msg, record.args = f"{record.getMessage()} ({error or repr(error)})", None
        record.exc_info = record.exc_text = None
    return True


def _plain(value: object) -> object:
    """Return what JSON has no word for as something that it has, such as a timer's three ids."""
    return structs.asdict(value) if isinstance(value, Struct) else repr(value)


def _rendering(config: LogConfig) -> list[Any]:
    """Render lines, and tracebacks without local variables: those may hold a secret."""
    if config.boostmon_log_format == "json":
        plain = ExceptionDictTransformer(show_locals=False)
        return [
            structlog.processors.ExceptionRenderer(plain),
            structlog.processors.JSONRenderer(default=_plain),
        ]
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    ]
