"""The route by which a bot answers an interaction for the first time."""

from typing import Any

from boostmon.sandbox.acts import picture
from boostmon.sandbox.core.interactions import (
    AUTOCOMPLETE,
    CHOICES,
    COMMAND,
    COMPONENT,
    DEFER,
    DEFER_UPDATE,
    MESSAGE,
    MODAL,
    SUBMIT,
    UPDATE,
    Interaction,
    touch,
)
from boostmon.sandbox.people.modals import MODAL as MODAL_BODY
from boostmon.sandbox.people.replies import acknowledge_update, defer, reply, update_source
from boostmon.sandbox.rest.routes import Call, Reply, route
from boostmon.sandbox.rules import command_rules, content
from boostmon.sandbox.rules.language import (
    boolean,
    check,
    mapping,
    nullable,
    shape,
    whole,
    wrong_at,
)
from boostmon.sandbox.world import render
from boostmon.sandbox.world.errors import invalid

_ALLOWED = {
    COMMAND: (MESSAGE, DEFER, MODAL),
    COMPONENT: (MESSAGE, DEFER, DEFER_UPDATE, UPDATE, MODAL),
    AUTOCOMPLETE: (CHOICES,),
    SUBMIT: (MESSAGE, DEFER, DEFER_UPDATE, UPDATE),
}
_BODY = shape({"type": whole()}, data=nullable(mapping))


@route(
    "POST",
    "/interactions/{interaction_id}/{interaction_token}/callback",
    rule=_BODY,
    kind="none",
    token=False,
    files=True,
)
async def answer(call: Call) -> Any:
    """Answer an interaction: within three seconds, and once."""
    now = call.discord.now()
    found = call.discord.interactions.to_answer(
        call.ids["interaction_id"], call.ids["interaction_token"], now
    )
    kind = call.body["type"]
    allowed = _ALLOWED[found.type]
    if found.type == SUBMIT and not found.source_id:
        allowed = (MESSAGE, DEFER)
    if kind not in allowed:
        message = f"Value must be one of {{{', '.join(map(str, allowed))}}}."
        raise invalid(wrong_at(["type"], "BASE_TYPE_CHOICES", message).errors)
    with_response = call.asked(with_response=_flag).get("with_response", False)
    _take(call, found, kind, call.body.get("data") or {})
    found.acknowledged_ms = int((now - found.created) * 1000)
    found.callback_type = kind
    touch(found)
    call.discord.watch.tell("INTERACTION", lambda: picture.interaction(found))
    return Reply(_response(call, found, kind)) if with_response else None


def _flag(value: Any) -> bool:
    return boolean({"true": True, "1": True, "false": False, "0": False}.get(str(value).lower()))


def _take(call: Call, found: Interaction, kind: int, data: Any) -> None:
    """Check and carry out what is answered."""
    if kind == MESSAGE:
        reply(call.discord, found, _checked(content.WEBHOOK, data) | _files(call))
    elif kind == DEFER:
        defer(call.discord, found, _checked(shape(flags=nullable(whole(0))), data))
    elif kind == DEFER_UPDATE:
        acknowledge_update(found)
    elif kind == UPDATE:
        update_source(call.discord, found, _checked(content.EDIT, data) | _files(call))
    elif kind == CHOICES:
        found.choices = _choices(found, data)
    else:
        found.modal = _checked(MODAL_BODY, data)


def _files(call: Call) -> dict[str, Any]:
    return {"files": call.body["files"]} if "files" in call.body else {}


def _checked(rule: Any, data: Any) -> Any:
    """Check what lies under `data`, and complain with that path."""
    return check(shape({"data": rule}), {"data": data})["data"]


def _choices(found: Interaction, data: Any) -> Any:
    focused = next(one for one in found.leaves() if one.get("focused"))

    return _checked(shape({"choices": command_rules.choices(focused["type"])}), data)["choices"]


def _response(call: Call, found: Interaction, kind: int) -> Any:
    """Show what `with_response` asks for."""
    told: dict[str, Any] = {"id": found.id, "type": found.type}
    told["channel_id"] = found.channel_id
    if found.guild_id:
        told["guild_id"] = found.guild_id
    answer_: dict[str, Any] = {"interaction": told}
    if found.original_id and kind in (MESSAGE, DEFER, DEFER_UPDATE, UPDATE):
        loading = bool(found.flags & render.LOADING)
        told["response_message_id"] = found.original_id
        told["response_message_loading"] = loading
        told["response_message_ephemeral"] = bool(found.flags & render.EPHEMERAL)
    channel = call.world.channel(found.channel_id)
    message = channel and found.original_id and channel.find(found.original_id)
    if kind in (MESSAGE, UPDATE) and message:
        answer_["resource"] = {"type": kind, "message": render.message(call.world, message)}
    return answer_
