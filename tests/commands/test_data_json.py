"""The JavaScript bot's data.json: every shape it had, and what is refused with which words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boostmon.commands.decider import LONGEST
from boostmon.commands.imports import data_json, strict_json
from boostmon.commands.imports.data_json import Server, read_file
from boostmon.commands.imports.import_shapes import (
    DISCORD_BEGAN,
    ImportedTimer,
    Judge,
    Judged,
    events_of,
    refuse_absurd,
    refuse_unknown_roles,
)
from boostmon.errors import ImportRefusedError
from boostmon.events.nesting import DEEPEST
from boostmon.events.timer import DAY, HOUR, MINUTE, OnHold, Running, TimerId, fold
from tests.support.places import TESTS
from tests.support.timers import CHANNEL, GUILD, ROLE, M

NOW = 1_700_000_000_000
USER = "1200000000000000001"
OTHER_ROLE = "1100000000000000005"
END = NOW + 3 * HOUR
RUNNING = {
    "expiresAt": END,
    "warnChannelId": CHANNEL,
    "warningsSent": {},
    "paused": False,
    "pausedAt": None,
    "pausedRemainingMs": 0,
}
PAUSED = RUNNING | {"paused": True, "pausedAt": NOW - HOUR, "pausedRemainingMs": 20 * MINUTE}
TIMERS = TESTS / "data" / "data_json"

Write = Callable[[Any], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a data.json and return where."""

    def written(document: Any) -> Path:
        path = tmp_path / "data.json"
        match document:
            case bytes():
                path.write_bytes(document)
            case str():
                path.write_text(document, encoding="utf-8")
            case _:
                path.write_text(json.dumps(document))
        return path

    return written


def entry(fields: Any, user: str = USER) -> dict[str, Any]:
    return {user: {"roles": {ROLE: fields}}}


def read(path: Path, role_id: str | None = None) -> list[ImportedTimer]:
    return list(read_file(path, Server(GUILD, role_id)).timers)


def the_one(path: Path, role_id: str | None = None) -> ImportedTimer:
    (timer,) = read(path, role_id)
    return timer


def refusal(path: Path) -> str:
    with pytest.raises(ImportRefusedError) as caught:
        read(path)
    sentence = str(caught.value)
    assert sentence.startswith(str(path))
    assert sentence.endswith("; nothing was written.")
    return sentence.removeprefix(str(path)).removesuffix("; nothing was written.").lstrip(": ")


# What each shape means.


def test_each_member_of_a_file_may_have_another_shape() -> None:
    told = {
        (t.timer.user_id, t.timer.role_id): (t.expires_at, t.paused_at, t.remaining_ms, t.warned)
        for t in read(TIMERS / "every_shape.json", ROLE)
    }

    assert {
        ("1200000000000000001", ROLE): (1767225600000, None, None, ()),
        ("1200000000000000002", ROLE): (1767225600000, None, None, (60,)),
        ("1200000000000000003", OTHER_ROLE): (1767225600000, None, None, ()),
        ("1200000000000000004", OTHER_ROLE): (1767225600000, None, None, ()),
        ("1200000000000000005", OTHER_ROLE): (1767225600000, None, None, (60, 10)),
        ("1200000000000000006", OTHER_ROLE): (1767225600000, None, None, ()),
        ("1200000000000000007", OTHER_ROLE): (None, 1767220000000, 1200000, ()),
        ("1200000000000000008", OTHER_ROLE): (None, 1767220000000, 1200000, ()),
        ("1200000000000000009", OTHER_ROLE): (0, None, None, ()),
        ("1200000000000000010", ROLE): (1767225600000, None, None, ()),
        ("1200000000000000010", OTHER_ROLE): (1767229200000, None, None, ()),
    } == told


def test_the_oldest_shape_takes_the_role_that_is_given(write: Write) -> None:
    imported = the_one(write({USER: {"expiresAt": END}}), ROLE)

    assert (TimerId(GUILD, USER, ROLE), END) == (imported.timer, imported.expires_at)


def test_the_oldest_shape_needs_a_role(write: Write) -> None:
    sentence = refusal(write({USER: {"expiresAt": END}}))

    assert f'"{USER}" is of the oldest shape, which names no role; name it with --role ID' == (
        sentence
    )


def test_roles_win_over_an_end_beside_them(write: Write) -> None:
    path = write({USER: {"expiresAt": END - HOUR, "roles": {ROLE: {"expiresAt": END}}}})

    assert END == the_one(path).expires_at


