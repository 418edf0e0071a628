"""Rules for messages: embeds, components, mentions; Discord's limits on each."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from boostmon.sandbox.rules.language import (
    Rule,
    boolean,
    choice,
    filled,
    many,
    nullable,
    shape,
    snowflake,
    text,
    whole,
    wrong,
    wrong_at,
)
from boostmon.sandbox.world.errors import ControlError

Json = dict[str, Any]

ROW, BUTTON, STRING_SELECT = 1, 2, 3
USER_SELECT, ROLE_SELECT, MENTIONABLE_SELECT, CHANNEL_SELECT = 5, 6, 7, 8
LINK_BUTTON = 5
SELECTS = (STRING_SELECT, USER_SELECT, ROLE_SELECT, MENTIONABLE_SELECT, CHANNEL_SELECT)
_MOST_EMBED_TEXT, _MOST_ROWS = 6000, 5


def _url(*schemes: str) -> Rule:
    """Take a URL with one of *schemes*."""
    listed = ", ".join(repr(scheme) for scheme in schemes)

    def rule(value: Any) -> str:
        given: str = text(0, 2048)(value)
        scheme = given.partition(":")[0].lower() if ":" in given else ""
        if scheme not in schemes:
            message = f'Scheme "{scheme}" is not supported. Scheme must be one of ({listed}).'
            raise wrong("URL_TYPE_INVALID_SCHEME", message)
        if not re.fullmatch(r"\w+://[^\s/?#][^\s]*", given):
            raise wrong("URL_TYPE_INVALID_URL", "Not a well formed URL.")
        return given

    return rule


def _moment(value: Any) -> str:
    given: str = text()(value)
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        message = f'Could not parse "{given}". Should be ISO8601.'
        raise wrong("DATE_TIME_TYPE_PARSE", message) from error
    return moment.isoformat()


_LINK = nullable(_url("http", "https"))
_PICTURE_URL = nullable(_url("http", "https", "attachment"))
_PICTURE = shape(url=_PICTURE_URL)
_EMBED = shape(
    type=nullable(text()),
    title=nullable(text(0, 256)),
    description=nullable(text(0, 4096)),
    url=_LINK,
    color=nullable(whole(0, 0xFFFFFF)),
    timestamp=nullable(_moment),
    author=nullable(shape({"name": filled(256)}, url=_LINK, icon_url=_PICTURE_URL)),
    footer=nullable(shape({"text": filled(2048)}, icon_url=_PICTURE_URL)),
    image=nullable(_PICTURE),
    thumbnail=nullable(_PICTURE),
    fields=nullable(
        many(shape({"name": filled(256), "value": filled(1024)}, inline=nullable(boolean)), 25)
    ),
)


_SEEN = {"title", "description", "author", "footer", "image", "thumbnail", "fields", "timestamp"}


def _embed(value: Any) -> Json:
    if value in ({}, None):
        raise wrong("LIST_ITEM_VALUE_REQUIRED", "List item values of ModelType are required")
    embed = {key: given for key, given in _EMBED(value).items() if given is not None}
    for key in ("author", "footer", "image", "thumbnail"):
        if key in embed:
            embed[key] = {name: given for name, given in embed[key].items() if given is not None}
    for key in ("image", "thumbnail"):
        if not embed.get(key, {}).get("url"):
            embed.pop(key, None)
    if not embed.keys() & _SEEN:
        raise wrong_at(["description"], "BASE_TYPE_REQUIRED", "This field is required")
    for field in embed.get("fields", ()):
        field["inline"] = bool(field.get("inline"))
    return embed | {"type": "rich"}


def _embeds(value: Any) -> list[Json]:
    embeds: list[Json] = many(_embed, 10)(value)
    if sum(map(_length, embeds)) > _MOST_EMBED_TEXT:
        message = f"Embed size exceeds maximum size of {_MOST_EMBED_TEXT}"
        raise wrong("MAX_EMBED_SIZE_EXCEEDED", message)
    return embeds


def _length(embed: Json) -> int:
    counted = [embed.get("title", ""), embed.get("description", "")]
    counted += [embed.get("author", {}).get("name", ""), embed.get("footer", {}).get("text", "")]
    counted += [field[key] for field in embed.get("fields", ()) for key in ("name", "value")]
    return sum(map(len, counted))


_EMOJI = shape(id=nullable(snowflake), name=nullable(text(0, 100)), animated=nullable(boolean))
_BUTTON = shape(
    {"type": choice(BUTTON), "style": choice(1, 2, 3, 4, 5)},
    id=whole(0),
    label=nullable(text(0, 80)),
    custom_id=nullable(text(1, 100)),
    url=nullable(_url("http", "https", "discord")),
    emoji=nullable(_EMOJI),
    disabled=nullable(boolean),
)
_SELECT = shape(
    {"type": choice(*SELECTS), "custom_id": text(1, 100)},
    id=whole(0),
    placeholder=nullable(text(0, 150)),
    min_values=nullable(whole(0, 25)),
    max_values=nullable(whole(1, 25)),
    disabled=nullable(boolean),
    channel_types=nullable(many(whole(0, 16))),
    options=many(
        shape(
            {"label": text(1, 100), "value": text(1, 100)},
            description=nullable(text(0, 100)),
            emoji=nullable(_EMOJI),
            default=nullable(boolean),
        ),
        25,
        1,
    ),
)


def _component(value: Any) -> Json:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind in SELECTS:
        return select(value)
    return _button(_BUTTON(value))


def _button(button: Json) -> Json:
    button = {key: given for key, given in button.items() if given is not None}
    if button["style"] == LINK_BUTTON:
        if "url" not in button:
            raise wrong_at(["url"], "BASE_TYPE_REQUIRED", "This field is required")
    elif "custom_id" not in button:
        raise wrong_at(["custom_id"], "BASE_TYPE_REQUIRED", "A custom id is required")
    if "label" not in button and "emoji" not in button:
        raise wrong("BUTTON_COMPONENT_LABEL_REQUIRED", "A label or an emoji is required")
    return button


def select(value: Any) -> Json:
    """Take a select menu."""
    select = {key: given for key, given in _SELECT(value).items() if given is not None}
    select.setdefault("min_values", 1)
    select.setdefault("max_values", 1)
    if select["type"] != STRING_SELECT:
        select.pop("options", None)
        return select
    if "options" not in select:
        raise wrong_at(["options"], "BASE_TYPE_REQUIRED", "This field is required")
    values = [option["value"] for option in select["options"]]
    for index, one in enumerate(values):
        if one in values[:index]:
            code = "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED"
            message = "The specified option value is already used"
            raise wrong_at(["options", index, "value"], code, message)
    if select["max_values"] > len(values) or select["min_values"] > select["max_values"]:
        message = f"Must be between {select['min_values']} and {len(values)}."
        raise wrong_at(["max_values"], "SELECT_COMPONENT_MAX_VALUES_INVALID", message)
    return select


def check_chosen(part: Json, values: list[str]) -> list[str]:
    """Return *values* if the menu *part* offers them; a mistake is the person's, not the bot's."""
    if not part["min_values"] <= len(values) <= part["max_values"]:
        low, high = part["min_values"], part["max_values"]
        raise ControlError(f"choose {low} to {high} values")
    if part["type"] == STRING_SELECT:
        offered = {option["value"] for option in part["options"]}
        if not offered.issuperset(values):
            raise ControlError(f"the menu offers only {sorted(offered)}")
    return values


_ROW = shape({"type": choice(ROW), "components": many(_component, 5, 1)})


def _components(value: Any) -> list[Json]:
    rows: list[Json] = many(_ROW, _MOST_ROWS)(value)
    seen: set[str] = set()
    number = 0
    for index, row in enumerate(rows):
        kinds = [one["type"] for one in row["components"]]
        if len(kinds) > 1 and set(kinds) != {BUTTON}:
            message = "The specified component exceeds the maximum width"
            raise wrong_at([index], "COMPONENT_LAYOUT_WIDTH_EXCEEDED", message)
        number += 1
        row["id"] = number
        for place, one in enumerate(row["components"]):
            number += 1
            one.setdefault("id", number)
            custom_id = one.get("custom_id")
            if custom_id in seen:
                path: list[str | int] = [index, "components", place, "custom_id"]
                message = "Component custom id cannot be duplicated"
                raise wrong_at(path, "COMPONENT_CUSTOM_ID_DUPLICATED", message)
            seen |= {custom_id} if custom_id else set()
    return rows


def each_component(rows: list[Json]) -> Iterator[Json]:
    """Every button and select of a message."""
    return (one for row in rows for one in row["components"])


_NAMED = shape(
    parse=nullable(many(choice("users", "roles", "everyone"))),
    users=nullable(many(snowflake, 100)),
    roles=nullable(many(snowflake, 100)),
    replied_user=nullable(boolean),
)


def _allowed_mentions(value: Any) -> Json:
    allowed: Json = _NAMED(value)
    for key in ("users", "roles"):
        if key in (allowed.get("parse") or ()) and allowed.get(key):
            message = f'parse:["{key}"] and {key}: [ids...] are mutually exclusive.'
            raise wrong("MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", message)
    return allowed


def _nonce(value: Any) -> int | str:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    given: str = text(0, 25)(value)
    return given


_ATTACHMENT = shape(
    {"id": lambda value: str(whole(0)(value))},
    filename=nullable(text(1, 1024)),
    description=nullable(text(0, 1024)),
    title=nullable(text(0, 1024)),
)
BODY: dict[str, Rule] = {
    "content": nullable(text(0, 2000)),
    "embeds": nullable(_embeds),
    "components": nullable(_components),
    "allowed_mentions": nullable(_allowed_mentions),
    "attachments": nullable(many(_ATTACHMENT, 10)),
    "flags": nullable(whole(0)),
}
CREATE = shape(
    **BODY,
    tts=nullable(boolean),
    nonce=nullable(_nonce),
    enforce_nonce=nullable(boolean),
    message_reference=nullable(
        shape(
            message_id=snowflake,
            channel_id=nullable(snowflake),
            guild_id=nullable(snowflake),
            fail_if_not_exists=nullable(boolean),
            type=nullable(choice(0)),
        )
    ),
)
EDIT = shape(**BODY)
WEBHOOK = shape(**BODY, tts=nullable(boolean))
