"""Forms that a bot opens: what they may hold, and what goes back when somebody fills one in."""

from collections.abc import Iterator
from typing import Any

from boostmon.sandbox.people.options import Resolver
from boostmon.sandbox.rules import content
from boostmon.sandbox.rules.language import (
    Rule,
    boolean,
    choice,
    many,
    mapping,
    nullable,
    shape,
    text,
    whole,
    wrong_at,
)
from boostmon.sandbox.world.errors import ControlError

Json = dict[str, Any]
Fields = dict[str, str | list[str]]

ROW, TEXT_INPUT, TEXT_DISPLAY, LABEL = 1, 4, 10, 18
_LONGEST = 4000


def _input(*, labelled: bool) -> Rule:
    """Take a text input; in a row it is *labelled* itself, in a label it is not."""
    label = text(1, 45)
    rule = shape(
        {"type": choice(TEXT_INPUT), "custom_id": text(1, 100), "style": choice(1, 2)}
        | ({"label": label} if labelled else {}),
        id=whole(0),
        label=nullable(label),
        value=nullable(text(0, _LONGEST)),
        placeholder=nullable(text(0, 100)),
        required=nullable(boolean),
        min_length=nullable(whole(0, _LONGEST)),
        max_length=nullable(whole(1, _LONGEST)),
    )

    def taken(value: Any) -> Json:
        given = {key: one for key, one in rule(value).items() if one is not None}
        if given.get("min_length", 0) > given.get("max_length", _LONGEST):
            message = "min_length must be less than or equal to max_length."
            raise wrong_at(["min_length"], "TEXT_INPUT_COMPONENT_MIN_LENGTH_INVALID", message)
        return given

    return taken


def _select(value: Any) -> Json:
    given: Json = mapping(value)
    asked = shape(required=nullable(boolean))(given).get("required")
    return content.select(given) | ({"required": asked} if asked is not None else {})


def _labelled(value: Any) -> Json:
    kind = mapping(value).get("type")
    return _select(value) if kind in content.SELECTS else _input(labelled=False)(value)


_ROW = shape(
    {"type": choice(ROW), "components": many(_input(labelled=True), 1, 1)}, id=nullable(whole(0))
)
_LABEL = shape(
    {"type": choice(LABEL), "label": text(1, 45), "component": _labelled},
    id=nullable(whole(0)),
    description=nullable(text(1, 100)),
)
_DISPLAY = shape({"type": choice(TEXT_DISPLAY), "content": text(1, 4000)}, id=nullable(whole(0)))


def _part(value: Any) -> Json:
    kind = mapping(value).get("type")
    parts = {ROW: _ROW, LABEL: _LABEL, TEXT_DISPLAY: _DISPLAY}
    checked = shape({"type": choice(*parts)})(value)
    taken: Json = parts[checked["type"]](value)
    return {key: one for key, one in taken.items() if one is not None or key == kind}


def _parts(value: Any) -> list[Json]:
    """Take the parts of a form, and number them as Discord does."""
    parts: list[Json] = many(_part, 5, 1)(value)
    number, seen = 0, set()
    for index, part in enumerate(parts):
        for one in (part, *_inputs([part])):
            number += 1
            one.setdefault("id", number)
            if one.get("custom_id") in seen:
                message = "Component custom id cannot be duplicated"
                raise wrong_at([index], "COMPONENT_CUSTOM_ID_DUPLICATED", message)
            seen |= {one["custom_id"]} if "custom_id" in one else set()
    return parts


MODAL: Rule = shape({"custom_id": text(1, 100), "title": text(1, 45), "components": _parts})


def _inputs(parts: list[Json]) -> Iterator[Json]:
    """Each thing to fill in."""
    for part in parts:
        yield from part.get("components", [])
        if "component" in part:
            yield part["component"]


def submission(modal: Json, fields: Fields, resolver: Resolver) -> Json:
    """Return what goes to the bot when *modal* is filled in with *fields*, or complain."""
    if unknown := fields.keys() - {one["custom_id"] for one in _inputs(modal["components"])}:
        raise ControlError(f"the form has no field {', '.join(sorted(unknown))}")
    data: Json = {"custom_id": modal["custom_id"], "components": []}
    for part in modal["components"]:
        sent = {"type": part["type"], "id": part["id"]}
        if part["type"] == ROW:
            sent["components"] = [_filled(one, fields, resolver) for one in part["components"]]
        elif part["type"] == LABEL:
            sent["component"] = _filled(part["component"], fields, resolver)
        data["components"].append(sent)
    if resolver.found:
        data["resolved"] = resolver.found
    return data


def _filled(one: Json, fields: Fields, resolver: Resolver) -> Json:
    name, required = one["custom_id"], one.get("required", True)
    sent: Json = {"type": one["type"], "id": one["id"], "custom_id": name}
    if one["type"] != TEXT_INPUT:
        values = fields.get(name, [])
        if not isinstance(values, list):
            raise ControlError(f"field {name} is a menu: it takes a list of values")
        if values or required:
            content.check_chosen(one, values)
        resolver.take(one["type"], values)
        return sent | {"values": values}
    value = fields.get(name, one.get("value", ""))
    if not isinstance(value, str):
        raise ControlError(f"field {name} takes a text")
    if required and not value:
        raise ControlError(f"field {name} is required")
    low, high = one.get("min_length", 0), one.get("max_length", _LONGEST)
    if value and not low <= len(value) <= high:
        raise ControlError(f"field {name} takes {low} to {high} characters")
    return sent | {"value": value}
