"""Counts the connections of a pool that are in use."""

import asyncpg
from msgspec import Struct


class Load(Struct, frozen=True, kw_only=True):
    """The connections of a pool, how many there may be at *most*, and who is *waiting* for one."""

    busy: int
    idle: int
    most: int
    waiting: int


def load_of(pool: asyncpg.Pool, *, spare: bool, waiting: int) -> Load:
    """Return the load of *pool*, which counts a *spare* connection of ours as one in use."""
    idle = pool.get_idle_size() + spare
    return Load(busy=pool.get_size() - idle, idle=idle, most=pool.get_max_size(), waiting=waiting)
