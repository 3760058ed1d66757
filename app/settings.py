"""All settings: from the environment, which only this module reads, from a YAML file, and defaults."""

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError, model_validator

from app.errors import UserError
from app.setting_checks import of_api, of_evidence, of_kafka, of_redaction, of_traces
from app.setting_groups import (
    ApiSettings,
    ComplianceSettings,
    DeadLetterSettings,
    EvidenceSettings,
    Group,
    KafkaSettings,
    LogSettings,
    MetricsSettings,
    RedactionSettings,
    RulesSettings,
    SignatureSettings,
    TraceSettings,
    ViolationsSettings,
    WorkerSettings,
)
from app.signing_keys import AwsLogin
from streams.config import (
    Config,
    DeadLetters,
    InputTopic,
    Kafka,
    Limits,
    Windows,
)
from streams.kafka import ssl_context
from streams.tls import BadFile

PREFIX = "BETRACE_"


class Settings(Group):
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
        checks = (
            *of_kafka(self.kafka),
            *of_traces(self.trace, self.worker),
            *of_api(self.api),
            *of_evidence(self.evidence),
            *of_redaction(self.redaction),
        )
        wrong = [text for right, text in checks if not right]
        if wrong:
            raise ValueError("\n".join(wrong))
        return self

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
    names = {variable(key): key for key in fields()}
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
            if isinstance(info.annotation, type) and issubclass(info.annotation, Group):
                walk(info.annotation, f"{prefix}{name}.")
            else:
                found[f"{prefix}{name}"] = info

    walk(Settings, "")
    return found


def variable(key: str) -> str:
    """The environment variable of a key."""
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
        near = difflib.get_close_matches(key, [*known, *(variable(k) for k in known)], 1)
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
