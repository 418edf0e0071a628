"""Durations: what is read, what is refused, how it is said, what is suggested."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from boostmon.bot.slash.autocomplete import USUAL, choices, ending, less, more
from boostmon.bot.wording.durations import parse, spoken
from boostmon.commands.decider import LONGEST
from boostmon.errors import DurationError
from boostmon.events.timer import DAY, HOUR, MINUTE

WEEK = 7 * DAY
SATURDAY_17 = 1_785_603_600_000  # Sat 1 Aug 2026 17:00 UTC


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90", 90 * MINUTE),
        ("1", MINUTE),
        ("0090", 90 * MINUTE),
        (" 90 ", 90 * MINUTE),
        ("1w2d3h4m", WEEK + 2 * DAY + 3 * HOUR + 4 * MINUTE),
        ("1d 12h", DAY + 12 * HOUR),
        ("1h30m", HOUR + 30 * MINUTE),
        ("30m1h", HOUR + 30 * MINUTE),
        ("2 days", 2 * DAY),
        ("1 hour", HOUR),
        ("1 week 2 days 3 hours 4 minutes", WEEK + 2 * DAY + 3 * HOUR + 4 * MINUTE),
        ("45 mins", 45 * MINUTE),
        ("2 hrs", 2 * HOUR),
        ("2 Days", 2 * DAY),
        ("1H", HOUR),
        ("0d 5m", 5 * MINUTE),
        ("1825d", LONGEST),
        ("2628000", LONGEST),
    ],
)
def test_reads(text: str, duration: int) -> None:
    assert duration == parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "0",
        "0h",
        "0h0m",
        "-5",
        "+5",
        "-1h",
        "1.5h",
        "1,5h",
        "0.5",
        "1/2h",
        "½h",
        "30s",
        "5 seconds",
        "1h30s",
        "٣",
        "५h",
        "１０",  # noqa: RUF001 - fullwidth digits are the point
        "²",
        "1h2h",
        "1h 1 hour",
        "1m1min",
        "1826d",
        "2628001",
        "9" * 90,
        "1" * 101,
        "1h" + " " * 200 + "1m",
        "1:30",
        "1mo",
        "1MO",
        "1M",
        "1h30M",
        "1h30",
        "30 1h",
        "1 000",
        "h",
        "1y",
        "1h, 30m",
        "1 hour and 5 minutes",
        "an hour",
        "1h\N{NO-BREAK SPACE}30m",
        "ⅿ",
        "1e3",
        "0x10",
        "1_000",
    ],
)
def test_refuses_with_examples(text: str) -> None:
    with pytest.raises(DurationError, match=r"`90`.*`1h30m`"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0", "at least a minute"),
        ("10 years", "no duration"),
        ("1826d", "more than 5 years"),
        ("30s", "Seconds"),
        ("1M", "minutes or months"),
        ("1h1h", "twice"),
    ],
)
def test_says_why(text: str, reason: str) -> None:
    with pytest.raises(DurationError, match=reason):
        parse(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        duration = parse(text)
    except DurationError:
        return
    assert 0 < duration <= LONGEST


@given(st.integers(1, LONGEST // MINUTE))
def test_what_is_said_reads_back(minutes: int) -> None:
    assert minutes * MINUTE == parse(spoken(minutes * MINUTE))


@given(st.integers(1, LONGEST // MINUTE))
def test_a_bare_integer_is_minutes(minutes: int) -> None:
    assert minutes * MINUTE == parse(str(minutes))


@given(
    amounts=st.dictionaries(st.sampled_from("wdhm"), st.integers(0, 40), min_size=1),
    gap=st.sampled_from(["", " ", "  "]),
)
def test_units_add_up_in_any_order(amounts: dict[str, int], gap: str) -> None:
    unit = {"w": WEEK, "d": DAY, "h": HOUR, "m": MINUTE}
    total = sum(number * unit[name] for name, number in amounts.items())
    text = gap.join(f"{number}{gap}{name}" for name, number in amounts.items())
    if total:
        assert total == parse(text)
    else:
        with pytest.raises(DurationError):
            parse(text)


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (90 * MINUTE, "1 hour 30 minutes"),
        (MINUTE, "1 minute"),
        (1, "1 minute"),
        (0, "0 minutes"),
        (MINUTE + 1, "2 minutes"),
        (HOUR, "1 hour"),
        (DAY, "1 day"),
        (16 * DAY + 2 * HOUR, "16 days 2 hours"),
        (HOUR - 1, "1 hour"),
    ],
)
def test_says(duration: int, words: str) -> None:
    assert words == spoken(duration)


def test_typing_shows_the_end_of_a_new_timer() -> None:
    shown = choices("1h30m", ending(SATURDAY_17))

    assert {"1h30m → ends Sat 18:30 UTC, in 1 hour 30 minutes": "1h30m"} == shown


def test_an_end_more_than_a_week_away_shows_its_date() -> None:
    shown = choices("10d", ending(SATURDAY_17))

    assert ["10d → ends Tue 11 Aug 2026 17:00 UTC, in 10 days"] == list(shown)
    assert ["7d → ends Sat 17:00 UTC, in 7 days"] == list(choices("7d", ending(SATURDAY_17)))


def test_typing_shows_what_is_added_or_removed() -> None:
    assert {"1h30m → 1 hour 30 minutes more": "1h30m"} == choices("1h30m", more)
    assert {"1h30m → 1 hour 30 minutes less": "1h30m"} == choices("1h30m", less)


def test_a_bare_number_is_shown_as_minutes_first_and_then_with_units() -> None:
    assert ["90", "90m", "90h", "90d", "90w"] == list(choices("90", more).values())


def test_an_unfinished_duration_is_completed() -> None:
    assert ["1h3m", "1h3d", "1h3w"] == list(choices("1h3", more).values())


@pytest.mark.parametrize("typed", ["", "  "])
def test_before_anything_is_typed_the_usual_durations_are_shown(typed: str) -> None:
    assert list(USUAL) == list(choices(typed, more).values())


@pytest.mark.parametrize("typed", ["1:30", "1M", "soon", "-5", "99y"])
def test_what_cannot_be_read_offers_nothing_that_enter_would_take_instead(typed: str) -> None:
    assert {} == choices(typed, more)


@given(typed=st.one_of(st.text(), st.text("0123456789 wdhm", max_size=120)), now=st.integers(0))
def test_every_choice_is_a_valid_duration_within_the_limits(typed: str, now: int) -> None:
    for meaning in (ending(now % (100 * 365 * DAY)), more, less):
        shown = choices(typed, meaning)
        assert len(shown) <= 25
        for name, value in shown.items():
            assert len(name) <= 100
            assert 1 <= len(value) <= 100
            assert parse(value) > 0
