"""How deep JSON may be nested is our own bound, and not the interpreter's."""

from contextlib import AbstractContextManager, nullcontext

import pytest

from boostmon.commands.imports import strict_json
from boostmon.events.nesting import DEEPEST, refuse_deep

REFUSED = pytest.raises(RecursionError, match=f"nested deeper than {DEEPEST}")
KINDS = {"list": ("[", "]"), "object": ('{"a":', "}"), "both": ('[{"[":', "}]")}


@pytest.mark.parametrize("more", [0, 1])
@pytest.mark.parametrize("kind", KINDS)
def test_the_bound_is_the_last_depth_that_is_read(kind: str, more: int) -> None:
    begin, end = KINDS[kind]
    times = DEEPEST // (1 + begin.startswith("[{")) + more
    text = begin * times + "1" + end * times
    expected: AbstractContextManager[object] = REFUSED if more else nullcontext()

    with expected:
        strict_json.decode(text)
    with expected:
        list(strict_json.members(f'{{"user": {text}}}'))


@pytest.mark.parametrize(
    "text",
    ["[" + "[]," * 1000 + "1]", '"' + "[" * 1000 + '"', r'"\"' + "{" * 1000 + r'\\"'],
    ids=["beside each other", "in a string", "behind an escaped quote"],
)
def test_brackets_that_are_not_in_each_other_do_not_count(text: str) -> None:
    refuse_deep(text)
    strict_json.decode(text)


def test_what_ends_in_the_middle_is_too_deep_before_it_is_broken() -> None:
    with REFUSED:
        list(strict_json.members('{"user": ' + "[" * 2 * DEEPEST))


def test_a_text_made_to_take_long_is_read_once() -> None:
    refuse_deep("[]" * 2 * DEEPEST + '"' + r"\"" * 1_000_000)
