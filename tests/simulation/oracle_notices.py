"""Every notice is there at most once, and once where Discord could be reached."""

from collections import Counter
from collections.abc import Iterator

from boostmon.projections.effects.queue import NONCE_LENGTH
from tests.simulation.discord import BOT_ID, Message
from tests.simulation.oracle import Violation
from tests.simulation.plan import ROLE_NAMES
from tests.simulation.tables import Effect
from tests.simulation.universe import Universe

ADMITTED = ("an attempt may have sent it",)
WORDS = {"WarningSent": "warning:", "Expired": "notice:"}

# To whom, about which role, and whether it warns: notices that are alike may stand for each other.
Alike = tuple[str, str, str]


def notices(universe: Universe) -> Iterator[Violation]:
    """Compare the notices that are owed with the messages that are there."""
    posted = [
        message
        for messages in universe.discord.channels.values()
        for message in messages
        if message.author_id == BOT_ID
    ]
    owed = [e for e in universe.server.tables.effects.values() if e.kind == "notice"]
    yield from _told(universe, owed, posted)
    yield from _counted(universe, owed, posted)


def _told(universe: Universe, owed: list[Effect], posted: list[Message]) -> Iterator[Violation]:
    """Look at each receipt, and at each nonce."""
    ids = {message.id for message in posted}
    for effect in owed:
        receipt = effect.receipt or {}
        delivered = effect.state == "done" and "reason" not in receipt
        if delivered and receipt.get("message_id") not in ids:
            said = f"the notice of event {effect.position} is receipted and stands nowhere"
            yield Violation("lost", said)
    events = {event.hash.hex()[:NONCE_LENGTH]: event for event in universe.server.tables.events}
    for nonce, times in Counter(message.nonce for message in posted).items():
        event = events.get(nonce or "")
        if times > 1:
            yield Violation(
                "twice", f"the notice of {event and event.position} stands {times} times"
            )


def _counted(universe: Universe, owed: list[Effect], posted: list[Message]) -> Iterator[Violation]:
    """Compare how many there are with how many there should be, kind by kind."""
    there = Counter(map(_kind_of_message, posted))
    delivered, possible = Counter[Alike](), Counter[Alike]()
    for effect in owed:
        event = universe.server.tables.events[effect.position - 1]
        stream = effect.stream
        alike = (stream.user_id, ROLE_NAMES[stream.role_id], WORDS[event.type])
        reason = (effect.receipt or {}).get("reason") or ""
        if effect.state == "done" and not reason:
            delivered[alike] += 1
        elif effect.attempts and (effect.state == "superseded" or reason.startswith(ADMITTED)):
            possible[alike] += 1
    for alike in there.keys() | delivered.keys():
        least, most = delivered[alike], delivered[alike] + possible[alike]
        if there[alike] < least:
            yield Violation("lost", f"{alike}: {least} notices are receipted, {there[alike]} there")
        if there[alike] > most:
            yield Violation("twice", f"{alike}: {most} notices were owed, {there[alike]} are there")


def _kind_of_message(message: Message) -> Alike:
    whom, word, *_ = message.content.split()
    role = message.content.split("**")[1]
    return whom.strip("<@>"), ROLE_NAMES.get(role, role), word
