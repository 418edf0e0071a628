"""A Discord on loopback, for any bot: real HTTP and WebSocket, no token, no network."""

from boostmon.sandbox.core.limits import Limits
from boostmon.sandbox.server import Sandbox, serve

__all__ = ["Limits", "Sandbox", "serve"]
