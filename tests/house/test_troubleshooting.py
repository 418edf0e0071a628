"""The pages, in step with what the program says when something fails."""

import re

import pytest

from boostmon import errors
from tests.support.places import ROOT
from tests.support.sentences import Sentence, pattern, plain, sentences

PAGE = ROOT / "docs/troubleshooting.md"
TEXT = "\n".join(
    plain(line)
    for path in sorted((ROOT / "docs").glob("*.md"))
    for line in path.read_text(encoding="utf-8").splitlines()
)
NO_FAILURE = {  # how these begin: results, progress, and what no person reads as a sentence
    "\nThe page stays",
    "\n[bold]To go on",
    "(7263111::bigint",
    "Discord answered a request with an error; *code*",  # a docstring that no message lacks
    "Discord was found to show other roles than the log within a day",
    "Discord was not found to show other roles than the log",
    "PostgreSQL … in …, run by another process",
    "The bot reads their members within ten minutes of quiet",
    "The page is at",
    "Timers end by … clock, which agrees with",
    "The timers of … end, their roles are taken",
    "ApplicationName connectTimeout",  # names of parameters, as the next ones
    "adapter checkout_timeout",
    "async_fallback max_overflow",
    "authtype channel_binding",
    "connection_limit pgbouncer",
    "default_query_exec_mode",
    "and more, which --json has",
    "cleared: the person was erased",
    "cleared: the role was deleted",
    "cleared: the server was given up",
    "cleared: the role was taken by hand",
    "erased, … ended",
    "looking at the database",
    "looking at the settings",
    "nothing was done to a timer since",
    "only the first … are shown; --json has all",
    "only the first … are shown; --json has more",
    "read from the member",
    "set, and kept secret",
    "stuck: …, … since",
    "the roles that have timers",
    "the timer was cleared (…)",
    "this database is that of … already",
    "this database is that of … now",
    "voice will NOT be supported",
    "waiting for Discord, … owed",
    "{task.completed",
    "… added, which started it",
    "… ended, … owed no longer",
    "… events exported to",
    "… events …imported",
    "… migrations applied",
    "… timers at … UTC",
    "… will be given back",
    "…: overtaken by a later change",
}
ALL = sentences()


def fails(sentence: Sentence) -> bool:
    return not sentence.text.startswith(tuple(NO_FAILURE))


def test_every_sentence_of_a_failure_stands_on_a_page() -> None:
    failures = [one for one in ALL if fails(one)]
    missing = [f"{one.place}: {one.text}" for one in failures if not pattern(one).search(TEXT)]

    assert [] == missing
    assert len(failures) > 300


def test_what_is_taken_for_no_failure_is_still_said() -> None:
    gone = {start for start in NO_FAILURE if not any(one.text.startswith(start) for one in ALL)}

    assert set() == gone


@pytest.mark.parametrize(
    "kind",
    [kind for name, kind in vars(errors).items() if name.endswith("Error")],
    ids=lambda kind: kind.__name__,
)
def test_the_sentence_of_an_error_stands_in_troubleshooting(kind: type[Exception]) -> None:
    sentence = plain(kind.__doc__ or "")

    assert sentence in plain(PAGE.read_text(encoding="utf-8"))


def test_the_reader_of_the_source_finds_what_is_said_and_nothing_else() -> None:
    texts = {one.text for one in ALL}

    assert "Discord did not answer within … s" in texts  # put together
    assert "is no object (…)" in texts  # a short reason of a refusal
    assert "Say what a refused direct message means." not in texts  # a docstring
    assert "The Server Members Intent is granted." not in texts  # green


def test_the_rows_of_a_table_have_as_many_cells_as_its_head() -> None:
    tables = re.findall(r"(?:^\|.*\n)+", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    assert [1] * len(tables) == [len({row.count("|") for row in t.splitlines()}) for t in tables]
    assert len(tables) > 10
