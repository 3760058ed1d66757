"""What is produced between two barriers, and when: out of order, some of it twice, some of it late."""

import random
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.chaos.plan import Plan
from tests.chaos.shapes import Piece, Trace, message, own, refused, traces

_SPREAD = 1.5  # seconds over which the spans of a trace come
_SLOT = 0.1  # seconds whose spans are mixed into messages
_LARGEST = 150  # spans of a message
_TWICE = 0.03  # of spans that come again, and of messages
_AGAIN = 2.0  # seconds until then, at most
_NOISE = 0.002  # of messages: with a span of BeTrace's own, or one without ids
_LATE_TRACES = 0.25  # of all traces have late spans


class Message(NamedTuple):
    """A record to be sent, `at` seconds after the phase began, and what it holds."""

    at: float
    kind: str
    value: bytes
    spans: int
    ids: tuple[tuple[bytes, bytes], ...]  # trace and span
    own: int = 0
    refused: int = 0


class Held(NamedTuple):
    """Spans that are kept back until their trace has been judged, and for that many seconds more."""

    trace_id: bytes
    delay: float
    message: Message


@dataclass(slots=True)
class Phase:
    """A phase of traffic, in order of time."""

    number: int
    messages: list[Message] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    stragglers: list[Held] = field(default_factory=list)  # for a later phase
    traces: set[bytes] = field(default_factory=set)


def phase(plan: Plan, number: int, seconds: float, now: int) -> Phase:
    """A phase of that length; `now` is Unix ns."""
    draw = plan.draw(f"traffic {number}")
    made = Phase(number)
    slots: dict[int, list[Piece]] = {}
    left = round(plan.rate * seconds)
    for trace in traces(draw, now):
        if left <= 0:
            break
        left -= len(trace)
        _place(plan, draw, made, slots, trace, max(0.0, seconds - _SPREAD - _AGAIN))
    for slot, pieces in slots.items():
        made.messages += _cut(draw, slot * _SLOT, pieces)
    made.messages.sort(key=lambda each: each.at)
    return made


def _place(
    plan: Plan, draw: random.Random, made: Phase, slots: dict[int, list[Piece]], trace: Trace, until: float
) -> None:
    """Spread a trace over the slots; what is late is held back."""
    trace_id = trace[0].span.trace_id
    made.traces.add(trace_id)
    late = _late(plan, draw, trace)
    start = draw.uniform(0, until)
    for number, piece in enumerate(trace):
        if number in late:
            continue
        at = start + draw.uniform(0, _SPREAD)
        slots.setdefault(int(at / _SLOT), []).append(piece)
        if draw.random() < _TWICE:
            slots.setdefault(int((at + draw.uniform(0, _AGAIN)) / _SLOT), []).append(piece)
    for numbers in (late[::2], late[1::2]):
        if group := [trace[number] for number in numbers]:
            made.held.append(Held(trace_id, draw.uniform(0, 15), _message(0.0, "late", group)))
    if draw.random() < plan.stragglers:
        made.stragglers.append(Held(trace_id, 0.0, _message(0.0, "straggler", [draw.choice(trace)])))


def _late(plan: Plan, draw: random.Random, trace: Trace) -> list[int]:
    """Which spans of a trace come late; one at least comes in time."""
    if draw.random() >= _LATE_TRACES:
        return []
    late = [number for number in range(len(trace)) if draw.random() < plan.late / _LATE_TRACES]
    return late[: len(trace) - 1]


def _cut(draw: random.Random, at: float, pieces: list[Piece]) -> list[Message]:
    """Messages of a slot's spans in any order; some of them come again."""
    draw.shuffle(pieces)
    made = []
    while pieces:
        size = draw.randint(1, _LARGEST)
        some, pieces = pieces[:size], pieces[size:]
        whole = _message(at, "in time", some)
        if draw.random() < _NOISE * 5:
            whole = _with_noise(draw, at, some)
        made.append(whole)
        if draw.random() < _TWICE:
            made.append(whole._replace(at=at + draw.uniform(0, _AGAIN), kind="again"))
    return made


def _with_noise(draw: random.Random, at: float, pieces: list[Piece]) -> Message:
    noise = [own(draw, pieces[0].span.trace_id), refused(draw)]
    whole = _message(at, "in time", pieces)
    return whole._replace(value=message([*pieces, *noise]), spans=len(pieces) + len(noise), own=1, refused=1)


def _message(at: float, kind: str, pieces: list[Piece]) -> Message:
    ids = tuple((piece.span.trace_id, piece.span.span_id) for piece in pieces)
    return Message(at, kind, message(pieces), len(pieces), ids)
