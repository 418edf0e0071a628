"""JSON from elsewhere: a key that is there twice shows, and a number of any length is read."""

import json
from collections.abc import Iterator
from json import JSONDecodeError

from boostmon.events.nesting import refuse_deep

LONGEST_INTEGER = 20  # digits; Python refuses to read one of thousands
LONGEST_SHOWN = 40
SPACES = frozenset(" \t\r\n")


class DoubledObject(dict[str, object]):
    """A JSON object that has the key *twice* more than once."""

    twice = ""


def decode(text: str) -> object:
    """Return the document in *text*; raise `JSONDecodeError` or `RecursionError`."""
    refuse_deep(text)
    return _decoder.decode(text)


def members(text: str) -> Iterator[tuple[str, object]]:
    """Yield the members of the object that is *text* one by one; raise as `decode` does.

    So the document never stands in memory whole.
    """
    at = _past(text, 0, "{")
    more = text[at : at + 1] != "}"
    at = at if more else _past(text, at, "}")
    while more:
        key, end = _decoder.raw_decode(text, at)
        if not isinstance(key, str):
            raise JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
        begin = _past(text, end, ":")
        try:
            value, end = _decoder.raw_decode(text, begin)
        except JSONDecodeError:
            refuse_deep(text[begin:])
            raise
        refuse_deep(text[begin:end])
        yield key, value
        at = _after_space(text, end)
        more = text[at : at + 1] == ","
        at = _past(text, at, "," if more else "}")
    if at < len(text):
        raise JSONDecodeError("Extra data", text, at)


def shown(value: object) -> str:
    """Return *value* of a document for a sentence: in ASCII, and short."""
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            text = json.dumps(value)
            return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _past(text: str, at: int, wanted: str) -> int:
    """Return the place behind *wanted*, which must come next, and behind the space around it."""
    at = _after_space(text, at)
    if text[at : at + 1] != wanted:
        raise JSONDecodeError(f"Expecting {wanted!r}", text, at)
    return _after_space(text, at + 1)


def _after_space(text: str, at: int) -> int:
    while text[at : at + 1] in SPACES:
        at += 1
    return at


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    document = dict(pairs)
    if len(document) == len(pairs):
        return document
    doubled, seen = DoubledObject(document), set[str]()
    for key, _ in pairs:
        if key in seen:
            doubled.twice = key
        seen.add(key)
    return doubled


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= LONGEST_INTEGER else float(digits)


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_int=_number)
