"""What BeTrace itself does that a control asks for: a place that does such a thing says so in one line,

    acts.record(acts.ACCESS_REFUSED)

and every few seconds what was said becomes compliance spans: one for each kind of act and control, with how
often it was done.
"""

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from confluent_kafka import Producer

from dsl.rule import Control
from streams import metrics
from streams.compliance import Outcome, Place, Statement, compliance_spans
from streams.config import Config
from streams.kafka import client_settings
from streams.own_spans import Value
from streams.own_spans import record as record_of
from streams.topics import Topics

_EVERY = 10.0  # seconds between two tellings
_LAST = 2.0  # seconds for the last one to be written
_WAITING = 10_000  # spans that wait while Kafka is away


class Act(NamedTuple):
    """A kind of act, how it came out, and the controls that it serves."""

    operation: str
    outcome: Outcome
    controls: tuple[Control, ...]


_SENT = (Control("soc2", "CC6.7"), Control("hipaa", "164.502(b)"))

RULE_CHANGED = Act("rule.change", "success", (Control("soc2", "CC8.1"), Control("pci-dss", "6.5.1")))
ACCESS_REFUSED = Act(
    "access.refuse", "success",
    (Control("soc2", "CC6.1"), Control("hipaa", "164.312(a)(1)"), Control("pci-dss", "7.3.1")),
)  # fmt: skip
DATA_REDACTED = Act("data.redact", "success", _SENT)
REDACTION_FAILED = Act("data.redact", "failure", _SENT)


@dataclass(slots=True)
class Recorded:
    """The acts of this process that are not told yet, and who it is."""

    by: str = field(default_factory=lambda: uuid.uuid4().hex)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _counts: Counter[Act] = field(default_factory=Counter)

    def add(self, act: Act) -> None:
        """Count one."""
        with self._lock:
            self._counts[act] += 1

    def take(self, since: int, now: int) -> list[tuple[str, bytes]]:
        """What is told of those since the last time (Unix ns): trace ids (hex) and requests."""
        with self._lock:
            counts, self._counts = self._counts, Counter()
        for act, count in counts.items():
            metrics.ACTS.labels(act.operation, act.outcome).inc(count)
        return [told for act, count in counts.items() for told in self._told(act, count, since, now)]

    def _told(self, act: Act, count: int, since: int, now: int) -> list[tuple[str, bytes]]:
        more: dict[str, Value] = {"betrace.count": count, "betrace.process": self.by}
        statement = Statement(act.operation, act.outcome, f"{self.by} {since}", more)
        return [record_of(span) for span in compliance_spans(statement, act.controls, Place(since, now))]


_recorded = Recorded()


def record(act: Act) -> None:
    """Say that this was done now. From any thread; costs next to nothing."""
    _recorded.add(act)


@dataclass(slots=True)
class Teller:
    """Writes what was recorded to the evidence topic, in a thread; `now` is Unix ns."""

    config: Config
    now: Callable[[], int]
    recorded: Recorded = field(default_factory=lambda: _recorded)
    every: float = _EVERY
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _since: int = 0

    def start(self) -> None:
        """Begin; what was recorded before this is told too."""
        self._since = self.now()
        self._thread = threading.Thread(target=self._run, name="acts", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Tell the rest."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(_LAST + 1)

    def _run(self) -> None:
        kafka = self.config.kafka
        more = {"queue.buffering.max.messages": _WAITING, "message.timeout.ms": 0, "log_level": 0}
        producer = Producer(client_settings(kafka, error_cb=lambda _: None, **more))
        while not self._stopping.wait(self.every):
            self._tell(producer, Topics(kafka.group).evidence)
        self._tell(producer, Topics(kafka.group).evidence)
        producer.flush(_LAST)

    def _tell(self, producer: Producer, topic: str) -> None:
        since, self._since = self._since, self.now()
        for key, value in self.recorded.take(since, self._since):
            try:
                producer.produce(topic, value, key.encode())
                metrics.EVIDENCE.labels("acts").inc()
            except BufferError:
                metrics.ACTS_UNTOLD.inc()
        producer.poll(0)


@contextmanager
def telling(config: Config, now: Callable[[], int]) -> Iterator[None]:
    """What is recorded in the block is told, unless the settings want no evidence."""
    if not config.evidence:
        yield
        return
    teller = Teller(config, now)
    teller.start()
    try:
        yield
    finally:
        teller.stop()
