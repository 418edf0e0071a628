"""Files in the sandbox: multipart bodies, attachments, and what is refused of them."""

from collections.abc import AsyncIterator

import pytest

from tests.support.sandbox_client import Client, Used, sandbox, upload


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Give a sandbox with the default world."""
    async with sandbox() as running:
        yield running


async def test_a_file_is_attached_and_can_be_fetched(client: Client) -> None:
    content = b"--a note\r\nwith \r\r\n\x00\xff bytes\r\n"
    body = {"content": "x", "attachments": [{"id": 0, "description": "A note"}]}
    said = await upload(client, client.channel() + "/messages", body, ("my note.txt", content))
    (file,) = said.body["attachments"]
    assert (file["filename"], file["size"]) == ("my_note.txt", len(content))
    assert (file["description"], file["content_type"]) == ("A note", "text/plain")
    async with client.http.get(file["url"]) as response:
        assert await response.read() == content
    async with client.http.get(file["url"] + "x") as response:
        assert response.status == 404
    (request,) = [r for r in client.sandbox.state()["requests"] if r["method"] == "POST"]
    assert request["body"] == {"payload_json": body, "files": ["my note.txt"]}


async def test_a_file_alone_is_a_message_and_an_edit_keeps_what_it_lists(client: Client) -> None:
    path = client.channel() + "/messages"
    said = await upload(client, path, {}, ("a.txt", b"a"), ("b.txt", b"b"))
    first, second = said.body["attachments"]
    one = f"{path}/{said.body['id']}"
    assert len((await client.api("PATCH", one, {"content": "x"})).body["attachments"]) == 2
    edit = {"attachments": [{"id": second["id"]}, {"id": "0", "filename": "c.txt"}]}
    edited = await upload(client, one, edit, ("given.txt", b"c"), method="PATCH")
    assert [a["filename"] for a in edited.body["attachments"]] == ["b.txt", "c.txt"]
    gone = {"attachments": [{"id": first["id"]}]}
    refused = await client.api("PATCH", one, gone)
    assert (refused.status, refused.code) == (400, 50035)
    assert "attachments" in refused.body["errors"]
    emptied = await client.api("PATCH", one, {"content": "", "attachments": []})
    assert (emptied.status, emptied.code) == (400, 50006)


async def test_replies_to_interactions_take_files(client: Client) -> None:
    await client.register(name="ping")
    used: Used = await client.use("max")
    path = f"/interactions/{used.id}/{used.token}/callback"
    answer = {"type": 4, "data": {"content": "x", "flags": 64}}
    assert (await upload(client, path, answer, ("a.txt", b"a"))).status == 204
    reply = (await used.record())["message"]
    assert [(a["filename"], a["ephemeral"]) for a in reply["attachments"]] == [("a.txt", True)]
    edited = await upload(client, used.original, {}, ("b.txt", b"b"), method="PATCH")
    assert [a["filename"] for a in edited.body["attachments"]] == ["a.txt", "b.txt"]
    more = await upload(client, used.hook, None, ("c.txt", b"c"))
    assert [a["filename"] for a in more.body["attachments"]] == ["c.txt"]


async def test_too_many_or_too_large_files_are_refused(client: Client) -> None:
    path = client.channel() + "/messages"
    large = await upload(client, path, {}, ("a.bin", bytes(10 * 2**20 + 1)))
    assert (large.status, large.code) == (413, 40005)
    many = await upload(client, path, {}, *[("a.txt", b"a")] * 11)
    assert (many.status, many.code) == (400, 50035)


async def test_files_need_their_permission(client: Client) -> None:
    deny = [{"role": "BoostMon", "deny": ["ATTACH_FILES"]}]
    await client.sim("channel", {"channel": "general", "action": "edit", "overwrites": deny})
    path = client.channel() + "/messages"
    assert (await upload(client, path, {"content": "x"}, ("a.txt", b"a"))).code == 50013
    assert (await client.api("POST", path, {"content": "x"})).status == 200


@pytest.mark.parametrize(
    ("kind", "raw", "code"),
    [
        ("multipart/form-data; boundary=x", b"--x\r\nno end", 50035),
        ("multipart/form-data; boundary=x", b"--x\r\nno gap\r\n--x--", 50035),
        ("multipart/form-data", b"--x--", 50035),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="payload_json"\r\n\r\n{\r\n--x--',
            50109,
        ),
        ("application/x-www-form-urlencoded", b"payload_json={", 50109),
        ("text/plain", b"x", 50035),
    ],
)
async def test_a_body_that_is_not_whole_is_refused(
    client: Client, kind: str, raw: bytes, code: int
) -> None:
    headers = {"Authorization": f"Bot {client.ids['token']}", "Content-Type": kind}
    url = client.sandbox.api + client.channel() + "/messages"
    async with client.http.post(url, data=raw, headers=headers) as response:
        assert (response.status, (await response.json())["code"]) == (400, code)


async def test_a_form_is_taken_where_files_are(client: Client) -> None:
    headers = {"Authorization": f"Bot {client.ids['token']}"}
    url = client.sandbox.api + client.channel() + "/messages"
    async with client.http.post(url, data={"content": "by form"}, headers=headers) as response:
        assert (await response.json())["content"] == "by form"
    url = f"{client.sandbox.api}{client.guild}/roles"
    async with client.http.post(url, data={"name": "x"}, headers=headers) as response:
        assert (await response.json())["errors"]["_errors"][0]["code"] == "CONTENT_TYPE_INVALID"
