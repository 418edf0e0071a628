"""Discord's official API description, as an oracle for what goes over the wire."""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

from tests.support.places import ROOT
from tests.support.sandbox_client import Answer

DESCRIPTION = ROOT.parent / "shared/facts/discord-openapi.json"
DOCUMENT = "urn:discord"


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from _objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _objects(value)


def _relax(schemas: dict[str, Any]) -> None:
    """Mend what the description is known to have wrong."""
    # An integer in the description, a string of digits on the wire.
    command = schemas["ApplicationCommandResponse"]["properties"]
    command["default_member_permissions"] = {"type": ["string", "null"]}
    # Codes of nested errors are words; and which of its two shapes one has is ambiguous to oneOf.
    words = {"type": "object", "properties": {"code": {"type": "string"}, "message": {}}}
    schemas["InnerErrors"]["properties"]["_errors"]["items"] = words
    schemas["ErrorDetails"] = {"type": "object"}
    # The documentation (which goes before the description) has no code in a 429.
    schemas["RatelimitedResponse"] = {
        "type": "object",
        "properties": {"message": {}, "retry_after": {}, "global": {}, "code": {}},
        "required": ["message", "retry_after", "global"],
    }


def _relax_requests(schemas: dict[str, Any]) -> None:
    """Allow what every client sends and Discord takes."""
    for name, schema in schemas.items():
        properties = schema.get("properties", {})
        if "default_member_permissions" in properties and "Request" in name:
            # Digits on the wire; documented, but not described; and what disnake sends of old.
            properties["default_member_permissions"] = {"type": ["string", "null"]}
            properties |= {"nsfw": {"type": "boolean"}, "default_permission": {"type": "boolean"}}
        if "recipient_id" in properties:
            properties["recipient_id"] = {"type": ["string", "integer", "null"]}
        if "allowed_mentions" in properties and name.startswith("IncomingWebhook"):
            properties["tts"] = {"type": "boolean"}  # disnake says it of edits, too


def _close(document: dict[str, Any]) -> None:
    """Merge what is composed by allOf, then forbid every key that is not described."""
    schemas = document["components"]["schemas"]

    def resolve(schema: dict[str, Any]) -> dict[str, Any]:
        name = schema.get("$ref", "").rpartition("/")[2]
        return resolve(schemas[name]) if name else schema

    for schema in list(_objects(document)):
        parts = [resolve(part) for part in schema.get("allOf", ())]
        if parts and all("properties" in part for part in parts):
            del schema["allOf"]
            schema["properties"] = {k: v for part in parts for k, v in part["properties"].items()}
            schema["required"] = [key for part in parts for key in part.get("required", ())]
    for schema in _objects(document):
        if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
            schema.setdefault("additionalProperties", False)


def official_description() -> Any | None:
    """Return Discord's own API description, mended and with closed objects; None where it is not.

    It is an oracle for tests that lies beside the project, and no part of it.
    """
    if not DESCRIPTION.exists():
        return None
    document = json.loads(DESCRIPTION.read_text())
    _relax(document["components"]["schemas"])
    _relax_requests(document["components"]["schemas"])
    _close(document)
    return document


class Checker:
    """Validates answers against the closed description."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._registry = jsonschema_rs.Registry([(DOCUMENT, document)])
        self._known: dict[str, Any] = {}

    def complaints(self, method: str, template: str, answer: Answer) -> list[str]:
        """Return what is wrong with *answer*."""
        operation = self._document["paths"][template][method.lower()]
        responses = operation["responses"]
        status = str(answer.status)
        key = status if status in responses else f"{status[0]}XX"
        if key not in responses:
            return [f"status {status} is not described"]
        pointer = f"/paths/{_escaped(template)}/{method.lower()}/responses/{key}"
        if "$ref" in responses[key]:
            pointer = responses[key]["$ref"].removeprefix("#")
        content = self._at(pointer).get("content")
        if content is None:
            return [] if answer.body is None else ["there should be no body"]
        validator = self._validator(f"{pointer}/content/application~1json/schema")
        return [f"{e.instance_path}: {e.message[:200]}" for e in validator.iter_errors(answer.body)]

    def request_complaints(self, method: str, template: str, body: Any) -> list[str]:
        """Return what is wrong with the *body* of a request."""
        operation = self._document["paths"][template][method.lower()]
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            return [] if body is None else ["there should be no body"]
        pointer = f"/paths/{_escaped(template)}/{method.lower()}/requestBody/content"
        validator = self._validator(f"{pointer}/application~1json/schema")
        return [f"{e.instance_path}: {e.message[:200]}" for e in validator.iter_errors(body)]

    def part_complaints(self, schema: str, part: Any) -> list[str]:
        """Return what is wrong with *part* of something that is not described as a whole."""
        validator = self._validator(f"/components/schemas/{schema}")
        return [f"{e.instance_path}: {e.message[:200]}" for e in validator.iter_errors(part)]

    def _at(self, pointer: str) -> Any:
        found = self._document
        for step in unquote(pointer).split("/")[1:]:
            found = found[step.replace("~1", "/").replace("~0", "~")]
        return found

    def _validator(self, pointer: str) -> Any:
        if pointer not in self._known:
            self._known[pointer] = jsonschema_rs.Draft202012Validator(
                {"$ref": f"{DOCUMENT}#{pointer}"},
                registry=self._registry,
                validate_formats=True,
                formats={
                    "snowflake": lambda value: value.isdigit(),
                    "nonce": lambda value: not isinstance(value, str) or len(value) <= 25,
                },
            )
        return self._known[pointer]


def _escaped(template: str) -> str:
    return template.replace("~", "~0").replace("/", "~1").replace("{", "%7B").replace("}", "%7D")


def described_as(path: str, templates: list[str]) -> str:
    """Return the template of a concrete path; the one with the fewest parameters fits best."""
    for template in sorted(templates, key=lambda one: one.count("{")):
        pattern = re.sub(r"\{\w+\}", "[^/]+", template)
        if re.fullmatch(pattern, path.partition("?")[0]):
            return template
    raise AssertionError(path)


def complaints_about(requests: Iterable[dict[str, Any]]) -> set[str]:
    """Return what is wrong with the bodies of *requests*, as the sandbox has noted them.

    Nothing can be said where the description is not.
    """
    if (document := official_description()) is None:
        return set()
    checker = Checker(document)
    return {
        f"{request['method']} {request['route']}: {complaint}"
        for request in requests
        if request.get("route")
        for complaint in checker.request_complaints(
            request["method"], request["route"], request.get("body")
        )
    }
