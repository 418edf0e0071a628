"""The small language that describes request bodies, and Discord's words when one is wrong."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from boostmon.sandbox.world.errors import invalid
from boostmon.sandbox.world.snowflakes import is_snowflake

Rule = Callable[[Any], Any]
"""Takes a value, returns it as the handlers want it, or raises `InvalidError`."""


class InvalidError(Exception):
    """A value breaks a rule; `errors` nests as Discord nests them."""

    def __init__(self, errors: dict[str, Any]) -> None:
        super().__init__(str(errors))
        self.errors = errors


def wrong(code: str, message: str) -> InvalidError:
    """Return one complaint about the value at hand."""
    return InvalidError({"_errors": [{"code": code, "message": message}]})


def wrong_at(path: Iterable[str | int], code: str, message: str) -> InvalidError:
    """Return one complaint about what lies at *path*."""
    errors = wrong(code, message).errors
    for step in reversed(list(path)):
        errors = {str(step): errors}
    return InvalidError(errors)


def check(rule: Rule, value: Any) -> Any:
    """Return *value* as *rule* reads it, or refuse with 50035."""
    try:
        return rule(value)
    except InvalidError as error:
        raise invalid(error.errors) from error


def text(low: int = 0, high: int | None = None, *, pattern: str | None = None) -> Rule:
    """Take a string of *low* to *high* characters."""

    def rule(value: Any) -> str:
        if not isinstance(value, str):
            raise wrong("STRING_TYPE_CONVERT", f'Could not interpret "{value}" as string.')
        if high is not None and low and not low <= len(value) <= high:
            raise wrong("BASE_TYPE_BAD_LENGTH", f"Must be between {low} and {high} in length.")
        if high is not None and len(value) > high:
            raise wrong("BASE_TYPE_MAX_LENGTH", f"Must be {high} or fewer in length.")
        if len(value) < low:
            raise wrong("BASE_TYPE_MIN_LENGTH", f"Must be {low} or more in length.")
        if pattern and not re.fullmatch(pattern, value):
            raise wrong("STRING_TYPE_REGEX", "String value did not match validation regex.")
        return value

    return rule


def filled(high: int) -> Rule:
    """Take a string that says something: nothing, or only spaces, is as if it were not there."""
    rule = text(0, high)

    def said(value: Any) -> Any:
        taken = rule(value)
        if not taken.strip():
            raise missing()
        return taken

    return said


def missing() -> InvalidError:
    """Return the complaint about what should be there."""
    return wrong("BASE_TYPE_REQUIRED", "This field is required")


def whole(low: int | None = None, high: int | None = None) -> Rule:
    """Take an integer; digits in a string will do, too."""

    def rule(value: Any) -> int:
        number = _integer(value)
        if number is None:
            raise wrong("NUMBER_TYPE_COERCE", f'Value "{value}" is not int.')
        _within(number, low, high, "int")
        return number

    return rule


def _integer(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,19}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def number(low: float | None = None, high: float | None = None) -> Rule:
    """Take an integer or a fraction."""

    def rule(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise wrong("NUMBER_TYPE_COERCE", f'Value "{value}" is not float.')
        _within(value, low, high, "float")
        return value

    return rule


def _within(value: float, low: float | None, high: float | None, kind: str) -> None:
    if low is not None and value < low:
        message = f"{kind} value should be greater than or equal to {low}."
        raise wrong("NUMBER_TYPE_MIN", message)
    if high is not None and value > high:
        raise wrong("NUMBER_TYPE_MAX", f"{kind} value should be less than or equal to {high}.")


def boolean(value: Any) -> bool:
    """Take true or false."""
    if not isinstance(value, bool):
        raise wrong("BOOLEAN_TYPE_CONVERT", "Must be either true or false.")
    return value


def snowflake(value: Any) -> str:
    """Take an id, as a string or as a number."""
    if not is_snowflake(value):
        raise wrong("NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')
    return str(value)


def choice(*allowed: Any) -> Rule:
    """Take one of *allowed*."""

    def rule(value: Any) -> Any:
        if isinstance(value, bool) or value not in allowed:
            listed = ", ".join(str(one) for one in allowed)
            raise wrong("BASE_TYPE_CHOICES", f"Value must be one of {{{listed}}}.")
        return value

    return rule


def nullable(rule: Rule) -> Rule:
    """Take null, or what *rule* takes."""

    def either(value: Any) -> Any:
        return None if value is None else rule(value)

    return either


def many(rule: Rule, high: int | None = None, low: int = 0) -> Rule:
    """Take a list of *low* to *high* things."""

    def listed(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise wrong("LIST_TYPE_CONVERT", "Only iterables may be used in a ListType")
        if high is not None and not low <= len(value) <= high:
            if low:
                raise wrong("BASE_TYPE_BAD_LENGTH", f"Must be between {low} and {high} in length.")
            raise wrong("BASE_TYPE_MAX_LENGTH", f"Must be {high} or fewer in length.")
        taken: list[Any] = []
        errors: dict[str, Any] = {}
        for index, one in enumerate(value):
            _collect(errors, str(index), rule, one, taken.append)
        if errors:
            raise InvalidError(errors)
        return taken

    return listed


def _collect(
    errors: dict[str, Any], key: str, rule: Rule, value: Any, keep: Callable[[Any], None]
) -> None:
    try:
        keep(rule(value))
    except InvalidError as error:
        errors[key] = error.errors


def mapping(value: Any) -> dict[str, Any]:
    """Take an object, whatever is in it."""
    if not isinstance(value, dict):
        raise wrong("MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType")
    return value


def shape(required: Mapping[str, Rule] | None = None, /, **optional: Rule) -> Rule:
    """Take an object with these keys; others are ignored, as Discord ignores them."""
    needed = required or {}

    def rule(value: Any) -> dict[str, Any]:
        given = mapping(value)
        errors: dict[str, Any] = {key: missing().errors for key in needed if given.get(key) is None}
        taken: dict[str, Any] = {}
        for key, inner in (*needed.items(), *optional.items()):
            if key in given and key not in errors:
                _collect(errors, key, inner, given[key], lambda v, k=key: taken.update({k: v}))  # type: ignore[misc] # a lambda's default has no type
        if errors:
            raise InvalidError(errors)
        return taken

    return rule
