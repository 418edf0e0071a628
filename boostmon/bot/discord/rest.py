"""The one place where Discord's REST is written to, on bare ids: no cache is asked."""

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from typing import Any

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from disnake.http import HTTPClient, Route

from boostmon import machine
from boostmon.bot.discord.members import MEMBER_ROLE_UPDATE, Membership, RoleEntry, role_entry
from boostmon.bot.discord.pace import OPENING, Pace, lane_of_reads, lane_of_roles
from boostmon.bot.discord.times_told import moment_of, wait_told
from boostmon.errors import DiscordError
from boostmon.events.timer import TimerId, is_snowflake

GLOBAL = "its limit for all requests of the bot"
FRONT = "what stands before it refuses this address, such as for too many refused requests"
ATTEMPT_SECONDS = 8.0
REASON_LENGTH = 512  # characters; resources/audit-log
PAGE = 100  # messages; resources/message, "Get Channel Messages"
MOST_PAGES = 5
DISCORD_EPOCH_MS = 1_420_070_400_000

# What counts towards the ban after 10,000 in 10 minutes (topics/rate-limits).
INVALID = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS)


class RefusedError(DiscordError):
    """Discord answered a request with an error; *code* is Discord's own, 0 where it has none."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str]) -> None:
        """Keep what the answer says."""
        code = body.get("code")
        self.status = status
        self.code = code if isinstance(code, int) else 0
        self.text = str(body.get("message", ""))
        self.retry_after = wait_told(body, headers)
        self.scope = headers.get("X-RateLimit-Scope", "")
        says_so = body.get("global") or headers.get("X-RateLimit-Global", "").lower() == "true"
        is_global = status == HTTPStatus.TOO_MANY_REQUESTS and (says_so or self.scope == "global")
        self.everywhere = bool(is_global) or self._is_of_the_front(body)
        self.stopped_by = GLOBAL if self.scope or is_global else FRONT
        super().__init__(f"Discord answered {status}: {self.text} (code {self.code})")

    def _is_of_the_front(self, body: Mapping[str, Any]) -> bool:
        """Tell whether what stands before Discord answered a 429: it refuses the whole address."""
        says_which = self.scope or self.code or "retry_after" in body
        return self.status == HTTPStatus.TOO_MANY_REQUESTS and not says_which


class NotLeadingError(DiscordError):
    """Discord was not asked: that has become another process's to do."""

    def __init__(self) -> None:
        """Say so."""
        super().__init__("another process may speak to Discord now")


class UnansweredError(DiscordError):
    """Discord did not answer; nobody knows whether it did what it was asked."""


