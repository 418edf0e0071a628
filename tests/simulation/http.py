"""The way from a process to Discord: what `disnake.http.HTTPClient` is to the bot."""

import asyncio
import base64
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from email.utils import formatdate
from functools import lru_cache
from random import Random
from typing import Any

import aiohttp
from disnake import HTTPException

from boostmon import machine
from boostmon.bot.discord.answer_dates import second_of
from boostmon.database.clocks.agreed_clock import AgreedClock
from tests.simulation.discord import BOT_ID, Discord
from tests.simulation.limits import Left, Limits, Refused
from tests.simulation.rest import REPLY, Refusal, Request, carry_out, too_fast
from tests.simulation.trace import Trace
from tests.simulation.weather import Fate, Weather, hurt, usual

TOKEN = base64.urlsafe_b64encode(BOT_ID.encode()).decode().rstrip("=") + ".simulated"
TIME_WITHIN = 3.0  # seconds
FREE: Left | Refused = Left(5, 1.0)  # answers to interactions do not count towards the limits
FAILED = 300
LATE_REQUESTS = ("PUT", "DELETE", "POST")


class Answer:
    """An answer, as far as the bot looks at it."""

    content_type = "application/json"
    reason = ""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
        self.status, self.body, self.headers = status, body, headers

    async def json(self) -> Any:
        """Return what it says."""
        return self.body


Reply = asyncio.Future[Answer]


class Wire:
    """Carries the requests of all processes, and counts what becomes of them."""

    def __init__(self, discord: Discord, random: Random, trace: Trace) -> None:
        self.discord = discord
        self.trace = trace
        self.weather: list[Weather] = []
        self.limits = Limits()
        self.counts: Counter[str] = Counter()
        self.answers = 0
        self.too_fast: list[tuple[float, Request]] = []
        self.under_way: Counter[tuple[str, ...]] = Counter()  # what Discord may still do
        self.down_until = 0.0
        self.speaker: Callable[[], str | None] = lambda: None  # who has the lease
        self.unasked: list[tuple[float, Request]] = []  # writes of others
        self.late = False  # whether work may be done after its request was given up
        self._random = random

    def send(self, request: Request, reply: Reply) -> None:
        """Take a request to Discord."""
        fate = self._fate(request)
        if fate.name:
            self.counts[fate.name] += 1
        self.under_way[place_of(request)] += 1
        if request.method != "GET" and request.path != REPLY and self.speaker() != request.by:
            self.unasked.append((self.discord.timeline.now, request))
        now = self.discord.timeline.now
        self.trace.note(now, request.by, request.method, *request.ids.values(), fate.name)
        self.discord.timeline.after(0.01, lambda: self._arrive(request, fate, reply))

    def tell_time(self, reply: Reply) -> None:
        """Answer with the time, unless Discord is down."""
        timeline, seconds = self.discord.timeline, 0.02 + self._random.random() * 0.15
        if self.down_until <= timeline.now:
            answer = Answer(200, {}, {"Date": _date(int(self.discord.clock()))})
            timeline.after(seconds, lambda: self._tell(reply, answer))

    def _fate(self, request: Request) -> Fate:
        now = self.discord.timeline.now
        if self.down_until > now:
            return Fate(acts_after=None, answered_after=0.1, status=503, name="outage")
        if self.weather:
            self.weather = [weather for weather in self.weather if weather.until > now]
            for weather in self.weather:
                if weather.path not in ("", request.path):
                    continue
                late = self.late and request.method in LATE_REQUESTS
                rarely = request.path == REPLY  # or few commands would be heard at all
                if fate := hurt(weather, late=late, rarely=rarely):
                    return fate
        return usual(self._random)

    def _arrive(self, request: Request, fate: Fate, reply: Reply) -> None:
        """Count it against the limits, when it is there."""
        timeline = self.discord.timeline
        left = FREE
        if request.path != REPLY:
            left = self.limits.count(request.kind, request.method, request.place, timeline.now)
        if isinstance(left, Refused):
            self.too_fast.append((timeline.now, request))
            answer = _refused(left, too_fast(request))
            timeline.after(0.02, lambda: self._tell(reply, answer))
            self._done(request)
            return
        if fate.acts_after is None:
            self._done(request)
            self._answer(fate, reply, None)
        else:
            timeline.after(fate.acts_after, lambda: self._act(request, left, fate, reply))

    def _act(self, request: Request, left: Left, fate: Fate, reply: Reply) -> None:
        self._done(request)
        headers = _headers(left, self.discord.clock())
        try:
            body = carry_out(self.discord, request)
            answer = Answer(200 if body is not None else 204, body, headers)
        except Refusal as refusal:
            said = {"code": refusal.code, "message": refusal.message}
            answer = Answer(refusal.status, said, headers)
        self._answer(fate, reply, answer)

    def _answer(self, fate: Fate, reply: Reply, answer: Answer | None) -> None:
        if fate.answered_after is None:
            return
        if fate.status is not None:
            answer = _failure(fate.status)
        rest = max(0.0, fate.answered_after - (fate.acts_after or 0.0))
        self.discord.timeline.after(rest, lambda: self._tell(reply, answer))

    def _tell(self, reply: Reply, answer: Answer | None) -> None:
        self.answers += 1
        if reply.done():
            return
        if answer is None or answer.status == 0:
            reply.set_exception(aiohttp.ServerDisconnectedError())
        else:
            reply.set_result(answer)

    def _done(self, request: Request) -> None:
        self.under_way[place_of(request)] -= 1


