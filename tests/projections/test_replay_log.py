"""What the whole log is read with: nothing of a text is lost on the way to its hash."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from struct import pack

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boostmon.database.connections.connection import session
from boostmon.events.chain import (
    MOST_FAULTS,
    Chain,
    Faults,
    Head,
    LoggedEvent,
    Seal,
    event_hash,
    hashed_texts,
    microseconds,
    parse_head,
)
from boostmon.events.log import LogParser, read_head, read_log

NASTY = st.text(
    st.one_of(
        st.sampled_from("\\\"'\n\r\t\b\f/{}[],:.N \x7f\x80\ufeff\u2028é😀"),
        st.characters(codec="utf-8", exclude_characters="\0"),
    ),
    max_size=30,
)
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
SOME_TIME = datetime(2026, 11, 22, 18, 30, 0, 123_456, tzinfo=UTC)

Texts = tuple[str, str | None, str, str]


def sent(texts: Texts, digest: bytes, name: bytes | None) -> bytes:
    """Return a row as COPY (FORMAT binary) sends it."""
    numbers = pack(">hiqiiiiihiq", 11, 8, 7, 4, 6, 4, 5, 2, 4, 8, 3)
    named = pack(">i", -1) if name is None else pack(">i", len(name)) + name
    return numbers + hashed_texts(texts) + pack(">i", len(digest)) + digest + named


@given(
    rows=st.lists(
        st.tuples(
            st.tuples(NASTY, st.none() | NASTY, NASTY, NASTY),
            st.binary(max_size=40),
            st.none() | st.binary(max_size=30),
        ),
        max_size=5,
    ),
    piece=st.integers(1, 400),
)
def test_a_stream_is_taken_apart_alike_in_whatever_pieces_it_comes(
    rows: list[tuple[Texts, bytes, bytes | None]], piece: int
) -> None:
    stream = HEADER + b"".join(sent(*row) for row in rows) + TRAILER
    parser = LogParser()

    found = [
        event
        for start in range(0, len(stream), piece)
        for event in parser.feed(stream[start : start + piece])
    ]

    assert [
        LoggedEvent(7, 6, 5, 4, 3, texts[0].encode(), hashed_texts(texts), digest, name)
        for texts, digest, name in rows
    ] == found


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(commands=st.lists(st.tuples(NASTY, NASTY), min_size=1, max_size=5))
def test_any_text_gets_the_hash_that_postgresql_gives_it(
    owner_url: str, commands: list[tuple[str, str]]
) -> None:
    asyncio.run(_written_and_read(owner_url, commands))


async def _written_and_read(owner_url: str, commands: Sequence[tuple[str, str]]) -> None:
    faults = Faults()
    chain, data = Chain(faults, Seal()), list[str]()

    async with session(owner_url) as owner:
        transaction = owner.transaction()
        await transaction.start()
        await owner.execute("INSERT INTO people (user_id) VALUES ('1')")
        await owner.execute("INSERT INTO streams SELECT 1, '1', max(person_id), '1' FROM people")
        previous = b""
        for position, (text, command_id) in enumerate(commands, start=1):
            document = ' {"text" :\n' + msgspec.json.encode(text).decode() + "}"
            previous = await owner.fetchval(
                INSERT, previous, position, document, f"{position} {command_id}"
            )
            data.append(document)
        read: list[str] = []
        await read_log(
            owner,
            until=len(commands),
            take=lambda events: read.extend(
                event.data.decode() for event in events if chain.follow(event)
            ),
        )
        assert Head(len(commands), previous) == await read_head(owner) == chain.head
        await transaction.rollback()
    assert data == read


INSERT = """
INSERT INTO events
SELECT $2::bigint, 1, $2::int, $3::text::json, person_id, 'cli', $4::text, 0, now(),
    event_hash(
        $1::bytea, $2::bigint, 1, $2::int, 0::smallint, now(), $3::text, person_id, 'cli', $4
    )
FROM people
RETURNING hash
"""


async def test_reading_ends_at_the_position_asked_for(owner: asyncpg.Connection) -> None:
    await owner.execute("INSERT INTO people (user_id) VALUES ('1')")
    await owner.execute("INSERT INTO streams SELECT 1, '1', max(person_id), '1' FROM people")
    previous = b""
    for position in (1, 2, 3):
        previous = await owner.fetchval(INSERT, previous, position, "{}", str(position))

    read: list[int] = []
    await read_log(
        owner, until=2, take=lambda events: read.extend(event.position for event in events)
    )

    assert [1, 2] == read


async def test_the_head_of_an_empty_log_stands_for_nothing(owner: asyncpg.Connection) -> None:
    assert Head() == await read_head(owner) == parse_head("0:")


def test_a_head_is_read_as_it_is_written() -> None:
    head = Head(10, bytes(range(32)))
    assert head == parse_head(str(head)) == parse_head(f" {head} ".upper())


@pytest.mark.parametrize(
    "text",
    [
        *("", ":", "5", "5:", "5:abc", f"-1:{'a' * 64}", f"05:{'a' * 64}", f"5:{'g' * 64}"),
        *("0:aa", f"5:{'a' * 63}", f"5:{'a' * 65}", f"{'9' * 19}:{'a' * 64}", f"\u0665:{'a' * 64}"),
    ],
)
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{'.*' if text else ''}$"):
        parse_head(text)


def test_the_hash_covers_every_field() -> None:
    numbers, texts = (1, 2, 3, 4, 5), hashed_texts(("a", None, "b", "c"))
    base = event_hash(b"", numbers, texts)
    changed = [tuple(n + (at == place) for at, n in enumerate(numbers)) for place in range(5)]
    moved = (("ab", None, "", "c"), ("a", "", "b", "c"), ("a", None, "bc", ""))
    others = [
        event_hash(b"x", numbers, texts),
        *(event_hash(b"", other, texts) for other in changed),
        *(event_hash(b"", numbers, hashed_texts(other)) for other in moved),
        event_hash(b"", numbers, texts, b"x"),
    ]
    assert base not in others
    assert len(others) == len(set(others))


def test_a_moment_is_exact_to_the_microsecond() -> None:
    assert microseconds(SOME_TIME) + 1 == microseconds(SOME_TIME + timedelta(microseconds=1))


def test_of_very_many_faults_the_first_are_told_and_the_rest_counted() -> None:
    faults = Faults()
    for number in range(MOST_FAULTS + 5):
        faults.note(str(number))
    told = faults.told()
    assert (["0", "1"], "and 5 more", MOST_FAULTS + 1) == (told[:2], told[-1], len(told))