@contextmanager
def legible() -> Iterator[None]:
    """Read an answer; what has not the form of Discord's is none of its answers."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UnansweredError(f"Discord did not answer ({error!r})") from error


class DiscordApi:
    """Role changes and messages, each asked for once; the answers set the *pace*.

    Every method may raise `RefusedError`, `UnansweredError` or `TimeoutError`; those that change
    something, `NotLeadingError`.
    """

    def __init__(
        self, http: HTTPClient, pace: Pace, may_write: Callable[[], bool] = lambda: True
    ) -> None:
        """Take *may_write*, which is asked right before each request that changes something."""
        self._http = http
        self._pace = pace
        self._may_write = may_write

    async def give_role(self, timer: TimerId, *, reason: str) -> datetime | None:
        """Give a member a role, harmless when they have it; return when Discord answered.

        That is by Discord's clock (the header `Date`), None where it does not tell.
        """
        return await self._change_role("PUT", timer, reason)

    async def take_role(self, timer: TimerId, *, reason: str) -> datetime | None:
        """Take a role from a member, harmless when they lack it; return when Discord answered."""
        return await self._change_role("DELETE", timer, reason)

    async def server(self, guild_id: str) -> dict[str, Any]:
        """Return a server with its roles, asked anew."""
        route = Route("GET", "/guilds/{guild_id}", guild_id=guild_id)
        server: dict[str, Any] = await self._request(route, lane_of_reads(guild_id), form=dict)
        if server.get("id") != guild_id:
            raise UnansweredError(f"Discord did not answer (something else did: {HTTPStatus.OK})")
        return server

    async def channels(self, guild_id: str) -> list[dict[str, Any]]:
        """Return the channels of a server that the bot sees, asked anew."""
        route = Route("GET", "/guilds/{guild_id}/channels", guild_id=guild_id)
        lane = lane_of_reads(guild_id)
        channels: list[dict[str, Any]] = await self._request(route, lane, form=list)
        return channels

    async def command_settings(self, guild_id: str) -> list[dict[str, Any]]:
        """Return what a server's Integrations settings say of the application's commands."""
        path = "/applications/{application_id}/guilds/{guild_id}/commands/permissions"
        route = Route("GET", path, application_id=self.own_id, guild_id=guild_id)
        lane = lane_of_reads(guild_id)
        settings: list[dict[str, Any]] = await self._request(route, lane, form=list)
        return settings

    async def roles(self, guild_id: str) -> set[str]:
        """Return the ids of the roles that a server has, asked anew."""
        route = Route("GET", "/guilds/{guild_id}/roles", guild_id=guild_id)
        roles = await self._request(route, lane_of_reads(guild_id), form=list)
        with legible():
            return {str(role["id"]) for role in roles}

    async def role(self, guild_id: str, role_id: str) -> None:
        """Ask for one role of a server; Discord refuses if there is none."""
        route = Route(
            "GET", "/guilds/{guild_id}/roles/{role_id}", guild_id=guild_id, role_id=role_id
        )
        await self._request(route, lane_of_reads(guild_id))

    async def role_entries(self, guild_id: str, user_id: str) -> list[RoleEntry]:
        """Return the newest lines of the audit log about the roles of a member.

        Discord refuses without the right View Audit Log (resources/audit-log).
        """
        route = Route("GET", "/guilds/{guild_id}/audit-logs", guild_id=guild_id)
        query = {"action_type": str(MEMBER_ROLE_UPDATE), "target_id": user_id, "limit": str(PAGE)}
        told = await self._request(route, lane_of_reads(guild_id), form=dict, params=query)
        with legible():
            entries = map(role_entry, told["audit_log_entries"])
            return [entry for entry in entries if entry is not None]

    async def member(self, guild_id: str, user_id: str) -> Membership:
        """Return what a member holds and since when they are one, asked anew."""
        route = Route(
            "GET", "/guilds/{guild_id}/members/{user_id}", guild_id=guild_id, user_id=user_id
        )
        member = await self._request(route, lane_of_reads(guild_id), form=dict)
        with legible():
            joined_at = member["joined_at"]
            return Membership(
                frozenset(member["roles"]), datetime.fromisoformat(joined_at) if joined_at else None
            )

    async def open_direct_channel(self, user_id: str) -> str:
        """Return the id of the channel of direct messages with a user."""
        route = Route("POST", "/users/@me/channels")
        recipient = {"recipient_id": user_id}
        channel = await self._request(route, OPENING, form=dict, json=recipient)
        with legible():
            return str(channel["id"])

    async def send(
        self, channel_id: str, content: Callable[[], str], *, mention: str, nonce: str, lane: str
    ) -> tuple[str, str]:
        """Post what *content* says when its turn comes; it can ping the user *mention* alone.

        Return the ids of its channel and of itself: a repetition with the same *nonce* within a few
        minutes answers with the first message, wherever that stands (resources/message, "Create
        Message").
        """
        route = Route("POST", "/channels/{channel_id}/messages", channel_id=channel_id)

        def message() -> dict[str, Any]:
            return {
                "content": content(),
                "allowed_mentions": {"parse": [], "users": [mention]},
                "nonce": nonce,
                "enforce_nonce": True,
            }

        posted = await self._request(route, lane, form=dict, in_time=message)
        with legible():
            return str(posted["channel_id"]), str(posted["id"])

    async def own_messages_since(self, channel_id: str, since: datetime) -> dict[str, str] | None:
        """Return the bot's messages in a channel since a moment, by id.

        None: there are too many messages to tell.
        """
        after, own = _snowflake_at(since), dict[str, str]()
        route = Route("GET", "/channels/{channel_id}/messages", channel_id=channel_id)
        for _ in range(MOST_PAGES):
            query = {"after": str(after), "limit": PAGE}
            lane = lane_of_reads(channel_id)
            page = await self._request(route, lane, form=list, params=query)
            with legible():
                for message in page:
                    if message["author"]["id"] == self.own_id:
                        own[message["id"]] = message["content"]
                if len(page) < PAGE:
                    return own
                after = max(int(message["id"]) for message in page)
        return None

    @property
    def own_id(self) -> str:
        """The bot's user, who has the application's id."""
        return id_in(self._http.token or "") or ""

    async def _change_role(self, method: str, timer: TimerId, reason: str) -> datetime | None:
        route = Route(
            method,
            "/guilds/{guild_id}/members/{user_id}/roles/{role_id}",
            guild_id=timer.guild_id,
            user_id=timer.user_id,
            role_id=timer.role_id,
        )
        dates: list[str] = []
        lane = lane_of_roles(timer.guild_id)
        await self._request(
            route, lane, dates=dates, only=HTTPStatus.NO_CONTENT, reason=reason[:REASON_LENGTH]
        )
        return moment_of(dates[-1]) if dates else None

    async def _request(
        self,
        route: Route,
        lane: str,
        *,
        dates: list[str] | None = None,
        in_time: Callable[[], dict[str, Any]] | None = None,
        only: HTTPStatus | None = None,
        form: type | None = None,
        **arguments: Any,
    ) -> Any:
        async def judge(request: ClientRequest, send: ClientHandlerType) -> ClientResponse:
            """See the answer before disnake does, whose own retries would hide it."""
            if route.method != "GET" and not self._may_write():
                raise NotLeadingError
            try:
                response = await send(request)
            except (aiohttp.ClientError, OSError) as error:
                raise UnansweredError(f"Discord did not answer ({error!r})") from error
            self._pace.answered(lane, response.headers, machine.monotonic())
            if dates is not None and "Date" in response.headers:
                dates.append(response.headers["Date"])
            if response.status >= HTTPStatus.BAD_REQUEST:
                refusal = RefusedError(response.status, await body_of(response), response.headers)
                self._note(lane, refusal)
                raise refusal
            if response.status >= HTTPStatus.MULTIPLE_CHOICES or only not in (
                None,
                response.status,
            ):
                response.close()
                raise UnansweredError(
                    f"Discord did not answer (something else did: {response.status})"
                )
            return response

        async with self._pace.turn(lane):
            if in_time is not None:
                arguments["json"] = in_time()
            try:
                answer = await self._http.request(
                    route,
                    middlewares=(judge,),
                    timeout=aiohttp.ClientTimeout(total=ATTEMPT_SECONDS),
                    allow_redirects=False,
                    **arguments,
                )
            except (aiohttp.ClientError, OSError, ValueError) as error:  # its body was cut off
                raise UnansweredError(f"Discord did not answer ({error!r})") from error
        if form is not None and not isinstance(answer, form):
            raise UnansweredError(f"Discord did not answer (something else did: {HTTPStatus.OK})")
        return answer

    def _note(self, lane: str, refusal: RefusedError) -> None:
        now = machine.monotonic()
        if refusal.status in INVALID:
            self._pace.invalid(now)
        if refusal.status == HTTPStatus.TOO_MANY_REQUESTS:
            everywhere = refusal.everywhere
            self._pace.refused(
                lane,
                refusal.retry_after,
                everywhere=everywhere,
                now=now,
                why=refusal.stopped_by,
            )


def id_in(token: str) -> str | None:
    """Return the application's id, which begins a *token*; None when none is there."""
    head = token.partition(".")[0]
    try:
        found = base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)).decode()
    except ValueError:
        return None
    return found if is_snowflake(found) else None


def _snowflake_at(moment: datetime) -> int:
    """Return the smallest id that Discord gives at *moment* (reference, "Snowflakes")."""
    return max(0, int(moment.timestamp() * 1000) - DISCORD_EPOCH_MS) << 22


async def body_of(response: ClientResponse) -> Mapping[str, Any]:
    """Return what an error's answer says, which may be a page, or be cut off."""
    untold = {"message": response.reason or ""}
    if response.content_type != "application/json":
        response.close()  # nobody else would: it is not read any more
        return untold
    try:
        body = await response.json()
    except (ValueError, aiohttp.ClientError, OSError):
        response.close()
        return untold  # the status alone says most of it
    return body if isinstance(body, dict) else untold