@pytest.mark.parametrize("rest", [{}, {"roles": {}}, {"roles": None}, {"roles": {}, "x": 1}])
def test_a_member_without_timers_is_nobody(rest: Any, write: Write) -> None:
    assert [] == read(write({USER: rest}))


def test_an_empty_object_has_no_timers(write: Write) -> None:
    assert [] == read(write(" { } "))


def test_a_pause_that_was_not_finished_is_none(write: Write) -> None:
    imported = the_one(write(entry({"expiresAt": END, "pausedAt": NOW})))

    assert (END, None, None) == (imported.expires_at, imported.paused_at, imported.remaining_ms)


@pytest.mark.parametrize(
    "fields",
    [
        PAUSED,
        {"paused": True, "paused_at": NOW - HOUR, "paused_remaining_ms": 20 * MINUTE},
        {"paused": True, "pausedAt": NOW - HOUR, "expiresAt": NOW - HOUR + 20 * MINUTE},
        PAUSED | {"paused_at": 5, "paused_remaining_ms": 5},
        PAUSED | {"pausedAt": None, "paused_at": NOW - HOUR},
    ],
    ids=["camelCase", "snake_case", "no remainder", "both spellings", "one of each"],
)
def test_a_pause_is_understood_in_every_spelling(fields: Any, write: Write) -> None:
    imported = the_one(write(entry(fields)))

    assert (NOW - HOUR, 20 * MINUTE) == (imported.paused_at, imported.remaining_ms)
    assert imported.expires_at is None


@pytest.mark.parametrize("paused_at", [None, 0])
def test_a_pause_of_unknown_beginning_begins_with_the_import(paused_at: Any, write: Write) -> None:
    imported = the_one(write(entry(PAUSED | {"pausedAt": paused_at})))
    state = fold(events_of(imported, now=NOW, warning_minutes=M))

    assert isinstance(state, OnHold)
    assert (NOW, 20 * MINUTE) == (state.paused_at, state.remaining_ms)


def test_every_field_may_be_spelled_in_snake_case(write: Write) -> None:
    fields = {"expires_at": END, "warn_channel_id": CHANNEL, "warnings_sent": {"10": True}}
    imported = the_one(write(entry(fields)))

    assert (END, CHANNEL, (10,)) == (
        imported.expires_at,
        imported.warn_channel_id,
        imported.warned,
    )


def test_a_byte_order_mark_is_no_part_of_the_file(write: Write) -> None:
    assert END == the_one(write(b"\xef\xbb\xbf" + json.dumps(entry(RUNNING)).encode())).expires_at


def test_the_events_of_a_warned_timer_announce_nothing_again(write: Write) -> None:
    fields = RUNNING | {"expiresAt": NOW + 50 * MINUTE, "warningsSent": {"60": True, "1": False}}
    state = fold(events_of(the_one(write(entry(fields))), now=NOW, warning_minutes=M))

    assert isinstance(state, Running)
    assert (frozenset({60}), frozenset({10, 1})) == (state.warned, state.ahead)


# What is refused, and how.

