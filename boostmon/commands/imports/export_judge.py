"""Judges whether an export is whole: each line follows from the one before, and names agree."""

import msgspec
from msgspec import Struct

from boostmon.errors import ImportRefusedError, UnknownEventError
from boostmon.events.chain import MISREAD_START, Seal, Sealing
from boostmon.events.document import decode
from boostmon.events.export import ExportedEvent, read_line
from boostmon.events.names import is_pseudonym, new_pseudonym
from boostmon.events.timer import INITIAL, Timer, TimerEvent, evolve, is_snowflake
from boostmon.projections.role_timers import image

HIGHEST = 2_000_000_000  # of the numbers; what is beyond is left for those who come later
EDITED = "the event is not the one that was recorded, or the lines before it are not those"


class Stream(Struct, kw_only=True):
    """A timer of the export, as far as it was read."""

    guild_id: str
    person: int
    role_id: str
    version: int = 0
    timer: Timer = INITIAL


class Judge:
    """Takes the lines of an export one by one, and refuses the first that does not fit."""

    def __init__(self) -> None:
        self.people: dict[int, str] = {}
        self.streams: dict[int, Stream] = {}
        self._numbers: dict[str, int] = {}
        self._of_person: dict[int, list[Stream]] = {}
        self._of_member: dict[tuple[int, str], int] = {}
        self._position = 0
        self._hash = b""
        self._anew: bytes | None = None
        self._sealing = Sealing()
        self._seal: Seal | None = None

    @property
    def head(self) -> str:
        """The newest event as `position:hash`, as it is to be in the log that is written."""
        newest = self._hash if self._anew is None else self._anew
        return f"{self._position}:{newest.hex()}"

    @property
    def is_misread(self) -> bool:
        """Whether the first event was hashed behind `MISREAD_START`, and all are hashed anew."""
        return self._anew is not None

    @property
    def seal(self) -> Seal:
        """Up to where the hash of a stream's first event leaves out whose timer it is."""
        return self._seal or Seal(self._position, self._sealing.digest)

    def take(self, line: bytes) -> None:
        """Take in the next *line*, or raise `ImportRefusedError` with what is wrong with it."""
        entry, event = self._read(line)
        self._chain(entry)
        self._name(entry.person, entry.user_id)
        self._actor(entry)
        stream = self._stream(entry)
        if entry.version != stream.version + 1:
            raise ImportRefusedError(
                f"version {entry.version} of stream {entry.stream} follows {stream.version}"
            )
        stream.version = entry.version
        stream.timer = evolve(stream.timer, event)

    def _read(self, line: bytes) -> tuple[ExportedEvent, TimerEvent]:
        try:
            entry = read_line(line)
            return entry, decode(entry.document)
        except UnknownEventError as error:
            raise ImportRefusedError(
                "that event is one that only a newer version of BoostMon knows; update this one"
            ) from error
        except RecursionError as error:
            raise ImportRefusedError("it is nested too deeply for a line of an export") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            why = "it ends in the middle; copy it again" if b"\n" not in line else str(error)
            raise ImportRefusedError(f"that is no line of an export ({why})") from error

    def _chain(self, entry: ExportedEvent) -> None:
        if entry.position != self._position + 1:
            if not self._position:
                raise ImportRefusedError(
                    f"the file begins at position {entry.position}; put the export of what comes "
                    "before in front of it"
                )
            raise ImportRefusedError(
                f"position {entry.position} follows {self._position}, so events are missing or "
                "there twice"
            )
        digest = self._digest(entry)
        if digest.hex() != entry.hash:
            raise ImportRefusedError(EDITED)
        if self._anew is not None:
            self._anew = entry.hash_behind(self._anew, self._seal)
        self._position, self._hash = entry.position, digest

    def _digest(self, entry: ExportedEvent) -> bytes:
        """Return the hash that *entry* must have; the seal is before the first that needs it."""
        digest = entry.hash_behind(self._hash, self._seal)
        if not self._position and digest.hex() != entry.hash:
            misread = entry.hash_behind(MISREAD_START, None)
            if misread.hex() == entry.hash:
                self._anew, digest = b"", misread
        if self._seal is None and entry.version == 1:
            if digest.hex() == entry.hash:
                self._sealing.take(entry.stream, entry.name)
            else:
                self._seal = self.seal
                digest = entry.hash_behind(self._hash, self._seal)
        return digest

    def _actor(self, entry: ExportedEvent) -> None:
        if entry.actor is not None and entry.actor_id is not None:
            self._name(entry.actor, entry.actor_id)
        elif entry.actor is not None or entry.actor_id is not None:
            raise ImportRefusedError("the actor has a number or an id, but not both")

    def _name(self, number: int, name: str) -> None:
        """Note what a person is called; between two exports they may have been erased."""
        known = self.people.get(number)
        if known == name:
            return
        self._countable(number, "person")
        if not (is_snowflake(name) or is_pseudonym(name)):
            raise ImportRefusedError(f'"{name}" is no id of Discord')
        if known is not None and not (is_snowflake(known) and is_pseudonym(name)):
            raise ImportRefusedError(f"person {number} is {name} here, and {known} before")
        if (erased := self._numbers.get(name)) is not None:
            self._refuse_running(erased, number)
            self.people[erased] = new_pseudonym()  # only so can another have that id
        self.people[number] = name
        self._numbers[name] = number

    @staticmethod
    def _countable(number: int, what: str) -> None:
        if number > HIGHEST:
            raise ImportRefusedError(f"{what} {number} is beyond {HIGHEST}, where numbers run out")

    def _refuse_running(self, erased: int, other: int) -> None:
        """Refuse that *other* has the id of *erased*, whose timers erasing would have ended."""
        if any(image(stream.timer) is not None for stream in self._of_person.get(erased, ())):
            raise ImportRefusedError(
                f"person {other} has the id of person {erased}, whose timers have not ended"
            )

    def _stream(self, entry: ExportedEvent) -> Stream:
        ids = (entry.guild_id, entry.person, entry.role_id)
        stream = self.streams.get(entry.stream)
        if stream is None:
            self._countable(entry.stream, "stream")
            if not (is_snowflake(entry.guild_id) and is_snowflake(entry.role_id)):
                raise ImportRefusedError("the server or the role is no id of Discord")
            stream = Stream(guild_id=ids[0], person=ids[1], role_id=ids[2])
            self.streams[entry.stream] = stream
            self._of_person.setdefault(entry.person, []).append(stream)
            first = self._of_member.setdefault(ids[1:], entry.stream)
            if first != entry.stream:
                raise ImportRefusedError(f"stream {entry.stream} is that of stream {first}, too")
        elif ids[1:] == (stream.person, stream.role_id) and image(stream.timer) is None:
            stream.guild_id = entry.guild_id  # it was moved since the export before
        elif ids != (stream.guild_id, stream.person, stream.role_id):
            raise ImportRefusedError(f"stream {entry.stream} is another's timer before")
        return stream
