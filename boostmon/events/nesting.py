"""Bounds how deep JSON from elsewhere may be nested, alike for every Python."""

import re

DEEPEST = 200  # lists and objects in each other; what BoostMon reads has 4
_MARKS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def refuse_deep(text: str) -> None:
    """Raise `RecursionError`, as decoders do, where JSON is nested deeper than `DEEPEST`."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    for mark in _MARKS.finditer(text):
        if mark[0] in ("[", "{"):
            depth += 1
        elif mark[0] in ("]", "}"):
            depth -= 1
        if depth > DEEPEST:
            raise RecursionError(f"nested deeper than {DEEPEST}")