BAD = {
    "empty": ("", "is not JSON, it is empty"),
    "only a mark": (b"\xef\xbb\xbf \n", "is not JSON, it is empty"),
    "no JSON": ("hello", "is not JSON: Expecting value (line 1, column 1)"),
    "cut off": (
        '{"1": \n{"roles": ',
        "is not JSON: it ends in the middle (line 2, column 11), copy it again",
    ),
    "cut off in a string": (
        '{"1": {"ro',
        "is not JSON: it ends in the middle (line 1, column 8), copy it again",
    ),
    "cut off between members": (
        f'{{"{USER}": {{}},',
        "is not JSON: it ends in the middle (line 1, column 28), copy it again",
    ),
    "a comma too many": (
        f'{{"{USER}": {{}},}}',
        "is not JSON: Expecting value (line 1, column 28)",
    ),
    "no comma": (f'{{"{USER}": {{}} "2": {{}}}}', "is not JSON: Expecting '}' (line 1, column 28)"),
    "no colon": (f'{{"{USER}" {{}}}}', "is not JSON: Expecting ':' (line 1, column 24)"),
    "more behind it": ("{} {}", "is not JSON: Extra data (line 1, column 4)"),
    "more behind members": (
        f'{{"{USER}": {{}}}} x',
        "is not JSON: Extra data (line 1, column 29)",
    ),
    "a name that is no string": (
        "{1: {}}",
        "is not JSON: Expecting property name enclosed in double quotes (line 1, column 2)",
    ),
    "UTF-16": ("{}".encode("utf-16"), "is not UTF-8 text (byte 0); save it as UTF-8"),
    "a list": ([], "the file is no object (a list)"),
    "null": ("null", "the file is no object (null)"),
    "too deep": ('{"1":' * 100_000, "is nested too deeply for a data.json"),
    "deeper than our own bound": (
        f'{{"{USER}":' + "[" * (DEEPEST + 1) + "]" * (DEEPEST + 1) + "}",
        "is nested too deeply for a data.json",
    ),
    "too deep lists": (f'{{"{USER}":' + "[" * 100_000, "is nested too deeply for a data.json"),
    "user no id": ({"mona": {}}, '"mona" in the file is no id of Discord'),
    "user too large": ({"9" * 20: {}}, f'"{"9" * 20}" in the file is no id of Discord'),
    "user begins with 0": ({"012": {}}, '"012" in the file is no id of Discord'),
    "user twice": (f'{{"{USER}": {{}}, "{USER}": {{}}}}', f'the file has "{USER}" twice'),
    "user is null": ({USER: None}, f'"{USER}" is no object (null)'),
    "of no shape": ({USER: {"ends": 5}}, f'"{USER}" has neither "roles" nor "expiresAt"'),
    "roles is a list": ({USER: {"roles": [1]}}, f'"{USER}".roles is no object (a list)'),
    "roles twice": (
        f'{{"{USER}": {{"roles": {{}}, "roles": {{}}}}}}',
        f'"{USER}" has "roles" twice',
    ),
    "role no id": (
        {USER: {"roles": {"VIP": RUNNING}}},
        f'"VIP" in "{USER}".roles is no id of Discord',
    ),
    "role twice": (
        f'{{"{USER}": {{"roles": {{"{ROLE}": {{}}, "{ROLE}": {{}}}}}}}}',
        f'"{USER}".roles has "{ROLE}" twice',
    ),
    "everyone": (
        {USER: {"roles": {GUILD: RUNNING}}},
        f'"{USER}".roles."{GUILD}" is the role @everyone, which cannot be timed',
    ),
    "no text of a terminal": ({"\x1b[31m\ud800": {}}, r'"\u001b[31m\ud800" in the file is no id'),
}
AT = f'"{USER}".roles."{ROLE}"'
BAD_FIELDS = {
    "no end": ({}, ' has no "expiresAt"'),
    "a timer that is null": (None, " is no object (null)"),
    "a time in words": ({"expiresAt": "soon"}, '.expiresAt is no time in milliseconds ("soon")'),
    "a time as a string": (
        {"expiresAt": str(END)},
        f'.expiresAt is no time in milliseconds ("{END}',
    ),
    "a negative time": ({"expiresAt": -1}, ".expiresAt is no time in milliseconds (-1)"),
    "a boolean": ({"expiresAt": True}, ".expiresAt is no time in milliseconds (true)"),
    "a fraction": ({"expiresAt": END + 0.5}, f".expiresAt is no time in milliseconds ({END}.5)"),
    "not a number": ({"expiresAt": float("nan")}, ".expiresAt is no time in milliseconds (NaN)"),
    "no end of it": ({"expiresAt": float("inf")}, ".expiresAt is no time in milliseconds (Infi"),
    "a large number": ({"expiresAt": 1 << 60}, ".expiresAt is no time in milliseconds (11529"),
    "a list": ({"expiresAt": [END]}, ".expiresAt is no time in milliseconds (a list)"),
    "seconds": (
        {"expiresAt": END // 1000},
        ".expiresAt is no time in milliseconds (1700010800), but one before Discord began in 2015",
    ),
    "a channel's name": (
        RUNNING | {"warnChannelId": "general"},
        '.warnChannelId is no id of Discord ("general")',
    ),
    "a channel as a number": (
        RUNNING | {"warnChannelId": int(CHANNEL)},
        f".warnChannelId is no id of Discord ({CHANNEL})",
    ),
    "warnings in words": (
        RUNNING | {"warningsSent": {"soon": True}},
        '.warningsSent names no minutes ("soon")',
    ),
    "a warning at 0": (RUNNING | {"warningsSent": {"0": True}}, ".warningsSent names no minutes"),
    "a warning in years": (
        RUNNING | {"warningsSent": {"2628001": True}},
        '.warningsSent names no minutes ("2628001")',
    ),
    "a warning in digits of elsewhere": (
        RUNNING | {"warningsSent": {"٦٠": True}},
        r'.warningsSent names no minutes ("\u0666\u0660")',
    ),
    "warnings in a list": (
        RUNNING | {"warningsSent": [60]},
        ".warningsSent is no object (a list)",
    ),
    "a warning perhaps": (
        RUNNING | {"warningsSent": {"60": "yes"}},
        '.warningsSent."60" is neither true nor false ("yes")',
    ),
    "many warnings": (
        RUNNING | {"warningsSent": {str(n): True for n in range(1, 102)}},
        ".warningsSent names more than 100 warnings",
    ),
    "paused perhaps": (
        RUNNING | {"paused": "true"},
        '.paused is neither true nor false ("true")',
    ),
    "paused in numbers": (RUNNING | {"paused": 1}, ".paused is neither true nor false (1)"),
    "paused, no more": ({"paused": True}, ' is paused and has no "pausedRemainingMs"'),
    "paused, only an end": (
        {"paused": True, "expiresAt": END},
        ' is paused and has no "pausedRemainingMs"',
    ),
    "a negative remainder": (
        PAUSED | {"pausedRemainingMs": -5},
        ".pausedRemainingMs is no amount of milliseconds (-5)",
    ),
    "a long remainder": (
        PAUSED | {"pausedRemainingMs": LONGEST + 1},
        f".pausedRemainingMs is more than 5 years ({LONGEST + 1})",
    ),
    "paused in words": (
        PAUSED | {"pausedAt": "now"},
        '.pausedAt is no time in milliseconds ("now")',
    ),
    "paused in words, snake_case": (
        {"paused": True, "paused_at": "now"},
        '.paused_at is no time in milliseconds ("now")',
    ),
}


@pytest.mark.parametrize(("document", "words"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused_with_the_place_and_the_reason(
    write: Write, document: Any, words: str
) -> None:
    assert words in refusal(write(document))


@pytest.mark.parametrize(("fields", "words"), BAD_FIELDS.values(), ids=BAD_FIELDS)
def test_a_bad_field_is_refused_with_its_path(write: Write, fields: Any, words: str) -> None:
    assert f"{AT}{words}" in refusal(write(entry(fields)))


def test_a_number_of_thousands_of_digits_is_refused_like_any_other(write: Write) -> None:
    path = write(json.dumps(entry({"expiresAt": 77})).replace("77", "9" * 5000))

    assert f"{AT}.expiresAt is no time in milliseconds (Infinity)" == refusal(path)


def test_a_long_value_is_cut_short(write: Write) -> None:
    sentence = refusal(write({"x" * 10_000: {}}))

    assert len(sentence) < 200


def test_a_bad_member_behind_good_ones_refuses_them_all(write: Write) -> None:
    document = entry(RUNNING) | entry(RUNNING | {"expiresAt": -1}, "1200000000000000002")

    assert '"1200000000000000002".roles' in refusal(write(document))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert "No such file or directory" == refusal(tmp_path / "none.json")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "Is a directory" == refusal(tmp_path)


def test_a_name_that_no_file_can_have_is_refused() -> None:
    with pytest.raises(ImportRefusedError, match="is no file; nothing was written"):
        read(Path("data\0.json"))


def test_a_file_that_may_not_be_read_is_refused(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = write({})
    monkeypatch.setattr(Path, "open", refused)

    assert "Permission denied" == refusal(path)


def test_a_file_of_a_gigabyte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    with path.open("wb") as file:
        file.truncate(1 << 30)

    assert "is larger than 64 MiB; divide it by members" == refusal(path)


def test_a_source_without_a_size_is_not_read_for_ever() -> None:
    assert "is larger than 64 MiB; divide it by members" == refusal(Path("/dev/zero"))


def test_a_file_at_the_limit_is_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(entry(RUNNING))
    monkeypatch.setattr(data_json, "LARGEST", path.stat().st_size)
    assert 1 == len(read(path))

    monkeypatch.setattr(data_json, "LARGEST", path.stat().st_size - 1)
    assert "is larger than 0 MiB" in refusal(path)


# What only the clock, or Discord, can tell.


def judged(write: Write, fields: Any) -> Judged:
    return read_file(write(entry(fields)), Server(GUILD))


def absurdity(of: Judged) -> str:
    with pytest.raises(ImportRefusedError) as caught:
        refuse_absurd(of, now=NOW)
    return str(caught.value)


def test_an_end_more_than_five_years_ahead_is_absurd(write: Write) -> None:
    refuse_absurd(judged(write, RUNNING | {"expiresAt": NOW + LONGEST}), now=NOW)

    sentence = absurdity(judged(write, RUNNING | {"expiresAt": NOW + LONGEST + 1}))
    assert f"{AT}.expiresAt is more than 5 years ahead; nothing was written." in sentence


def test_a_pause_in_the_future_is_absurd(write: Write) -> None:
    refuse_absurd(judged(write, PAUSED | {"pausedAt": NOW + DAY}), now=NOW)

    sentence = absurdity(judged(write, PAUSED | {"pausedAt": NOW + DAY + 1}))
    assert f"{AT}.pausedAt lies in the future; nothing was written." in sentence


def test_an_end_of_the_oldest_shape_is_named_by_its_member(write: Write) -> None:
    path = write({USER: {"expiresAt": NOW + LONGEST + 1}})

    assert f': "{USER}".expiresAt is more' in absurdity(read_file(path, Server(GUILD, ROLE)))


def test_a_role_that_the_server_lacks_refuses_the_file(write: Write) -> None:
    file = judged(write, RUNNING)
    refuse_unknown_roles(file, GUILD, {ROLE})
    refuse_unknown_roles(file, "77", set())

    with pytest.raises(ImportRefusedError) as caught:
        refuse_unknown_roles(file, GUILD, {OTHER_ROLE})
    assert (
        f"{AT} is of a role that the server {GUILD} does not have ({ROLE}); nothing was written."
        in str(caught.value)
    )


def test_of_many_roles_that_the_server_lacks_the_first_are_named(write: Write) -> None:
    roles = [str(1_500_000_000_000_000_000 + n) for n in range(7)]
    file = read_file(write({USER: {"roles": dict.fromkeys(roles, RUNNING)}}), Server(GUILD))

    with pytest.raises(ImportRefusedError) as caught:
        refuse_unknown_roles(file, GUILD, set())
    assert f"({', '.join(roles[:5])}, ...)" in str(caught.value)


# Whatever is in it, a file is read or refused.

# Machines differ in how long they take; what is asked for here is the answer.
examples = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(END),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
ids = st.integers(1, (1 << 64) - 1).map(str) | st.text(max_size=3)
fields = st.dictionaries(
    st.sampled_from([*PAUSED, "paused_at", "paused_remaining_ms", "expires_at", "note"]),
    json_values
    | st.integers(0, NOW * 2)
    | st.dictionaries(st.sampled_from(["60", "x"]), json_values),
)
nearly = st.dictionaries(
    ids,
    json_values | fields | st.fixed_dictionaries({"roles": st.dictionaries(ids, fields)}),
)


def read_or_refused(content: bytes, folder: Path) -> None:
    path = folder / "any.json"
    path.write_bytes(content)
    file, sentence = Judged("nothing", ()), ""
    try:
        file = read_file(path, Server(GUILD, ROLE))
        refuse_absurd(file, now=NOW)
    except ImportRefusedError as error:
        sentence = str(error)
    assert sentence.isprintable()
    if sentence:
        return
    for imported in file.timers:
        state = fold(events_of(imported, now=NOW, warning_minutes=M))
        assert isinstance(state, OnHold if imported.expires_at is None else Running)


@examples
@given(document=json_values | nearly)
def test_any_json_is_read_or_refused(
    document: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    read_or_refused(json.dumps(document).encode(), tmp_path_factory.getbasetemp())


@examples
@given(document=nearly, cut=st.integers(0, 200), put=st.binary(max_size=3))
def test_any_damaged_file_is_read_or_refused(
    document: Any, cut: int, put: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = json.dumps(document).encode()
    read_or_refused(content[:cut] + put + content[cut + 1 :], tmp_path_factory.getbasetemp())


@settings(examples, max_examples=30)
@given(document=nearly)
def test_what_is_read_member_by_member_is_the_whole_document(document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=1)

    assert json.dumps(strict_json.decode(text)) == json.dumps(dict(strict_json.members(text)))


def test_a_time_of_zero_is_the_only_one_before_discord() -> None:
    judge, timer = Judge("it"), TimerId(GUILD, USER, ROLE)
    for end in (0, DISCORD_BEGAN):
        imported = judge.timer(timer, {"expiresAt": end}, "there", shape="role", digest="")
        assert end == imported.expires_at
