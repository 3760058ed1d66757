"""The settings by group, with what each is: `app.settings` reads them."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.errors import UserError
from app.headers import read_headers
from app.setting_types import Address, Bytes, Seconds, Url, listed
from streams.config import (
    DETECTORS,
    Endpoint,
    Held,
    KeyRule,
    Mechanism,
    Policy,
    Protocol,
    Strategy,
)
from streams.disguise import KEY_BYTES
from streams.endpoint import tls_context
from streams.tls import BadFile


def _topics(value: Any) -> Any:
    def one(item: Any) -> Any:
        name, _, encoding = item.partition(":") if isinstance(item, str) else (item, "", "")
        return {"name": name, "encoding": encoding or "otlp_proto"} if isinstance(item, str) else item

    items = listed(value)
    return [one(item) for item in items] if isinstance(items, list) else items


class Group(BaseModel):
    """Settings with a common prefix; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class InputTopicSettings(Group):
    name: str = Field(min_length=1)
    encoding: Literal["otlp_proto", "otlp_json"] = "otlp_proto"


class KafkaSecurity(Group):
    protocol: Protocol = Field("PLAINTEXT", description="PLAINTEXT, SSL, SASL_SSL or SASL_PLAINTEXT")


class KafkaSasl(Group):
    mechanism: Mechanism | None = Field(None, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
    username: str | None = Field(None, description="user name for SASL")
    password_file: Path | None = Field(None, description="file that holds the password for SASL")


class KafkaTls(Group):
    ca_file: Path | None = Field(None, description="certificates to trust; the system's by default")
    cert_file: Path | None = Field(None, description="client certificate")
    key_file: Path | None = Field(None, description="key of the client certificate")


class KafkaSettings(Group):
    brokers: Annotated[list[Address], BeforeValidator(listed), Field(min_length=1)] = Field(
        ["localhost:9092"], description="brokers, host:port"
    )
    security: KafkaSecurity = KafkaSecurity()
    sasl: KafkaSasl = KafkaSasl()
    tls: KafkaTls = KafkaTls()
    input_topics: Annotated[list[InputTopicSettings], BeforeValidator(_topics), Field(min_length=1)] = Field(
        [InputTopicSettings(name="otlp_spans")], description="topics of OTLP traces: name, or name:otlp_json"
    )
    group: str = Field(
        "betrace",
        pattern=r"^[a-zA-Z0-9._-]{1,100}$",
        description="consumer group, and prefix of BeTrace's topics",
    )
    partitions: int = Field(
        8, ge=1, le=10_000, description="partitions of BeTrace's topics; not to be changed later"
    )
    replication_factor: int = Field(3, ge=1, description="replicas of BeTrace's topics")


class TraceSettings(Group):
    max_wait: Seconds = Field(
        30.0, gt=0, description="a trace is judged at the latest that long after its first span"
    )
    root_grace: Seconds = Field(5.0, gt=0, description="a whole trace is judged that long after its root")
    late_window: Seconds = Field(60.0, ge=0, description="how long a judged trace is retained")
    late_grace: Seconds = Field(5.0, ge=0, description="late spans are collected that long")
    tick: Seconds = Field(1.0, gt=0, description="how often the clock is told")
    remember: Seconds = Field(3600.0, gt=0, description="how long judged trace ids are remembered")
    max_spans: int = Field(10_000, ge=1, description="a trace with more spans is judged at once")
    max_bytes: Bytes = Field(20 * 2**20, ge=1, description="a trace with more bytes is judged at once")


class WorkerSettings(Group):
    data_dir: Path = Field(Path("data"), description="RocksDB; one folder a worker")
    max_traces: int = Field(
        200_000, ge=1, description="traces in flight; beyond, the oldest are judged early"
    )
    max_memory: Bytes = Field(
        2**30, ge=512 * 2**20, description="memory of a worker; beyond, the oldest traces are judged early"
    )
    max_retained_bytes: Bytes = Field(4 * 2**30, ge=2**20, description="blocks kept in RocksDB, a partition")
    watchdog: Seconds = Field(
        60.0, ge=0, description="a worker that is stuck for so long ends itself; 0s: never"
    )
    crash_at: str | None = Field(
        None, description="for tests: be killed at this point", json_schema_extra={"hidden": True}
    )


class DeadLetterSettings(Group):
    max_share: float = Field(
        0.5, ge=0, le=1, description="a worker stops when more of a topic cannot be read; 1 is never"
    )
    window: int = Field(1000, ge=1, le=1_000_000, description="over that many last records of the topic")
    min_records: int = Field(100, ge=1, description="and not before that many")


class RulesSettings(Group):
    files: Annotated[list[Path], BeforeValidator(listed)] = Field([], description="read-only rule files")
    max_steps: int = Field(1_000_000, ge=1000, description="steps a rule may take on one trace")


class ViolationsSettings(Group):
    retention: Seconds = Field(
        30 * 86_400.0, gt=0, description="how long violations are kept, topic and index"
    )
    max_rows: int = Field(
        5_000_000, ge=1, description="violations in an API's index; of more, the newest are kept"
    )


class ApiTls(Group):
    cert_file: Path | None = Field(None, description="certificate chain of the API; without it, plain HTTP")
    key_file: Path | None = Field(None, description="key of that certificate")


class ApiSettings(Group):
    listen: Address = Field(
        "127.0.0.1:12011", description="where the API listens; without tokens, loopback only"
    )
    tokens_file: Path | None = Field(
        None, description="YAML file of tokens: name: {sha256, role: viewer or editor}"
    )
    trust_user_header: str | None = Field(
        None, description="name of the token whose X-Grafana-User is the author of changes"
    )
    tls: ApiTls = ApiTls()
    index: Path | None = Field(None, description="file of the violation index; in worker.data_dir by default")


class ComplianceSettings(Group):
    held: Held = Field(
        "sample",
        description="spans of rules with a control that held: off, all, sample (one a minute and partition)",
    )


class EvidenceTls(Group):
    ca_file: Path | None = Field(None, description="certificates to trust there; the system's by default")
    cert_file: Path | None = Field(None, description="client certificate for the endpoint")
    key_file: Path | None = Field(None, description="key of that certificate")


class EvidenceSettings(Group):
    enabled: bool = Field(True, description="violations also go to the topic of evidence, as spans")
    otlp_endpoint: Url | None = Field(
        None, description="URL that workers export evidence to by OTLP; https is with TLS"
    )
    otlp_protocol: Literal["grpc", "http"] = Field(
        "grpc", description="grpc, or http: protobuf to the URL's path, or to /v1/traces if it has none"
    )
    otlp_headers_file: Path | None = Field(
        None, description="YAML file of headers for the endpoint: `authorization: Bearer …`"
    )
    tls: EvidenceTls = EvidenceTls()

    def endpoint(self) -> Endpoint | None:
        """What the stages are told; UserError for files that cannot be used."""
        if self.otlp_endpoint is None or not self.enabled:
            return None
        headers = read_headers(self.otlp_headers_file) if self.otlp_headers_file else {}
        files = (self.tls.ca_file, self.tls.cert_file, self.tls.key_file)
        told = Endpoint(self.otlp_endpoint, self.otlp_protocol, headers, *files)
        try:
            tls_context(told)
        except BadFile as problem:
            raise UserError(str(problem)) from None
        return told


class SignatureSettings(Group):
    count_unverified: bool = Field(
        False, description="count spans whose `span.signature.verified` is false or absent"
    )


class MetricsSettings(Group):
    listen: Address = Field(
        "127.0.0.1:9464", description="where a worker shows /metrics, /healthz and /readyz"
    )


def _key_rules(value: Any) -> Any:
    def one(item: Any) -> Any:
        match, _, strategy = item.rpartition(":") if isinstance(item, str) else (item, "", "")
        return {"match": match, "strategy": strategy} if isinstance(item, str) else item

    items = listed(value)
    return [one(item) for item in items] if isinstance(items, list) else items


class RedactionKey(Group):
    match: str = Field(min_length=1)
    strategy: Strategy


class RedactionDetectors(Group):
    email: Strategy | None = Field("mask", description="of e-mail addresses")
    credit_card: Strategy | None = Field("mask", description="of numbers of payment cards")
    ssn: Strategy | None = Field(None, description="of US social security numbers")
    phone: Strategy | None = Field("mask", description="of phone numbers")
    iban: Strategy | None = Field("mask", description="of bank accounts")
    ip: Strategy | None = Field("keep", description="of IP addresses")
    name: Strategy | None = Field("keep", description="of values whose key says that they name a person")
    address: Strategy | None = Field("keep", description="of values whose key says that people live there")
    secret: Strategy | None = Field(None, description="of tokens, private keys, passwords")


class RedactionSettings(Group):
    default: Strategy = Field("redact", description="what becomes of what a detector without its own finds")
    keys: Annotated[list[RedactionKey], BeforeValidator(_key_rules)] = Field(
        [], description="by attribute key, before detectors; the first wins: `*.email:hash, order.id:keep`"
    )
    detectors: RedactionDetectors = RedactionDetectors()
    key_file: Path | None = Field(None, description="file of 32 bytes; hash, tokenize and encrypt need it")

    def uses(self) -> set[str]:
        """All strategies that may be used."""
        own = [getattr(self.detectors, name) for name in RedactionDetectors.model_fields]
        return {strategy or self.default for strategy in own} | {rule.strategy for rule in self.keys}

    def policy(self) -> Policy:
        """What the stages are told; UserError for a key file that holds no key."""
        detectors = {name: getattr(self.detectors, name) or self.default for name in DETECTORS}
        keys = tuple(KeyRule(rule.match, rule.strategy) for rule in self.keys)
        return Policy(keys, detectors, _key(self.key_file) if self.key_file else b"")


class LogSettings(Group):
    level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="info, warning, error, or debug, which has the libraries' lines too"
    )
    format: Literal["text", "json"] = Field("text", description="text, or json: an object a line")


def _key(file: Path) -> bytes:
    try:
        key = file.read_bytes()
    except OSError as problem:
        raise UserError(f"redaction.key_file: {file} cannot be read: {problem.strerror}") from None
    if len(key) != KEY_BYTES:
        raise UserError(
            f"redaction.key_file: {file} has to hold {KEY_BYTES} bytes and holds {len(key)}: "
            f"openssl rand -out {file} {KEY_BYTES}"
        )
    return key
