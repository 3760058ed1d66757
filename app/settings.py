"""All settings: from the environment, which only this module reads, from a YAML file, and defaults."""

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from app.errors import UserError
from app.headers import read_headers
from app.signing_keys import AwsLogin
from streams.config import (
    DETECTORS,
    Config,
    DeadLetters,
    Endpoint,
    Held,
    InputTopic,
    Kafka,
    KeyRule,
    Limits,
    Mechanism,
    Policy,
    Protocol,
    Strategy,
    Windows,
)
from streams.disguise import KEY_BYTES, KEYED
from streams.endpoint import tls_context
from streams.kafka import ssl_context
from streams.tls import BadFile
from streams.topics import Topics

PREFIX = "BETRACE_"
_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_SIZES = {"": 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "MB": 10**6, "GB": 10**9}


def seconds(value: Any) -> Any:
    """Seconds of a duration such as 250ms or 2h; ValueError says what one looks like."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ns|us|ms|s|m|h|d)\s*", str(value))
    if found is None:
        raise ValueError("a duration is a number and a unit: 250ms, 1.5s, 5m, 1h, 30d")
    return float(found[1]) * _UNITS[found[2]]


def _bytes(value: Any) -> Any:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", str(value))
    if found is None or found[2] not in _SIZES:
        raise ValueError("a size is a number and a unit: 900kB, 20 MiB, 1GiB")
    return round(float(found[1]) * _SIZES[found[2]])


def _list(value: Any) -> Any:
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


def _topics(value: Any) -> Any:
    def one(item: Any) -> Any:
        name, _, encoding = item.partition(":") if isinstance(item, str) else (item, "", "")
        return {"name": name, "encoding": encoding or "otlp_proto"} if isinstance(item, str) else item

    listed = _list(value)
    return [one(item) for item in listed] if isinstance(listed, list) else listed


def _address(value: Any) -> Any:
    host, _, port = str(value).rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ValueError("an address is host:port, such as 127.0.0.1:12011")
    return str(value)


def _url(value: Any) -> Any:
    if value is not None and re.fullmatch(r"https?://[^/?#\s@]+(/[^?#\s]*)?", str(value)) is None:
        raise ValueError("a URL is http(s)://host:port, without a user, such as http://tempo:4317")
    return value


Seconds = Annotated[float, BeforeValidator(seconds)]
Bytes = Annotated[int, BeforeValidator(_bytes)]
Address = Annotated[str, BeforeValidator(_address)]
Url = Annotated[str, BeforeValidator(_url)]
Port = Annotated[int, Field(ge=1)]
_LOOPBACK = ("127.", "localhost:", "[::1]:")


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Topic(_Group):
    name: str = Field(min_length=1)
    encoding: Literal["otlp_proto", "otlp_json"] = "otlp_proto"


class KafkaSecurity(_Group):
    protocol: Protocol = Field("PLAINTEXT", description="PLAINTEXT, SSL, SASL_SSL or SASL_PLAINTEXT")


class KafkaSasl(_Group):
    mechanism: Mechanism | None = Field(None, description="PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512")
    username: str | None = Field(None, description="user name for SASL")
    password_file: Path | None = Field(None, description="file that holds the password for SASL")


class KafkaTls(_Group):
    ca_file: Path | None = Field(None, description="certificates to trust; the system's by default")
    cert_file: Path | None = Field(None, description="client certificate")
    key_file: Path | None = Field(None, description="key of the client certificate")


class KafkaSettings(_Group):
    brokers: Annotated[list[str], BeforeValidator(_list), Field(min_length=1)] = Field(
        ["localhost:9092"], description="brokers, host:port"
    )
    security: KafkaSecurity = KafkaSecurity()
    sasl: KafkaSasl = KafkaSasl()
    tls: KafkaTls = KafkaTls()
    input_topics: Annotated[list[_Topic], BeforeValidator(_topics), Field(min_length=1)] = Field(
        [_Topic(name="otlp_spans")], description="topics of OTLP traces: name, or name:otlp_json"
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


class TraceSettings(_Group):
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


class WorkerSettings(_Group):
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


class DeadLetterSettings(_Group):
    max_share: float = Field(
        0.5, ge=0, le=1, description="a worker stops when more of a topic cannot be read; 1 is never"
    )
    window: int = Field(1000, ge=1, le=1_000_000, description="over that many last records of the topic")
    min_records: int = Field(100, ge=1, description="and not before that many")


class RulesSettings(_Group):
    files: Annotated[list[Path], BeforeValidator(_list)] = Field([], description="read-only rule files")
    max_steps: int = Field(1_000_000, ge=1000, description="steps a rule may take on one trace")


class ViolationsSettings(_Group):
    retention: Seconds = Field(
        30 * 86_400.0, gt=0, description="how long violations are kept, topic and index"
    )
    max_rows: int = Field(
        5_000_000, ge=1, description="violations in an API's index; of more, the newest are kept"
    )


class ApiTls(_Group):
    cert_file: Path | None = Field(None, description="certificate chain of the API; without it, plain HTTP")
    key_file: Path | None = Field(None, description="key of that certificate")


class ApiSettings(_Group):
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


class ComplianceSettings(_Group):
    held: Held = Field(
        "sample",
        description="spans of rules with a control that held: off, all, sample (one a minute and partition)",
    )


class EvidenceTls(_Group):
    ca_file: Path | None = Field(None, description="certificates to trust there; the system's by default")
    cert_file: Path | None = Field(None, description="client certificate for the endpoint")
    key_file: Path | None = Field(None, description="key of that certificate")


class EvidenceSettings(_Group):
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


class SignatureSettings(_Group):
    count_unverified: bool = Field(
        False, description="count spans whose `span.signature.verified` is false or absent"
    )


class MetricsSettings(_Group):
    listen: Address = Field(
        "127.0.0.1:9464", description="where a worker shows /metrics, /healthz and /readyz"
    )


def _key_rules(value: Any) -> Any:
    def one(item: Any) -> Any:
        match, _, strategy = item.rpartition(":") if isinstance(item, str) else (item, "", "")
        return {"match": match, "strategy": strategy} if isinstance(item, str) else item

    listed = _list(value)
    return [one(item) for item in listed] if isinstance(listed, list) else listed


class _KeyRule(_Group):
    match: str = Field(min_length=1)
    strategy: Strategy


class RedactionDetectors(_Group):
    email: Strategy | None = Field("mask", description="of e-mail addresses")
    credit_card: Strategy | None = Field("mask", description="of numbers of payment cards")
    ssn: Strategy | None = Field(None, description="of US social security numbers")
    phone: Strategy | None = Field("mask", description="of phone numbers")
    iban: Strategy | None = Field("mask", description="of bank accounts")
    ip: Strategy | None = Field("keep", description="of IP addresses")
    name: Strategy | None = Field("keep", description="of values whose key says that they name a person")
    address: Strategy | None = Field("keep", description="of values whose key says that people live there")
    secret: Strategy | None = Field(None, description="of tokens, private keys, passwords")


class RedactionSettings(_Group):
    default: Strategy = Field("redact", description="what becomes of what a detector without its own finds")
    keys: Annotated[list[_KeyRule], BeforeValidator(_key_rules)] = Field(
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


class LogSettings(_Group):
    level: Literal["debug", "info", "warning", "error"] = Field(
        "warning", description="debug, info, warning or error"
    )


class Settings(_Group):
    """Every setting, validated."""

    kafka: KafkaSettings = KafkaSettings()
    trace: TraceSettings = TraceSettings()
    worker: WorkerSettings = WorkerSettings()
    dead_letter: DeadLetterSettings = DeadLetterSettings()
    rules: RulesSettings = RulesSettings()
    violations: ViolationsSettings = ViolationsSettings()
    api: ApiSettings = ApiSettings()
    metrics: MetricsSettings = MetricsSettings()
    compliance: ComplianceSettings = ComplianceSettings()
    evidence: EvidenceSettings = EvidenceSettings()
    signature: SignatureSettings = SignatureSettings()
    redaction: RedactionSettings = RedactionSettings()
    log: LogSettings = LogSettings()

    @model_validator(mode="after")
    def _agree(self) -> "Settings":
        sasl = self.kafka.security.protocol.startswith("SASL")
        tls = self.kafka.tls
        inputs = [topic.name for topic in self.kafka.input_topics]
        own = Topics(self.kafka.group).all
        secured = self.kafka.security.protocol.endswith("SSL")
        keyed = sorted(KEYED & self.redaction.uses())
        checks = (
            (self.trace.root_grace <= self.trace.max_wait, "trace.root_grace is longer than trace.max_wait"),
            (self.trace.tick <= self.trace.root_grace, "trace.tick is longer than trace.root_grace"),
            (
                self.trace.remember >= self.trace.max_wait + self.trace.late_window + self.trace.late_grace,
                "trace.remember is shorter than trace.max_wait, late_window and late_grace together: "
                "a late span would begin a second trace",
            ),
            (
                self.trace.max_bytes <= self.worker.max_retained_bytes,
                "trace.max_bytes is larger than worker.max_retained_bytes: one trace would not fit",
            ),
            (
                len(inputs) == len(set(inputs)),
                "kafka.input_topics names a topic twice",
            ),
            (
                not own & set(inputs),
                f"kafka.input_topics names what BeTrace writes itself: {', '.join(own & set(inputs))}",
            ),
            (
                not 0 < self.worker.watchdog < 5 * self.trace.tick,
                "worker.watchdog is shorter than five trace.tick",
            ),
            (
                sasl == (self.kafka.sasl.mechanism is not None),
                "kafka.sasl.mechanism goes with a SASL protocol",
            ),
            (not sasl or self.kafka.sasl.username, "a SASL protocol needs kafka.sasl.username"),
            (not sasl or self.kafka.sasl.password_file, "a SASL protocol needs kafka.sasl.password_file"),
            (
                (tls.cert_file is None) == (tls.key_file is None),
                "kafka.tls.cert_file and kafka.tls.key_file go together",
            ),
            (
                secured or not (tls.ca_file or tls.cert_file),
                "kafka.tls.* goes with kafka.security.protocol SSL or SASL_SSL",
            ),
            (
                self.api.listen.startswith(_LOOPBACK) or self.api.tokens_file,
                "api.listen is not on loopback: that needs api.tokens_file",
            ),
            (
                (self.api.tls.cert_file is None) == (self.api.tls.key_file is None),
                "api.tls.cert_file and api.tls.key_file go together",
            ),
            (
                not self.api.trust_user_header or self.api.tokens_file,
                "api.trust_user_header names a token of api.tokens_file",
            ),
            *self._of_evidence(),
            (
                self.redaction.key_file or not keyed,
                f"redaction.key_file is needed by {', '.join(keyed)}: openssl rand -out redaction.key 32",
            ),
        )
        wrong = [text for right, text in checks if not right]
        if wrong:
            raise ValueError("\n".join(wrong))
        return self

    def _of_evidence(self) -> tuple[tuple[object, str], ...]:
        evidence = self.evidence
        url, tls = evidence.otlp_endpoint or "", evidence.tls
        beside = [tls.ca_file, tls.cert_file, tls.key_file, evidence.otlp_headers_file]
        return (
            (url or not any(beside), "evidence.tls.* and .otlp_headers_file go with evidence.otlp_endpoint"),
            (
                url.startswith("https:") or not url or not any(beside[:3]),
                "evidence.tls.* goes with an evidence.otlp_endpoint that begins with https:",
            ),
            (
                (tls.cert_file is None) == (tls.key_file is None),
                "evidence.tls.cert_file and evidence.tls.key_file go together",
            ),
            (
                evidence.otlp_protocol == "http" or not urlsplit(url).path.strip("/"),
                "evidence.otlp_endpoint has a path, which goes with evidence.otlp_protocol http",
            ),
            (
                evidence.enabled or not url,
                "evidence.otlp_endpoint is set, and evidence.enabled is not: there is nothing to export",
            ),
        )

    def config(self) -> Config:
        """What the stages are told."""
        trace, worker = self.trace, self.worker
        windows = Windows(
            trace.max_wait, trace.root_grace, trace.late_window, trace.late_grace, trace.tick, trace.remember
        )
        limits = Limits(
            trace.max_spans,
            trace.max_bytes,
            worker.max_traces,
            worker.max_memory,
            worker.max_retained_bytes,
            self.rules.max_steps,
        )
        return Config(
            self._kafka(),
            windows,
            limits,
            worker.data_dir,
            tuple(self.rules.files),
            self.violations.retention,
            DeadLetters(self.dead_letter.max_share, self.dead_letter.window, self.dead_letter.min_records),
            worker.watchdog,
            self.redaction.policy(),
            self.compliance.held if self.evidence.enabled else "off",
            self.evidence.enabled,
            self.evidence.endpoint(),
            self.signature.count_unverified,
        )

    def _kafka(self) -> Kafka:
        kafka = self.kafka
        told = Kafka(
            tuple(kafka.brokers),
            kafka.security.protocol,
            kafka.sasl.mechanism,
            kafka.sasl.username,
            _secret(kafka.sasl.password_file),
            kafka.tls.ca_file,
            kafka.tls.cert_file,
            kafka.tls.key_file,
            tuple(InputTopic(topic.name, topic.encoding) for topic in kafka.input_topics),
            kafka.group,
            kafka.partitions,
            kafka.replication_factor,
        )
        try:
            ssl_context(told)
        except BadFile as problem:
            raise UserError(str(problem)) from None
        return told


@dataclass(frozen=True, slots=True)
class Source:
    """A setting's value, and where it came from."""

    key: str
    value: Any
    origin: str
    default: Any
    description: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings, and the origin of each."""

    settings: Settings
    origins: Mapping[str, str]


def load(file: Path | None = None, environment: Mapping[str, str] | None = None) -> Loaded:
    """Read the settings; UserError tells all that is wrong at once."""
    environment = os.environ if environment is None else environment
    file = file or (Path(environment[f"{PREFIX}CONFIG"]) if environment.get(f"{PREFIX}CONFIG") else None)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    problems: list[str] = []
    if file is not None:
        for key, value in _flat(_read(file)).items():
            _put(key, value, f"file {file}", values, origins, problems)
    names = {_variable(key): key for key in fields()}
    for name in sorted(n for n in environment if n.startswith(PREFIX) and n != f"{PREFIX}CONFIG"):
        _put(names.get(name, name), environment[name], f"environment {name}", values, origins, problems)
    try:
        settings = Settings.model_validate(values)
    except ValidationError as refused:
        problems += [line for error in refused.errors() for line in _told(error, origins)]
    if problems:
        raise UserError("\n".join(problems))
    return Loaded(settings, origins)


def fields() -> dict[str, Any]:
    """Every key with its pydantic field, in order."""
    found: dict[str, Any] = {}

    def walk(model: type[BaseModel], prefix: str) -> None:
        for name, info in model.model_fields.items():
            if isinstance(info.annotation, type) and issubclass(info.annotation, _Group):
                walk(info.annotation, f"{prefix}{name}.")
            else:
                found[f"{prefix}{name}"] = info

    walk(Settings, "")
    return found


def sources(loaded: Loaded) -> list[Source]:
    """Every setting, for `betrace config`. Secrets are files, so only their paths show."""
    shown = []
    for key, info in fields().items():
        if (info.json_schema_extra or {}).get("hidden"):
            continue
        value: Any = loaded.settings
        for part in key.split("."):
            value = getattr(value, part)
        origin = loaded.origins.get(key, "default")
        shown.append(
            Source(key, readable(key, value), origin, readable(key, info.default), info.description or "")
        )
    return shown


def readable(key: str, value: Any) -> str:
    """A value as a person would set it."""
    if value is None:
        return "redaction.default" if key.startswith("redaction.detectors.") else "none"
    if isinstance(value, list):
        return ", ".join(readable(key, item) for item in value) or "none"
    if isinstance(value, _KeyRule):
        return f"{value.match}:{value.strategy}"
    if isinstance(value, _Topic):
        return f"{value.name}:{value.encoding}"
    if key.endswith("_share"):
        return f"{value:g}"
    if isinstance(value, float):
        return _readable_seconds(value)
    if key.endswith(("_bytes", "_memory")):
        return f"{value // 2**20} MiB"
    return str(value)


def _readable_seconds(value: float) -> str:
    for unit in ("d", "h", "m", "s"):
        if value >= _UNITS[unit] and value % _UNITS[unit] == 0:
            return f"{value / _UNITS[unit]:g}{unit}"
    return f"{value:g}s" if value >= 1 else f"{value * 1000:g}ms"


def _variable(key: str) -> str:
    return PREFIX + key.replace(".", "_").upper()


def _read(file: Path) -> dict[str, Any]:
    try:
        value = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as problem:
        raise UserError(f"the settings file {file} cannot be read: {problem}") from None
    if not isinstance(value, dict | None):
        raise UserError(f"the settings file {file} is no mapping of settings")
    return value or {}


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            found |= _flat(item, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = item
    return found


def _put(
    key: str, value: Any, origin: str, values: dict[str, Any], origins: dict[str, str], problems: list[str]
) -> None:
    known = fields()
    if key not in known:
        near = difflib.get_close_matches(key, [*known, *(_variable(k) for k in known)], 1)
        hint = f", did you mean {near[0]}?" if near else "; `betrace config` lists the settings"
        problems.append(f"{origin}: unknown setting {key}{hint}")
        return
    *groups, last = key.split(".")
    target = values
    for group in groups:
        target = target.setdefault(group, {})
    target[last] = value
    origins[key] = origin


def _told(error: Any, origins: Mapping[str, str]) -> list[str]:
    """What is wrong, a line each."""
    location = [str(part) for part in error["loc"]]
    key = next(
        (".".join(location[:n]) for n in range(len(location), 0, -1) if ".".join(location[:n]) in fields()),
        "",
    )
    text = str(error["msg"]).removeprefix("Value error, ")
    if not key:
        return [f"settings: {line}" for line in text.split("\n")]
    return [f"{origins.get(key, 'settings')}: {key}: {text}"]


def _secret(file: Path | None) -> str | None:
    if file is None:
        return None
    setting = f"kafka.sasl.password_file: {file}"
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as problem:
        raise UserError(f"{setting} cannot be read: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{setting} is no text in UTF-8") from None
    if len(lines) != 1 or not lines[0]:
        raise UserError(f"{setting} has to hold one line, the password, and holds {len(lines)}")
    return lines[0]


def vault_token(environment: Mapping[str, str] | None = None) -> str:
    """The token of Vault or OpenBao, where their own tools look for it."""
    environment = os.environ if environment is None else environment
    token = environment.get("VAULT_TOKEN") or environment.get("BAO_TOKEN")
    if not token:
        raise UserError("VAULT_TOKEN or BAO_TOKEN is needed: a token that may use the key")
    return token


def aws_login(environment: Mapping[str, str] | None = None) -> AwsLogin:
    """Credentials for AWS, as `aws configure export-credentials --format env` prints them."""
    environment = os.environ if environment is None else environment
    access, secret = (environment.get(f"AWS_{name}", "") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"))
    if not access or not secret:
        raise UserError(
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are needed: "
            "eval $(aws configure export-credentials --format env)"
        )
    return AwsLogin(access, secret, environment.get("AWS_SESSION_TOKEN", ""))


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


def table() -> str:
    """The table of `docs/settings.md`."""
    rows = ["| key | environment | default | is |", "| --- | --- | --- | --- |"]
    for source in sources(Loaded(Settings(), {})):
        rows.append(
            f"| `{source.key}` | `{_variable(source.key)}` | {source.default} | {source.description} |"
        )
    return "\n".join(rows) + "\n"
