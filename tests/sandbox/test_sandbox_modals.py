"""Forms and context menus in the sandbox."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.sandbox_client import Client, Used, sandbox


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Give a sandbox with one command."""
    async with sandbox() as running:
        await running.register(name="ping")
        yield running


NAME = {"type": 4, "custom_id": "name", "style": 1, "label": "Name", "max_length": 5}
WHY = {"type": 4, "custom_id": "why", "style": 2, "required": False, "value": "because"}
MENU = {
    "type": 3,
    "custom_id": "menu",
    "options": [{"label": "A", "value": "a"}, {"label": "B", "value": "b"}],
}
WHO = {"type": 5, "custom_id": "who", "required": False}
FORM: dict[str, Any] = {
    "custom_id": "form",
    "title": "Form",
    "components": [
        {"type": 1, "components": [NAME]},
        {"type": 18, "label": "Why", "component": WHY},
        {"type": 18, "label": "Which", "component": MENU},
        {"type": 18, "label": "Who", "component": WHO},
        {"type": 10, "content": "Thanks"},
    ],
}


async def submit(client: Client, opener: Used, by: str = "max", /, **fields: Any) -> Any:
    body = {"type": 5, "user_id": by, "interaction_id": opener.id, "fields": fields}
    made = await client.try_sim("interaction", body)
    return Used(client, made.body["id"], made.body["token"]) if made.status == 200 else made.body


async def test_a_form_is_filled_in_and_its_submission_answered(client: Client) -> None:
    async with client.gateway() as socket:
        used = await client.use("max")
        assert (await used.answer(9, FORM)).status == 204
        submitted = await submit(client, used, name="Ada", menu=["b"], who=[client.user("vera")])
        heard = (await socket.event("INTERACTION_CREATE"))["d"]
        assert heard["type"] == 2
        heard = (await socket.event("INTERACTION_CREATE"))["d"]
    assert (heard["type"], heard["id"], heard["data"]["custom_id"]) == (5, submitted.id, "form")
    row, why, which, who, thanks = heard["data"]["components"]
    assert row["components"] == [{"type": 4, "id": 2, "custom_id": "name", "value": "Ada"}]
    assert why["component"]["value"] == "because"
    assert (which["component"]["values"], who["component"]["values"]) == (
        ["b"],
        [client.user("vera")],
    )
    assert thanks == {"type": 10, "id": 9}
    assert heard["data"]["resolved"]["users"].keys() == {client.user("vera")}
    await submitted.answer(4, {"content": "Thank you"})
    told = (await submitted.record())["message"]["interaction_metadata"]
    assert (told["type"], told["triggering_interaction_metadata"]["id"]) == (5, used.id)


async def test_a_form_is_submitted_once_by_who_opened_it_and_with_what_it_asks(
    client: Client,
) -> None:
    used = await client.use("max")
    refused = "opened no form"
    assert refused in (await submit(client, used, name="Ada"))["message"]
    await used.answer(9, FORM)
    for who, fields, complaint in (
        ("mona", {}, "only who opened"),
        ("max", {"menu": ["a"]}, "name is required"),
        ("max", {"name": "Bartholomew", "menu": ["a"]}, "takes 0 to 5"),
        ("max", {"name": "Ada"}, "choose 1 to 1"),
        ("max", {"name": "Ada", "menu": ["c"]}, "offers only"),
        ("max", {"name": "Ada", "menu": "a"}, "list"),
        ("max", {"name": ["Ada"], "menu": ["a"]}, "a text"),
        ("max", {"name": "Ada", "menu": ["a"], "who": ["1"]}, "nothing that could be picked"),
        ("max", {"other": "x"}, "no field other"),
    ):
        assert complaint in (await submit(client, used, who, **fields))["message"]
    assert isinstance(await submit(client, used, name="Ada", menu=["a"]), Used)
    assert refused in (await submit(client, used, name="Ada", menu=["a"]))["message"]


async def test_a_form_from_a_button_can_change_the_message_of_the_button(client: Client) -> None:
    used = await client.use("max")
    button = {"type": 2, "style": 1, "label": "Open", "custom_id": "open"}
    await used.answer(4, {"content": "x", "components": [{"type": 1, "components": [button]}]})
    message_id = (await used.record())["message"]["id"]
    click = {"type": 3, "user_id": "max", "message_id": message_id, "custom_id": "open"}
    made = await client.sim("interaction", click)
    clicked = Used(client, made["id"], made["token"])
    await clicked.answer(9, FORM)
    submitted = await submit(client, clicked, name="Ada", menu=["a"])
    assert (await submitted.answer(9, FORM)).code == 50035
    assert (await submitted.answer(7, {"content": "changed"})).status == 204
    assert (await used.record())["message"]["content"] == "changed"


