"""The control interface: people, accidents and clocks, for tests and the demo."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from boostmon.sandbox.control.changes import CHANGES
from boostmon.sandbox.control.state import interaction, state
from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.core.faults import EntryFault, Fault
from boostmon.sandbox.core.interactions import Interaction
from boostmon.sandbox.core.limits import Limits
from boostmon.sandbox.core.loopback import check_origin
from boostmon.sandbox.people.usage import Use, use
from boostmon.sandbox.world.errors import MESSAGES, ApiError, ControlError
from boostmon.sandbox.world.render import LOADING
from boostmon.sandbox.world.world_spec import WorldSpec

_UNTOLD = ("guild", "user")  # what they change, the gateway does not tell of
_Shape = TypeVar("_Shape")
_Handler = Callable[[web.Request, bytes], Awaitable[Any]]


class Control:
    """Answers everything below /_sim."""

    def __init__(self, discord: Discord) -> None:
        self._discord = discord
        self._handlers: dict[tuple[str, str], _Handler] = {
            ("GET", "state"): self._state,
            ("GET", "requests"): self._requests,
            ("POST", "reset"): self._reset,
            ("POST", "interaction"): self._use,
            ("GET", "fault"): self._faults,
            ("POST", "fault"): self._arm,
            ("DELETE", "fault"): self._disarm,
            ("POST", "limits"): self._limits,
        }

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, from this machine only."""
        try:
            check_origin(request)
            return _answer(await self._find(request))
        except ControlError as error:
            return _answer({"message": str(error)}, error.status)
        except ApiError as error:
            return _answer(error.body, error.status)
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            return _answer({"message": str(error)}, 400)

    async def _find(self, request: web.Request) -> Any:
        raw = await request.read()
        tail = request.match_info["tail"].strip("/")
        if handler := self._handlers.get((request.method, tail)):
            return await handler(request, raw)
        if tail.startswith("interaction/") and request.method == "GET":
            return await self._interaction(request, tail.removeprefix("interaction/"))
        if request.method == "POST" and (change := CHANGES.get(tail)):
            kind, apply = change
            done = apply(self._discord, msgspec.json.decode(raw or b"{}", type=kind))
            if tail in _UNTOLD:
                self._discord.watch.begin_anew()
            return done or {}
        raise ControlError(f"there is no {request.method} /_sim/{tail}", 404)

    async def _state(self, _: web.Request, __: bytes) -> Any:
        return state(self._discord)

    async def _requests(self, request: web.Request, _: bytes) -> Any:
        return self._discord.journal.after(_number(request, "after"))

    async def _reset(self, _: web.Request, raw: bytes) -> Any:
        spec = msgspec.json.decode(raw, type=WorldSpec) if raw else None
        self._discord.reset(spec)
        for session in self._discord.sessions:
            if session.connection:
                session.connection.close(4000)
            self._discord.sessions.end(session)
        return state(self._discord)

    async def _use(self, _: web.Request, raw: bytes) -> Any:
        made = use(self._discord, _read(raw, Use))
        return {
            "id": made.id,
            "token": made.token,
            "channel_id": made.channel_id,
            "sessions": made.delivered,
        }

    async def _interaction(self, request: web.Request, interaction_id: str) -> Any:
        found = self._discord.interactions.get(interaction_id)
        if found is None:
            raise ControlError(f"there is no interaction {interaction_id}", 404)
        wanted = request.query.get("wait")
        if wanted:
            seconds = float(request.query.get("timeout", "10"))
            await _wait(found, wanted, seconds)
        return interaction(self._discord, found)

    async def _faults(self, _: web.Request, __: bytes) -> Any:
        return self._discord.faults.all

    async def _arm(self, _: web.Request, raw: bytes) -> Any:
        fault: Fault | EntryFault
        if "audit_log" in _read(raw, dict[str, Any]):
            fault = _read(raw, EntryFault)
            self._discord.faults.entries.append(fault)
        else:
            fault = _read(raw, Fault)
            if fault.code is not None and fault.code not in MESSAGES:
                raise ControlError(f"{fault.code} is none of the codes that the sandbox knows")
            if not fault.acts and fault.date is None:
                raise ControlError(
                    "a fault needs a status, a code, a hang, a reset, an effect or a date"
                )
            self._discord.faults.armed.append(fault)
        self._discord.sessions.tell_faults()
        return fault

    async def _disarm(self, request: web.Request, _: bytes) -> Any:
        fault_id = _number(request, "id") if "id" in request.query else None
        self._discord.faults.clear(fault_id)
        self._discord.sessions.tell_faults()
        return self._discord.faults.all

    async def _limits(self, _: web.Request, raw: bytes) -> Any:
        given = _read(raw, dict[str, Any])
        limits = msgspec.convert(msgspec.to_builtins(self._discord.limits) | given, Limits)
        self._discord.limits = self._discord.limiter.limits = limits
        return limits


_SETTLED: dict[str, Callable[[Interaction], bool]] = {
    "answered": lambda it: it.acknowledged_ms is not None,
    "settled": lambda it: it.acknowledged_ms is not None and not it.flags & LOADING,
    "edited": lambda it: it.edits > 0,
    "followed": lambda it: bool(it.followup_ids),
}


async def _wait(found: Interaction, wanted: str, seconds: float) -> None:
    """Wait until the interaction is as *wanted*, or the time is over."""
    is_there = _SETTLED.get(wanted)
    if is_there is None:
        raise ControlError(f"wait is one of {', '.join(_SETTLED)}")
    try:
        async with asyncio.timeout(seconds):
            while not is_there(found):
                await found.changed.wait()
    except TimeoutError:
        return


def _read(raw: bytes, kind: type[_Shape]) -> _Shape:
    return msgspec.json.decode(raw or b"{}", type=kind)


def _number(request: web.Request, key: str) -> int:
    value = request.query.get(key, "0")
    if not value.isdigit():
        raise ControlError(f"{key} is a number")
    return int(value)


def _answer(body: Any, status: int = 200) -> web.Response:
    raw = msgspec.json.encode(body)
    return web.Response(body=raw, status=status, headers={"Content-Type": "application/json"})
