"""The oracle: after the trouble, what the log says must be what people and Discord have seen."""

from collections import Counter
from collections.abc import Iterator

from tests.chaos.evidence import Effect, Evidence, acknowledged, refused, said
from tests.chaos.oracle_roles import ended_by_nobody, held_roles, made_at, role_changes
from tests.chaos.violation import Violation
from tests.chaos.world import Json, mark_of, notices

NOTIFYING = ("WarningSent", "Expired")
TOO_MANY = 429
FOREIGN_MS = 15_000  # what a fault holds up for seconds arrives among what was sent later


def judge(evidence: Evidence) -> list[Violation]:
    """Return every promise that was broken."""
    checks = (
        _commands,
        _owed,
        held_roles,
        ended_by_nobody,
        role_changes,
        _notices,
        _sandbox,
    )
    return [violation for check in checks for violation in check(evidence)]


def _commands(evidence: Evidence) -> Iterator[Violation]:
    counted = Counter(event.command_id for event in evidence.events if event.source == "slash")
    ends = Counter(
        event.command_id
        for event in evidence.events
        if event.source == "slash" and event.type == "Expired"
    )  # of time removed down to nothing: two events of one command
    for interaction in evidence.state["interactions"]:
        command_id, name = interaction["id"], interaction["data"]["name"]
        times = counted.pop(command_id, 0) - ends[command_id]
        if times > 1:
            yield Violation("twice", f"/{name} {command_id} is in the log {times} times")
        if acknowledged(interaction) and not times:
            yield Violation("lost", f"/{name} {command_id} was acknowledged and is not in the log")
        if refused(interaction) and times:
            yield Violation(
                "wrong", f"/{name} {command_id} is in the log, but: {said(interaction)}"
            )
    for command_id in counted:
        yield Violation("wrong", f"nobody gave the command {command_id} of the log")


def _owed(evidence: Evidence) -> Iterator[Violation]:
    for effect in evidence.effects:
        if effect.state in ("owed", "stuck"):
            yield Violation(
                "lost",
                f"{effect.kind} of event {effect.position} is still {effect.state} after "
                f"{effect.attempts} attempts: {effect.last_error}",
            )


def _notices(evidence: Evidence) -> Iterator[Violation]:
    posted = {message["id"]: message for message in notices(evidence.state, evidence.bot_id)}
    by_position = {e.position: e for e in evidence.effects if e.kind == "notice"}
    for event in evidence.events:
        if event.type in NOTIFYING and event.position not in by_position:
            yield Violation("lost", f"no notice is owed for {event.type} at {event.position}")
    for effect in by_position.values():
        yield from _receipt(evidence, effect, posted)
    yield from _unaccounted(evidence, by_position, posted)


def _receipt(evidence: Evidence, effect: Effect, posted: dict[str, Json]) -> Iterator[Violation]:
    where = f"the notice of event {effect.position}"
    message_id, reason = effect.receipt.get("message_id"), effect.receipt.get("reason")
    if effect.state != "done" or reason:
        return
    if message_id is None:
        yield Violation("wrong", f"{where} is done without a receipt")
    elif message_id not in posted:
        yield Violation("lost", f"{where} is receipted and stands nowhere")
    elif posted[message_id]["channel_id"] != effect.receipt.get("channel_id"):
        yield Violation("wrong", f"{where} stands in another channel than its receipt says")
    elif mark_of(posted[message_id]) != evidence.mark(effect):
        yield Violation("wrong", f"the receipt of {where} names a notice of something else")


def _unaccounted(
    evidence: Evidence, effects: dict[int, Effect], posted: dict[str, Json]
) -> Iterator[Violation]:
    """Find messages that no receipt names; one whose answer was lost may be superseded."""
    receipts = Counter(
        e.receipt["message_id"] for e in effects.values() if "message_id" in e.receipt
    )
    for message_id, times in receipts.items():
        if times > 1:
            yield Violation("lost", f"the message {message_id} is the receipt of {times} notices")
    doubtful = [effect for effect in effects.values() if _may_be_sent(effect)]
    for message_id, message in sorted(posted.items(), key=lambda one: int(one[0])):
        if message_id in receipts:
            continue
        mark, at = mark_of(message), made_at(message_id)
        meant = [e for e in doubtful if evidence.mark(e) == mark and evidence.began(e) <= at]
        if meant:
            doubtful.remove(meant[0])  # one attempt explains one message
        else:
            yield Violation("twice", f"no receipt names {message_id}: {message['content']}")


def _may_be_sent(effect: Effect) -> bool:
    """Tell whether *effect* was given up in doubt, which the log admits."""
    admitted = effect.receipt.get("reason", "").startswith("an attempt may have sent it")
    return bool(effect.attempts) and (effect.state == "superseded" or admitted)


def _sandbox(evidence: Evidence) -> Iterator[Violation]:
    for what in ("unknown", "crashes"):
        for entry in evidence.state[what]:
            yield Violation("wrong", f"{what}: {entry['method']} {entry['path']}")
    delayed: dict[str, int] = {}
    for entry in evidence.state["requests"]:
        place = entry["path"].split("/members/")[0]
        if "fault" in entry:
            delayed[place] = entry["at_ms"]
        elif (
            entry.get("status") == TOO_MANY and entry["at_ms"] - delayed.get(place, 0) > FOREIGN_MS
        ):
            said = f"too fast: {entry['method']} {entry['path']}, after {_before(entry, evidence)}"
            yield Violation("wrong", said)


def _before(entry: Json, evidence: Evidence) -> str:
    """Tell what was asked there in the last seconds: how long ago, and what was answered."""
    there = [e for e in evidence.state["requests"] if e["path"] == entry["path"]]
    early = [e for e in there if 0 <= entry["at_ms"] - e["at_ms"] < FOREIGN_MS]
    lately = [e for e in evidence.state["requests"] if 0 <= entry["at_ms"] - e["at_ms"] < 1000]
    told = [f"{entry['at_ms'] - e['at_ms']} ms {e['method']} {e.get('status')}" for e in early]
    asked = Counter(f"{e['method']} {e['route']}" for e in lately)
    return f"{', '.join(told)}; of all {len(lately)} in a second: {dict(asked)}"
