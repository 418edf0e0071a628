"""Rules for commands: names, options, choices, sizes."""

import unicodedata
from typing import Any

from boostmon.sandbox.rules.language import (
    InvalidError,
    Rule,
    boolean,
    choice,
    many,
    mapping,
    nullable,
    number,
    shape,
    snowflake,
    text,
    whole,
    wrong,
    wrong_at,
)

Json = dict[str, Any]

CHAT_INPUT, ON_USER, ON_MESSAGE = 1, 2, 3
SUBCOMMAND, GROUP, STRING, INTEGER, CHANNEL, NUMBER = 1, 2, 3, 4, 7, 10
_LONGEST = 8000
_LOCALES = frozenset(
    (
        *(
            "id",
            "da",
            "de",
            "en-GB",
            "en-US",
            "es-ES",
            "es-419",
            "fr",
            "hr",
            "it",
            "lt",
            "hu",
            "nl",
        ),
        *("no", "pl", "pt-BR", "ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi"),
        *("th", "zh-CN", "ja", "zh-TW", "ko", "ar", "he"),
    )
)


def _slash_name(value: Any) -> str:
    """Take a name of 1 to 32 letters, digits, - _ ' in lower case where the script has cases."""
    name: str = text(1, 32)(value)
    if name != name.lower() or not all(_in_name(letter) for letter in name):
        raise wrong("APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
    return name


def _in_name(letter: str) -> bool:
    script = unicodedata.name(letter, "").split(" ")[0]
    return (
        letter in "-_'"
        or unicodedata.category(letter)[0] in "LN"
        or script in ("DEVANAGARI", "THAI")
    )


def _localized(rule: Rule) -> Rule:
    def localizations(value: Any) -> Json | None:
        if value is None:
            return None
        for locale in mapping(value):
            if locale not in _LOCALES:
                raise wrong_at([locale], "BASE_TYPE_CHOICES", f"{locale} is not a locale.")
        taken: Json = shape(**dict.fromkeys(value, rule))(value)
        return taken

    return localizations


_CHOICE_VALUES: dict[int, Rule] = {STRING: text(0, 100), INTEGER: whole(), NUMBER: number()}
_OPTION = shape(
    {"type": choice(*range(1, 12)), "name": _slash_name, "description": text(1, 100)},
    name_localizations=_localized(_slash_name),
    description_localizations=_localized(text(1, 100)),
    required=nullable(boolean),
    autocomplete=nullable(boolean),
    choices=nullable(many(mapping, 25)),
    options=nullable(many(mapping, 25)),
    channel_types=nullable(many(choice(0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15, 16))),
    min_value=nullable(number()),
    max_value=nullable(number()),
    min_length=nullable(whole(0, 6000)),
    max_length=nullable(whole(1, 6000)),
)


def _option(value: Any) -> Json:
    option: Json = {key: given for key, given in _OPTION(value).items() if given is not None}
    kind = option["type"]
    if option.get("autocomplete") and option.get("choices"):
        message = "Options with autocomplete cannot have choices"
        raise wrong_at(["choices"], "APPLICATION_COMMAND_OPTIONS_CHOICES_INVALID", message)
    if "choices" in option:
        option |= shape(choices=choices(kind))(option)
    if kind in (SUBCOMMAND, GROUP):
        option |= shape(options=_nested(kind))(option)
    for flag in ("required", "autocomplete"):
        if option.get(flag) is False:
            del option[flag]
    return option


def choices(kind: int) -> Rule:
    """Take the choices of an option of type *kind*, registered or answering an autocomplete."""
    value = _CHOICE_VALUES.get(kind)

    def rule(listed: Any) -> list[Any]:
        if value is None:
            message = "Choices are only for options of type string, integer or number"
            raise wrong("APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", message)
        each = shape(
            {"name": text(1, 100), "value": value}, name_localizations=_localized(text(1, 100))
        )
        taken: list[Any] = many(each, 25)(listed)
        names = [one["name"] for one in taken]
        if len(names) != len(set(names)):
            code = "APPLICATION_COMMAND_OPTIONS_CHOICE_NAME_DUPLICATE"
            raise wrong(code, "Option choice name is already used")
        return taken

    return rule


def _nested(kind: int) -> Rule:
    """Take the options of a sub-command, or the sub-commands of a group."""
    inner = range(3, 12) if kind == SUBCOMMAND else range(1, 2)

    def rule(listed: Any) -> list[Any]:
        nested = _options(listed)
        for index, option in enumerate(nested):
            if option["type"] not in inner:
                message = "Sub-commands and groups cannot be nested like this"
                code = "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID"
                raise wrong_at([index, "type"], code, message)
        return nested

    return rule


def _options(value: Any) -> list[Any]:
    listed: list[Any] = many(_option, 25)(value)
    seen: set[str] = set()
    optional = False
    kinds = {option["type"] in (SUBCOMMAND, GROUP) for option in listed}
    for index, option in enumerate(listed):
        if option["name"] in seen:
            code = "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS"
            raise wrong_at([index, "name"], code, "Option name already exists in these options")
        seen.add(option["name"])
        if option.get("required") and optional:
            message = "Required options must be placed before non-required options"
            raise wrong_at([index], "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", message)
        optional = optional or not option.get("required")
    if len(kinds) > 1:
        message = "Sub-command and sub-command group option types are mutually exclusive"
        raise wrong("APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", message + " to all other types")
    return listed


def _once(rule: Rule) -> Rule:
    """Take a list that *rule* takes, each thing once."""
    return lambda value: list(dict.fromkeys(rule(value)))


def _bits(value: Any) -> str | None:
    return None if value is None else str(whole(0, (1 << 54) - 1)(value))


_FIELDS: dict[str, Rule] = {
    "name_localizations": _localized(text(1, 32)),
    "description": nullable(text(0, 100)),
    "description_localizations": _localized(text(1, 100)),
    "options": nullable(_options),
    "default_member_permissions": _bits,
    "dm_permission": nullable(boolean),
    "contexts": nullable(_once(many(choice(0, 1, 2), 3, 1))),
    "integration_types": nullable(_once(many(choice(0, 1), 2, 1))),
    "nsfw": nullable(boolean),
    "id": nullable(snowflake),
}
_CREATE = shape({"name": text(1, 32)}, type=nullable(choice(1, 2, 3)), **_FIELDS)
EDIT = shape(name=text(1, 32), **_FIELDS)


def create(value: Any) -> Json:
    """Take a whole command."""
    return complete(_CREATE(value))


def complete(command: Json) -> Json:
    """Check what depends on the command's type, and its size as a whole."""
    command["type"] = command.get("type") or CHAT_INPUT
    command["description"] = command.get("description") or ""
    if command["type"] != CHAT_INPUT:
        if command["description"] or command.get("options"):
            message = "Context menu commands cannot have a description or options"
            raise wrong_at(["description"], "APPLICATION_COMMAND_INVALID_DESCRIPTION", message)
        return command
    errors: Json = {}
    for key, rule in (("name", _slash_name), ("description", text(1, 100))):
        try:
            rule(command[key])
        except InvalidError as error:
            errors[key] = error.errors
    if errors:
        raise InvalidError(errors)
    if _size(command) > _LONGEST:
        message = f"Command exceeds maximum size ({_LONGEST})"
        raise wrong("APPLICATION_COMMAND_TOO_LARGE", message)
    return command


def _size(thing: Json) -> int:
    """Count the characters of names, descriptions and values; the longest language counts."""
    total = 0
    for key in ("name", "description"):
        languages = (thing.get(f"{key}_localizations") or {}).values()
        total += max(map(len, [thing.get(key) or "", *languages]))
    total += len(str(thing.get("value", "")))
    return total + sum(_size(one) for key in ("options", "choices") for one in thing.get(key) or ())
