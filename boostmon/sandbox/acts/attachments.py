"""Files that are attached to messages."""

import re
from typing import Any

from aiohttp import web

from boostmon.sandbox.core.discord import Discord
from boostmon.sandbox.rules.bodies import File
from boostmon.sandbox.rules.language import wrong_at
from boostmon.sandbox.world.errors import ApiError, invalid, refuse
from boostmon.sandbox.world.model import Attachment, Message

PLACE = "/attachments/"
_LARGEST, _MOST = 10 * 2**20, 10
_HARMLESS = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "X-Content-Type-Options": "nosniff",
}
"""A file is shown on the page's own origin, and must not act there."""


def attach(discord: Discord, message: Message, body: dict[str, Any]) -> None:
    """Give *message* the files in *body*; it keeps its own, but those that `attachments` omits."""
    listed = body.get("attachments")
    about = {one["id"]: one for one in listed or ()}
    kept = [one for one in message.attachments if listed is None or one.id in about]
    files: list[File] = body.get("files") or []
    known = {str(file.number) for file in files} | {one.id for one in kept}
    for index, one in enumerate(listed or ()):
        if one["id"] not in known:
            error = wrong_at(["attachments", index], "ATTACHMENT_NOT_FOUND", "Unknown attachment")
            raise invalid(error.errors)
    if len(kept) + len(files) > _MOST:
        error = wrong_at(["attachments"], "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
        raise invalid(error.errors)
    if any(len(file.content) > _LARGEST for file in files):
        raise refuse(40005)
    for one in kept:
        one.description = about.get(one.id, {}).get("description", one.description)
    new = [_new(discord, message, file, about.get(str(file.number), {})) for file in files]
    message.attachments = kept + new


def _new(discord: Discord, message: Message, file: File, about: dict[str, Any]) -> Attachment:
    attachment_id = discord.world.snowflake()
    name = re.sub(r"[^\w.-]", "_", about.get("filename") or file.filename)
    return Attachment(
        id=attachment_id,
        filename=name,
        url=f"{discord.url}{PLACE}{message.channel_id}/{attachment_id}/{name}",
        content_type=file.content_type,
        content=file.content,
        description=about.get("description"),
    )


def serve(discord: Discord, path: str) -> web.Response:
    """Answer with a file, as Discord's CDN does."""
    channel_id, _, rest = path.removeprefix(PLACE).partition("/")
    channel = discord.world.channel(channel_id)
    messages = (*channel.messages.values(), *channel.private.values()) if channel else ()
    for one in (one for message in messages for one in message.attachments):
        if rest == f"{one.id}/{one.filename}":
            headers = _HARMLESS | {"Content-Type": one.content_type}
            return web.Response(body=one.content, headers=headers)
    raise ApiError(404, "404: Not Found")
