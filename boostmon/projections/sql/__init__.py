"""The SQL statements of the projections, one a file."""

from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> str:
    """Return the SQL statement in the file *name* of this folder."""
    return files(__name__).joinpath(f"{name}.sql").read_text()
