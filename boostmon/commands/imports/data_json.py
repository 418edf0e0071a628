"""The JavaScript bot's `data.json`, in every shape that it ever wrote: judged whole."""

from collections.abc import Iterator
from hashlib import sha256
from json import JSONDecodeError
from pathlib import Path

from msgspec import Struct

from boostmon.commands.imports.import_shapes import ImportedTimer, Judge, Judged, path_of
from boostmon.commands.imports.strict_json import decode, members, shown
from boostmon.errors import ImportRefusedError
from boostmon.events.timer import TimerId

LARGEST = 64 << 20  # bytes; about 250,000 timers


class Server(Struct, frozen=True):
    """What the file does not say: the server, and the role of its oldest shape."""

    guild_id: str
    role_id: str | None = None


def read_file(path: Path, server: Server, *, name: str | None = None) -> Judged:
    """Judge the file at *path* whole and return its timers, or raise `ImportRefusedError`.

    The shapes, told apart for each member: `{user: {"expiresAt", …}}`, and
    `{user: {"roles": {role: {"expiresAt", …}}}}`, where an `expiresAt` beside `roles` is ignored.
    *name* is what sentences call the file.
    """
    name = name or str(path)
    content = _content(path, name)
    digest = sha256(content).hexdigest()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refusal(name, f"is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    del content
    if not text.strip():
        raise _refusal(name, "is not JSON, it is empty")
    file = _File(Judge(name), server, digest)
    try:
        return Judged(name, tuple(file.timers(text)))
    except JSONDecodeError as error:
        raise _refusal(name, f"is not JSON: {_complaint(error)}") from error
    except RecursionError as error:
        raise _refusal(name, "is nested too deeply for a data.json") from error


def _content(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise ImportRefusedError(f"{name}: {error.strerror}; nothing was written.") from error
    except ValueError as error:  # a NUL in the name
        raise ImportRefusedError(f"{str(path)!r} is no file; nothing was written.") from error
    if len(content) > LARGEST:
        raise _refusal(name, f"is larger than {LARGEST >> 20} MiB; divide it by members")
    return content


def _refusal(name: str, why: str) -> ImportRefusedError:
    return ImportRefusedError(f"{name} {why}; nothing was written.")


def _complaint(error: JSONDecodeError) -> str:
    place = f"(line {error.lineno}, column {error.colno})"
    if error.msg.startswith("Unterminated") or error.pos >= len(error.doc.rstrip()):
        return f"it ends in the middle {place}, copy it again"
    return f"{error.msg} {place}"


class _File:
    """Reads one file member by member, so that its document never stands in memory whole."""

    def __init__(self, judge: Judge, server: Server, digest: str) -> None:
        self._judge = judge
        self._server = server
        self._digest = digest
        self._roles: dict[str, str] = {}  # one string for the many members who have a role

    def timers(self, text: str) -> Iterator[ImportedTimer]:
        if not text.lstrip().startswith("{"):
            raise self._judge.refusal("the file", f"is no object ({shown(decode(text))})")
        seen = set[str]()
        for key, entry in members(text):
            user = self._judge.key(key, "the file")
            if user in seen:
                raise self._judge.refusal("the file", f'has "{user}" twice')
            seen.add(user)
            yield from self._timers_of(user, entry)

    def _timers_of(self, user: str, entry: object) -> Iterator[ImportedTimer]:
        fields = self._judge.fields(entry, path_of(user))
        if fields.get("roles") is not None:
            yield from self._of_roles(user, fields["roles"])
        elif fields.get("expiresAt") is not None or fields.get("expires_at") is not None:
            yield self._oldest(user, entry)
        elif set(fields) - {"roles"}:
            raise self._judge.refusal(path_of(user), 'has neither "roles" nor "expiresAt"')

    def _of_roles(self, user: str, roles: object) -> Iterator[ImportedTimer]:
        place = f"{path_of(user)}.roles"
        for key, entry in self._judge.fields(roles, place).items():
            role = self._roles.setdefault(key, self._judge.key(key, place))
            timer = TimerId(self._server.guild_id, user, role)
            where = path_of(user, role)
            yield self._judge.timer(timer, entry, where, shape="role", digest=self._digest)

    def _oldest(self, user: str, entry: object) -> ImportedTimer:
        if self._server.role_id is None:
            raise self._judge.refusal(
                path_of(user), "is of the oldest shape, which names no role; name it with --role ID"
            )
        timer = TimerId(self._server.guild_id, user, self._server.role_id)
        return self._judge.timer(timer, entry, path_of(user), shape="member", digest=self._digest)