async def test_the_submission_of_a_commands_form_has_no_message_to_change(client: Client) -> None:
    used = await client.use("max")
    await used.answer(9, FORM)
    submitted = await submit(client, used, name="Ada", menu=["a"])
    assert (await submitted.answer(7, {"content": "changed"})).code == 50035
    assert (await submitted.answer(5)).status == 204


@pytest.mark.parametrize(
    ("change", "path", "code"),
    [
        ({"title": "x" * 46}, ["title"], "BASE_TYPE_BAD_LENGTH"),
        ({"custom_id": ""}, ["custom_id"], "BASE_TYPE_BAD_LENGTH"),
        ({"components": []}, ["components"], "BASE_TYPE_BAD_LENGTH"),
        ({"components": [{"type": 2}]}, ["components", "0", "type"], "BASE_TYPE_CHOICES"),
        (
            {"components": [{"type": 1, "components": [NAME, WHY]}]},
            ["components", "0", "components"],
            "BASE_TYPE_BAD_LENGTH",
        ),
        (
            {"components": [{"type": 1, "components": [WHY]}]},
            ["components", "0", "components", "0", "label"],
            "BASE_TYPE_REQUIRED",
        ),
        (
            {"components": [{"type": 1, "components": [NAME]}] * 2},
            ["components", "1"],
            "COMPONENT_CUSTOM_ID_DUPLICATED",
        ),
        (
            {"components": [{"type": 18, "label": "x", "component": WHY | {"min_length": 5000}}]},
            ["components", "0", "component", "min_length"],
            "NUMBER_TYPE_MAX",
        ),
        (
            {
                "components": [
                    {
                        "type": 18,
                        "label": "x",
                        "component": WHY | {"min_length": 5, "max_length": 4},
                    }
                ]
            },
            ["components", "0", "component", "min_length"],
            "TEXT_INPUT_COMPONENT_MIN_LENGTH_INVALID",
        ),
    ],
)
async def test_a_form_against_the_rules_is_refused_at_the_right_place(
    client: Client, change: Any, path: list[str], code: str
) -> None:
    used = await client.use("max")
    refused = await used.answer(9, FORM | change)
    assert (refused.status, refused.code) == (400, 50035)
    errors = refused.body["errors"]["data"]
    for step in path:
        errors = errors[step]
    assert errors["_errors"][0]["code"] == code


async def test_a_context_menu_of_a_user_names_them_as_the_target(client: Client) -> None:
    made = await client.api("POST", f"{client.app}/commands", {"type": 2, "name": "Greet them"})
    assert made.body["description"] == ""
    async with client.gateway() as socket:
        used = await client.use("mona", "Greet them", target="max")
        data = (await socket.event("INTERACTION_CREATE"))["d"]["data"]
    assert (data["type"], data["target_id"]) == (2, client.user("max"))
    assert data["resolved"]["users"].keys() == {client.user("max")}
    assert data["resolved"]["members"].keys() == {client.user("max")}
    await used.answer(4, {"content": "Hello"})
    reply = (await used.record())["message"]
    assert reply["type"] == 23
    assert reply["interaction_metadata"]["target_user"]["id"] == client.user("max")


async def test_a_context_menu_of_a_message_carries_the_message(client: Client) -> None:
    await client.api("POST", f"{client.app}/commands", {"type": 3, "name": "Quote"})
    said = await client.sim("message", {"user": "max", "channel": "general", "content": "well"})
    async with client.gateway() as socket:
        used = await client.use("mona", "Quote", target=said["id"])
        data = (await socket.event("INTERACTION_CREATE"))["d"]["data"]
    assert (data["type"], data["target_id"]) == (3, said["id"])
    # What a person points at is read without the message content intent.
    assert data["resolved"]["messages"][said["id"]]["content"] == "well"
    await used.answer(4, {"content": "> well"})
    told = (await used.record())["message"]["interaction_metadata"]
    assert told["target_message_id"] == said["id"]


async def test_a_context_menu_is_used_on_what_is_there_and_as_what_it_is(client: Client) -> None:
    await client.api("POST", f"{client.app}/commands", {"type": 2, "name": "Greet"})
    body = {"user_id": "mona", "guild_id": "Sandbox", "name": "Greet"}
    for more, status in (
        ({}, 404),
        ({"target": "max", "options": [{"name": "x", "value": 1}]}, 400),
        ({"target": "5"}, 404),
        ({"target": "max", "name": "ping"}, 404),
        ({"target": "max"}, 200),
    ):
        assert (await client.try_sim("interaction", body | more)).status == status, more
