"""The README: each claim has the test that shows it, and each page is in its index."""

import re

import pytest

from tests.cli.test_demo import CHAPTERS
from tests.house.test_docs import FENCE, PAGES, ROOT_PAGES
from tests.support.places import named

README = ROOT_PAGES["README.md"]
DEMO = "test_demo.py::test_the_demo_tells_its_story_leaves_nothing_behind_and_can_be_run_again"
IN_BROWSER = "test_demo_in_browser.py::test_a_timer_is_set_by_typing_and_lives_its_life"
CLAIMS = {  # how a sentence begins: what shows it
    "BoostMon is a Discord bot for roles that end": [
        "test_commands_e2e.py::test_the_life_of_a_timer",
        "test_relay.py::test_a_warning_says_what_is_left_when_it_is_sent",
        "test_relay.py::test_an_end_takes_the_role_and_then_says_so",
    ],
    "Every change is kept as an event": [
        "test_handler.py::test_the_rows_follow_the_log_in_every_history",
        "test_history.py::test_who_did_it_is_a_person_or_a_source",
    ],
    "Python 3.11, git and make are enough": [DEMO],
    "A story is told in the terminal": [
        DEMO,
        "test_demo.py::test_it_stays_on_a_terminal",
        IN_BROWSER,
    ],
    "You act as the owner, a moderator or a member": [
        "test_page_in_browser.py::test_people_and_roles_change_under_the_hand",
        "test_demo_in_browser.py::test_a_stuck_removal_is_shown_and_its_remedy_works",
        "test_page_in_browser.py::test_direct_messages_are_an_inbox_with_marks",
    ],
    "The page shows the log and the table": [IN_BROWSER],
    "boostmon sandbox serves the same page": [
        "test_page.py::test_the_page_and_every_file_of_it_are_served",
        "test_sandbox_clients.py",
    ],
    "In the terminal": [DEMO],
    "Then with a bot of your own": [
        "test_shell_lines.py::test_every_line_of_a_block_does_what_it_is_shown_for"
    ],
    "A duration is minutes": ["test_durations.py::test_reads"],
    "All but /timeleft need Manage Roles": [
        "test_cog.py::test_all_but_timeleft_need_manage_roles_and_all_a_server"
    ],
    "boostmon doctor looks at all of it": [
        "test_doctor.py::test_a_bot_in_good_order_is_green_all_over",
        "test_invitation.py::test_the_link_is_for_this_bot_and_asks_for_its_rights_alone",
    ],
    "Every claim of this page": ["test_readme.py::test_a_claim_has_a_test_that_is_there"],
    "Licence": [],
}
ROWS = {  # of the tables of commands
    "/settime": "test_commands_e2e.py::test_the_life_of_a_timer",
    "/addtime": "test_commands_e2e.py::test_the_life_of_a_timer",
    "/removetime": "test_commands_e2e.py::test_the_life_of_a_timer",
    "/pausetime": "test_commands_e2e.py::test_the_life_of_a_timer",
    "/resumetime": "test_commands_e2e.py::test_the_life_of_a_timer",
    "/cleartime": "test_commands_e2e.py::test_the_life_of_a_timer",
    "/timeleft": "test_commands_e2e.py::test_timeleft_is_private_and_lists_every_timer",
    "boostmon history USER": (
        "test_history.py::test_each_event_is_told_with_the_timer_before_and_after_it"
    ),
    "boostmon replay --check": "test_replay_command.py::test_a_head_noted_is_found_or_missed",
    "boostmon import FILE": (
        "test_import_command.py::test_the_whole_way_from_their_database_into_one_of_our_own"
    ),
    "boostmon export": "test_export.py::test_every_event_is_a_line_in_the_order_of_the_positions",
    "boostmon adopt-database": (
        "test_identity.py::test_run_is_refused_with_a_sentence_and_adopting_hands_the_database_over"
    ),
    "boostmon forget-server ID": (
        "test_forget_server.py::test_a_server_that_the_bot_has_left_is_given_up"
    ),
    "boostmon resolve-removals": "test_removals.py::test_what_was_held_back_is_ended_or_restored",
    "boostmon stats": "test_stats.py::test_what_was_done_is_counted",
    "boostmon erase USER": (
        "test_erase.py::test_the_chain_stays_valid_and_the_history_shows_the_pseudonym"
    ),
}


def prose() -> list[str]:
    """Return the sentences of the page, without blocks, headings, pictures, tables and lists."""
    text = re.sub(r"!\[.*?\]\(.*?\)", "", FENCE.sub("", README))
    text = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", text.replace("`", ""))
    paragraphs = [p.strip() for p in text.split("\n\n") if p.strip()]
    plain = [" ".join(p.split()) for p in paragraphs if not p.startswith(("#", "|", "-"))]
    return [part for p in plain for part in re.split(r"(?<=[.]) (?=[A-Z`b])", p)]


def rows() -> list[str]:
    return re.findall(r"^\| `([^`]+)` \|", README, re.MULTILINE)


def test_every_sentence_has_what_shows_it() -> None:
    sentences = prose()
    unshown = [one for one in sentences if not one.startswith(tuple(CLAIMS))]
    gone = [start for start in CLAIMS if not any(one.startswith(start) for one in sentences)]

    assert ([], []) == (unshown, gone)


def test_every_row_of_the_tables_has_what_shows_it() -> None:
    assert list(ROWS) == rows()


@pytest.mark.parametrize(
    "shown_by", sorted({*ROWS.values(), *(test for tests in CLAIMS.values() for test in tests)})
)
def test_a_claim_has_a_test_that_is_there(shown_by: str) -> None:
    file, _, name = shown_by.partition("::")

    assert f"def {name or 'test_'}" in named(file).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_each_page_is_in_the_index_of_the_readme(page: str) -> None:
    index = README.partition("## Read on")[2]

    assert f"](docs/{page})" in index


def test_the_story_in_the_readme_is_the_one_that_is_told() -> None:
    (told,) = [text for _, _, text in FENCE.findall(README) if "/settime user:" in text]
    chapters = [line for line in told.splitlines() if re.match(r"[A-Z]", line)]

    assert [] == [chapter for chapter in chapters if chapter not in CHAPTERS]
    assert len(chapters) > 1


def test_the_drawing_in_the_readme_is_that_of_the_architecture() -> None:
    (drawing,) = [text for _, _, text in FENCE.findall(README) if "hash-chained" in text]

    assert drawing in PAGES["architecture.md"]
