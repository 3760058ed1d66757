"""What the stages are told: frozen values, validated where they are made (`app/settings.py`)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

Encoding = Literal["otlp_proto", "otlp_json"]
Protocol = Literal["PLAINTEXT", "SSL", "SASL_SSL", "SASL_PLAINTEXT"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True)
class InputTopic:
    """A topic of OTLP traces; its encoding is set, never guessed."""

    name: str
    encoding: Encoding = "otlp_proto"


@dataclass(frozen=True, slots=True)
class Kafka:
    """How Kafka is reached, and what BeTrace's topics are called and cut into."""

    brokers: tuple[str, ...] = ("localhost:9092",)
    protocol: Protocol = "PLAINTEXT"
    mechanism: Mechanism | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    input_topics: tuple[InputTopic, ...] = (InputTopic("otlp_spans"),)
    group: str = "betrace"
    partitions: int = 8
    replication_factor: int = 3
    embedded: bool = False  # the mock broker of `betrace dev`: it cannot create topics or tell their settings


@dataclass(frozen=True, slots=True)
class Windows:
    """All waiting, in seconds of Kafka time."""

    max_wait: float = 30.0
    root_grace: float = 5.0
    late_window: float = 60.0
    late_grace: float = 5.0
    tick: float = 1.0
    remember: float = 3600.0


PROCESS_MEMORY = 352 * 2**20  # of a worker beside its index of traces: interpreter, buffers, caches


def ms(seconds: float) -> int:
    """Whole milliseconds."""
    return round(seconds * 1000)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on a trace (spans, bytes), on a worker (traces, bytes) and on a rule (steps)."""

    trace_spans: int = 10_000
    trace_bytes: int = 20 * 2**20
    traces: int = 200_000
    memory: int = 2**30  # of the process
    retained_bytes: int = 4 * 2**30
    rule_steps: int = 1_000_000
    block_bytes: int = 900_000

    @property
    def index_memory(self) -> int:
        """What is left of the process's memory for the index of traces in flight."""
        return max(self.memory - PROCESS_MEMORY, self.memory // 8)


Held = Literal["off", "sample", "all"]
Strategy = Literal["keep", "remove", "redact", "mask", "hash", "truncate", "tokenize", "encrypt"]
Detector = Literal["secret", "email", "iban", "credit_card", "ssn", "phone", "ip", "name", "address"]
DETECTORS: Mapping[Detector, Strategy] = {
    "secret": "redact", "email": "mask", "iban": "mask", "credit_card": "mask", "ssn": "redact",
    "phone": "mask", "ip": "keep", "name": "keep", "address": "keep",
}  # fmt: skip


class KeyRule(NamedTuple):
    """What becomes of the values of keys that a glob matches."""

    match: str
    strategy: Strategy


@dataclass(frozen=True, slots=True)
class Policy:
    """What is redacted, and how; the first of `keys` that matches wins, and detectors come after.

    `key`, 32 bytes, is needed by hash, tokenize and encrypt.
    """

    keys: tuple[KeyRule, ...] = ()
    detectors: Mapping[Detector, Strategy] = field(default_factory=lambda: dict(DETECTORS))
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where evidence is exported to, by OTLP: a URL, whose scheme says whether with TLS."""

    url: str
    protocol: Literal["grpc", "http"] = "grpc"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """A worker stops when of a topic's last `window` records (or `least`) more than `max_share` are bad."""

    max_share: float = 0.5
    window: int = 1000
    least: int = 100


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that a worker is told."""

    kafka: Kafka = Kafka()
    windows: Windows = Windows()
    limits: Limits = Limits()
    data_dir: Path = Path("data")
    rule_files: tuple[Path, ...] = ()
    violations_retention: float = 30 * 86_400.0
    dead_letters: DeadLetters = DeadLetters()
    watchdog: float = 60.0  # seconds for which a worker may be stuck; 0 for ever
    redaction: Policy = Policy()
    held: Held = "sample"  # which traces on which a rule with a control held become spans
    evidence: bool = True  # whether violations also become spans
    endpoint: Endpoint | None = None  # that evidence is exported to
    signatures: bool = False  # whether spans that are not verified are counted
