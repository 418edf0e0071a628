"""Refusals in Discord's own words and numbers."""

from collections.abc import Mapping
from typing import Any

MESSAGES: dict[int, tuple[int, str]] = {
    10002: (404, "Unknown Application"),
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"),
    10011: (404, "Unknown Role"),
    10013: (404, "Unknown User"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    10063: (404, "Unknown application command"),
    10066: (404, "Unknown application command permissions"),
    20012: (403, "You are not authorized to perform this action on this application"),
    30005: (400, "Maximum number of guild roles reached (250)"),
    30034: (429, "Max number of daily application command creates has been reached (200)"),
    30032: (400, "Maximum number of application commands reached (100)."),
    40003: (400, "You are opening direct messages too fast"),
    40005: (413, "Request entity too large"),
    40060: (400, "Interaction has already been acknowledged."),
    50001: (403, "Missing Access"),
    50003: (403, "Cannot execute action on a DM channel"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50008: (400, "Cannot send messages in a non-text channel"),
    50013: (403, "Missing Permissions"),
    50021: (403, "Cannot execute action on a system message"),
    50027: (401, "Invalid Webhook Token"),
    50028: (400, "Invalid Role"),
    50033: (400, "Invalid Recipient(s)"),
    50035: (400, "Invalid Form Body"),
    50109: (400, "The request body contains invalid JSON."),
    30046: (429, "Maximum number of edits to messages older than 1 hour reached. Try again later"),
    60003: (403, "Two factor is required for this operation"),
    50278: (403, "Cannot send messages to this user due to having no mutual guilds"),
}


class ApiError(Exception):
    """A refusal, as it goes to the client."""

    def __init__(
        self,
        status: int,
        message: str,
        code: int = 0,
        *,
        errors: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})
        self.body: dict[str, Any] = {"message": message, "code": code}
        if errors is not None:
            self.body["errors"] = errors


def refuse(code: int) -> ApiError:
    """Return the refusal that Discord knows as *code*."""
    status, message = MESSAGES[code]
    return ApiError(status, message, code)


def plain(status: int) -> ApiError:
    """Return a refusal that has no code of its own, such as 404 for an unknown route."""
    words = {
        400: "Bad Request",
        401: "Unauthorized",
        403: "Forbidden",
        404: "Not Found",
        405: "Method Not Allowed",
        500: "Internal Server Error",
        502: "Bad Gateway",
        503: "Service Unavailable",
        504: "Gateway Timeout",
    }
    return ApiError(status, f"{status}: {words.get(status, 'Error')}", 0)


def invalid(errors: Mapping[str, Any]) -> ApiError:
    """Return 50035 with its nested *errors*."""
    status, message = MESSAGES[50035]
    return ApiError(status, message, 50035, errors=errors)


class ControlError(Exception):
    """What the control interface answers to a request that makes no sense."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
