"""The body of a request: JSON, a form, or a form with files."""

import re
from email.message import Message as Headers
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from boostmon.sandbox.rules.language import wrong
from boostmon.sandbox.world.errors import ApiError, invalid, refuse

JSON, FORM, FILES = "application/json", "application/x-www-form-urlencoded", "multipart/form-data"
_NUMBERED = re.compile(r"files\[(\d+)\]")


class File(msgspec.Struct, kw_only=True):
    """A file that came with a request; `number` is by what `attachments` in the body means it."""

    number: int
    filename: str
    content_type: str
    content: bytes


class Body(msgspec.Struct):
    """What came with a request."""

    json: Any = None
    files: list[File] = []


def read(request: web.Request, raw: bytes, *, files: bool) -> Body:
    """Read a body, or refuse what is none; only some routes take *files* (and forms)."""
    if not raw:
        return Body({})
    allowed = {JSON, FORM, FILES} if files else {JSON}
    if request.content_type not in allowed:
        listed = ", ".join(f"'{one}'" for one in sorted(allowed))
        message = f'Expected "Content-Type" header to be one of {{{listed}}}.'
        raise invalid(wrong("CONTENT_TYPE_INVALID", message).errors)
    if request.content_type == JSON:
        return Body(_decode(raw))
    if request.content_type == FORM:
        return Body(_form(dict(parse_qsl(raw.decode(errors="replace"), keep_blank_values=True))))
    return _multipart(request, raw)


def peek(request: web.Request, raw: bytes) -> Any:
    """Return the body for the record, whatever it is; of files only what they are called."""
    if not raw:
        return None
    try:
        body = read(request, raw, files=True)
    except ApiError:
        return raw.decode(errors="replace")
    if not body.files:
        return body.json
    return {"payload_json": body.json, "files": [file.filename for file in body.files]}


def _decode(raw: bytes | str) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise refuse(50109) from error


def _form(fields: dict[str, str]) -> Any:
    """Return the JSON in a form's `payload_json`, or its fields themselves."""
    return _decode(fields["payload_json"]) if "payload_json" in fields else dict(fields)


def _multipart(request: web.Request, raw: bytes) -> Body:
    boundary = _parameter(request.headers["Content-Type"], "boundary", of="content-type")
    fields: dict[str, str] = {}
    files: list[File] = []
    for headers, content in _parts(raw, boundary):
        disposition = headers.get("content-disposition", "")
        name = _parameter(disposition, "name")
        filename = _parameter(disposition, "filename")
        if filename is None:
            fields[name or ""] = content.decode(errors="replace")
            continue
        numbered = _NUMBERED.fullmatch(name or "")
        number = int(numbered[1]) if numbered else len(files)
        kind = headers.get("content-type", "application/octet-stream")
        files.append(File(number=number, filename=filename, content_type=kind, content=content))
    return Body(_form(fields), files)


def _parts(raw: bytes, boundary: str | None) -> list[tuple[dict[str, str], bytes]]:
    """Take a multipart body apart, or refuse one that is not whole."""
    pieces = (b"\r\n" + raw).split(b"\r\n--" + (boundary or "").encode())
    if not boundary or not pieces[-1].startswith(b"--"):
        raise refuse(50035)
    found = []
    for piece in pieces[1:-1]:
        head, gap, content = piece.partition(b"\r\n\r\n")
        if not gap:
            raise refuse(50035)
        lines = (line.partition(":") for line in head.decode(errors="replace").split("\r\n"))
        headers = {name.strip().lower(): value.strip() for name, colon, value in lines if colon}
        found.append((headers, content))
    return found


def _parameter(value: str, name: str, *, of: str = "content-disposition") -> str | None:
    """Return one parameter of a header such as `form-data; name="x"`."""
    headers = Headers()
    headers[of] = value
    found = headers.get_param(name, header=of)
    if isinstance(found, tuple):  # an encoded one: charset, language, text
        return found[2]
    return found if isinstance(found, str) else None
