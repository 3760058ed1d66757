"""Sends a phase's messages to the broker, and remembers what was sent when, for the oracle and the story."""

import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from tests.chaos.observer import Observer
from tests.chaos.plan import INPUT, PARTITIONS, Plan
from tests.chaos.traffic import Held, Message, Phase

_HOUR = 3_540_000  # ms; nearly: a broker refuses what is more than an hour ahead
_LENGTH = struct.Struct(">I")  # before each message of a file
_LOOK = 0.05  # seconds
_PATIENCE = 240.0  # seconds until a trace with late spans must have been judged
_SAFE = 40.0  # seconds of the late window that are left for the way to the broker
_PASSED = 5.0  # seconds after the late window at which it has surely passed


@dataclass(slots=True)
class Sent:
    """A message that was sent: when, and where it came to stand."""

    kind: str
    sent: float
    clock: str
    delivered: float = 0.0
    partition: int = -1
    offset: int = -1


@dataclass(slots=True)
class Tally:
    """What was sent, in spans."""

    messages: int = 0
    spans: int = 0
    own: int = 0
    refused: int = 0
    late: int = 0
    stragglers: int = 0
    not_sent: int = 0  # held back too long to be surely within the late window


class Sender:
    """The producer of all input. One phase at a time."""

    def __init__(self, plan: Plan, brokers: str, observer: Observer, folder: Path) -> None:
        self.tally = Tally()
        self.story: dict[bytes, list[tuple[Sent, bytes]]] = {}  # of each trace: message and span
        self.problems: list[str] = []
        self._plan = plan
        self._observer = observer
        self._folder = folder
        self._draw = plan.draw("sender")
        self._stragglers: list[Held] = []
        self._producer = Producer(
            {
                "bootstrap.servers": brokers,
                "enable.idempotence": True,
                "delivery.timeout.ms": 300_000,
                "message.max.bytes": 16 * 2**20,
                "log_level": 0,
            }
        )

    def play(self, phase: Phase) -> Path:
        """Send a phase; the file that comes back has what the oracle is to judge.

        Returns when all is delivered, late spans too.
        """
        file = self._folder / f"phase-{phase.number}.binpb"
        held = list(phase.held)
        begun = time.monotonic()
        with file.open("wb") as output:
            for message in phase.messages:
                while time.monotonic() < begun + message.at:
                    self._idle(held, output)
                self._send(message, output)
            end = time.monotonic() + _PATIENCE
            while held and time.monotonic() < end:
                self._idle(held, output)
        for each in held:
            self.problems.append(f"trace {each.trace_id.hex()} has late spans and was not judged")
        if self._producer.flush(300):
            self.problems.append("the broker did not take all messages")
        self._stragglers += phase.stragglers
        return file

    def _idle(self, held: list[Held], output: Any) -> None:
        self._send_held(held, output)
        self._send_stragglers()
        self._producer.poll(_LOOK)

    def _send_held(self, held: list[Held], output: Any) -> None:
        """Send what was held back and is due; spans that may come too late by now are never sent."""
        for each in list(held):
            judged = self._observer.judged(each.trace_id)
            if not judged or time.time() < judged[0].seen + each.delay:
                continue
            held.remove(each)
            if time.time() > judged[0].clock / 1000 + self._plan.late_window - _SAFE:
                self.tally.not_sent += each.message.spans
            else:
                self._send(each.message, output)

    def _send_stragglers(self) -> None:
        clock = min(self._observer.clocks().values(), default=0)
        for each in list(self._stragglers):
            judged = self._observer.judged(each.trace_id)
            if judged and clock > judged[0].clock + (self._plan.late_window + _PASSED) * 1000:
                self._stragglers.remove(each)
                self._send(each.message, None)

    def _send(self, message: Message, output: Any) -> None:
        clock, time_of = self._time()
        sent = Sent(message.kind, time.time(), clock)
        for trace_id, span_id in message.ids:
            self.story.setdefault(trace_id, []).append((sent, span_id))
        while True:
            try:
                self._producer.produce(
                    INPUT,
                    message.value,
                    partition=self._draw.randrange(PARTITIONS),
                    timestamp=time_of,
                    on_delivery=self._noting(sent),
                )
                break
            except BufferError:
                self._producer.poll(0.1)
        self._producer.poll(0)
        self._count(message)
        if output is not None:
            output.write(_LENGTH.pack(len(message.value)) + message.value)

    def _noting(self, sent: Sent) -> Callable[[Any, Any], None]:
        def delivered(error: Any, message: Any) -> None:
            if error is not None:
                self.problems.append(f"a message was not delivered: {error.str()}")
                return
            sent.delivered = time.time()
            sent.partition, sent.offset = message.partition(), message.offset()

        return delivered

    def _time(self) -> tuple[str, int]:
        """What the producer's clock says (ms); 0 has librdkafka take the time, -1 none."""
        kind = self._plan.clocks
        if kind == "mixed":
            kind = self._draw.choice(("right", "behind", "ahead", "missing"))
        now = time.time_ns() // 1_000_000
        return kind, {"behind": now - _HOUR, "ahead": now + _HOUR, "missing": -1}.get(kind, 0)

    def _count(self, message: Message) -> None:
        tally = self.tally
        tally.messages += 1
        tally.spans += message.spans
        tally.own += message.own
        tally.refused += message.refused
        tally.late += message.spans * (message.kind == "late")
        tally.stragglers += message.spans * (message.kind == "straggler")
