"""Ids on the command line, judged before anything is asked of the database."""

from typing import Any

import click

from boostmon.events.names import is_pseudonym
from boostmon.events.timer import is_snowflake


class Id(click.ParamType):
    """An id of Discord; with *pseudonyms* also what an erased person is called."""

    name = "id"

    def __init__(self, *, pseudonyms: bool = False) -> None:
        self._pseudonyms = pseudonyms

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return *value* as it is, or refuse it as wrong usage."""
        text = str(value)
        if not (is_snowflake(text) or (self._pseudonyms and is_pseudonym(text))):
            self.fail(f"{text!r} is no id of Discord; an id is digits only.", param, ctx)
        return text
