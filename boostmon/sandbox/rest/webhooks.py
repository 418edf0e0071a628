"""Routes by which a bot edits its reply to an interaction and follows up on it."""

from typing import Any

from boostmon.sandbox.core.interactions import Interaction
from boostmon.sandbox.people import replies
from boostmon.sandbox.rest.routes import Call, route
from boostmon.sandbox.rules import content
from boostmon.sandbox.world import render
from boostmon.sandbox.world.errors import refuse
from boostmon.sandbox.world.model import Message

_HOOK = "/webhooks/{webhook_id}/{webhook_token}"
_ORIGINAL = _HOOK + "/messages/@original"
_MESSAGE = _HOOK + "/messages/{message_id}"


def _interaction(call: Call) -> Interaction:
    if call.ids["webhook_id"] not in call.world.bots:
        raise refuse(10015)
    now = call.discord.now()
    return call.discord.interactions.by_token(
        call.ids["webhook_id"], call.ids["webhook_token"], now
    )


def _message(call: Call, it: Interaction) -> Message:
    if "message_id" in call.ids:
        return replies.find(call.discord, it, call.ids["message_id"])
    return replies.original(call.discord, it)


@route("POST", _HOOK, rule=content.WEBHOOK, kind="webhook", token=False, files=True)
async def follow_up(call: Call) -> Any:
    """Send a follow-up."""
    message = replies.follow_up(call.discord, _interaction(call), call.body)
    return render.message(call.world, message)


@route("GET", _ORIGINAL, kind="webhook", token=False)
@route("GET", _MESSAGE, kind="webhook", token=False)
async def get_reply(call: Call) -> Any:
    """Read a reply."""
    return render.message(call.world, _message(call, _interaction(call)))


@route("PATCH", _ORIGINAL, rule=content.EDIT, kind="webhook", token=False, files=True)
@route("PATCH", _MESSAGE, rule=content.EDIT, kind="webhook", token=False, files=True)
async def patch_reply(call: Call) -> Any:
    """Edit a reply."""
    it = _interaction(call)
    message = _message(call, it)
    replies.edit(call.discord, it, message, call.body)
    return render.message(call.world, message)


@route("DELETE", _ORIGINAL, kind="webhook", token=False)
@route("DELETE", _MESSAGE, kind="webhook", token=False)
async def delete_reply(call: Call) -> Any:
    """Delete a reply."""
    it = _interaction(call)
    replies.remove(call.discord, it, _message(call, it))
