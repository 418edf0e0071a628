"""The proxy on the way to Discord, as the environment names it for all programs."""

from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from aiohttp import BasicAuth

from boostmon.config import is_loopback
from boostmon.errors import ConfigurationError

KINDS = ("http", "https")


def proxy_for(url: str) -> str | None:
    """Return the URL of the proxy that leads to *url*; None where the way is direct.

    It is that of HTTPS_PROXY, HTTP_PROXY or ALL_PROXY, unless NO_PROXY names the host; what is on
    this machine needs none. Raise `ConfigurationError` for one that cannot be used.
    """
    parts = urlsplit(url)
    if is_loopback(url) or proxy_bypass(parts.hostname or ""):
        return None
    known = getproxies()
    name = parts.scheme if parts.scheme in known else "all"
    told = known.get(name, "")
    if not told:
        return None
    proxy = told if "://" in told else f"http://{told}"
    if not _is_usable(proxy):
        raise ConfigurationError(
            f"{name.upper()}_PROXY names no proxy that BoostMon can use; write http://host:port, "
            "or let NO_PROXY name the host of Discord."
        )
    return proxy


def options_for(url: str) -> dict[str, Any]:
    """Return what leads to *url*, as aiohttp and disnake take it.

    The password stands apart: what is in a URL comes back in errors.
    """
    proxy = proxy_for(url)
    if proxy is None:
        return {}
    parts = urlsplit(proxy)
    login, at, place = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    options: dict[str, Any] = {"proxy": urlunsplit(parts._replace(netloc=place))}
    if at:
        options["proxy_auth"] = BasicAuth(unquote(user), unquote(password))
    return options


def by_way_of(url: str) -> str:
    """Say through which proxy *url* is reached, as a part of a sentence; nothing without one."""
    proxy = proxy_for(url)
    if proxy is None:
        return ""
    parts = urlsplit(proxy)
    return f" through the proxy {parts.hostname}:{parts.port or _port(parts.scheme)}"


def _port(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def _is_usable(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        return parts.scheme in KINDS and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, or half an address
        return False