class Http:
    """One process's client; what a dead process asks never leaves."""

    token = TOKEN

    def __init__(self, wire: Wire, name: str) -> None:
        self._wire = wire
        self._name = name
        self._hear: Callable[[Answer, float], None] = lambda *_: None
        self.closed = False

    def hear_time(self, clock: AgreedClock) -> None:
        """Have *clock* hear the date of each answer, and ask for one when it wants to."""

        def hear(answer: Answer, sent: float) -> None:
            second = _second_of(answer.headers.get("Date"))
            if second is not None:
                clock.hear(second, sent=sent, received=machine.monotonic())

        self._hear = hear
        clock.ask_through(self._ask_time)

    async def _ask_time(self) -> None:
        """Ask what counts towards no limit."""
        sent, reply = machine.monotonic(), asyncio.get_running_loop().create_future()
        if not self.closed:
            self._wire.tell_time(reply)
        with suppress(TimeoutError, aiohttp.ClientError):
            async with asyncio.timeout(TIME_WITHIN):
                self._hear(await reply, sent)

    async def request(self, route: Any, **given: Any) -> Any:
        """Ask Discord, as disnake does, and return the answer's body."""
        (judge,) = given["middlewares"]
        request = Request(
            method=route.method,
            path=route.path,
            ids=ids_of(route),
            by=self._name,
            json=given.get("json") or {},
            params=given.get("params") or {},
        )

        async def send(_: object) -> Answer:
            return await self._sent(request, within=given["timeout"].total)

        answer = await judge(None, send)
        return answer.body

    async def answer(self, method: str, interaction_id: str) -> None:
        """Answer an interaction, edit the answer or delete it."""
        ids = {"interaction_id": interaction_id}
        request = Request(method=method, path=REPLY, ids=ids, by=self._name, json={}, params={})
        answer = await self._sent(request)
        if answer.status >= FAILED:
            response: Any = answer
            raise HTTPException(response, "")

    async def _sent(self, request: Request, *, within: float | None = None) -> Answer:
        if self.closed:
            raise aiohttp.ClientError
        reply: Reply = asyncio.Future()
        end = within and reply.get_loop().call_later(within, _give_up, reply)
        sent = machine.monotonic()
        self._wire.send(request, reply)
        try:
            answer = await reply
        finally:
            if end:
                end.cancel()
        self._hear(answer, sent)
        return answer


def _give_up(reply: Reply) -> None:
    if not reply.done():
        reply.set_exception(TimeoutError())


def place_of(request: Request) -> tuple[str, ...]:
    """Name what a request is about."""
    return (request.path, *request.ids.values())


def ids_of(route: Any) -> dict[str, str]:
    """Return the ids in the path of a disnake route."""
    places, length = _places(route.path)
    parts = route.url.split("/")[-length:]
    return {name: parts[i] for name, i in places}


@lru_cache(maxsize=64)
def _places(path: str) -> tuple[tuple[tuple[str, int], ...], int]:
    parts = path.split("/")[1:]
    return tuple((p[1:-1], i) for i, p in enumerate(parts) if p.startswith("{")), len(parts)


def _headers(left: Left, clock: float) -> dict[str, str]:
    return {
        "X-RateLimit-Remaining": str(left.remaining),
        "X-RateLimit-Reset-After": f"{left.reset_after:.3f}",
        "Date": _date(int(clock)),
    }


@lru_cache(maxsize=4)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


@lru_cache(maxsize=4)
def _second_of(date: str | None) -> int | None:
    return second_of({} if date is None else {"Date": date})


def _failure(status: int) -> Answer:
    if status != 429:
        return Answer(status, {}, {})
    said = {"message": "You are being rate limited.", "retry_after": 1.5, "global": False}
    return Answer(429, said, {"X-RateLimit-Scope": "shared", "Retry-After": "2"})


def _refused(refused: Refused, instead: Refusal | None) -> Answer:
    if instead is not None:
        return Answer(instead.status, {"code": instead.code, "message": instead.message}, {})
    said = {
        "message": "You are being rate limited.",
        "retry_after": round(refused.retry_after + 0.001, 3),
        "global": refused.everywhere,
    }
    return Answer(429, said, {"X-RateLimit-Scope": "user"})
