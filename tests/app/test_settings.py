from pathlib import Path

import pytest
import yaml
from jsonschema import ValidationError as SchemaError
from jsonschema import validate

from app.errors import UserError
from app.setting_schema import settings_schema
from app.setting_table import sources, table
from app.settings import load
from streams.config import Endpoint
from tests.certificates import authority


def test_the_page_of_settings_holds_the_table_that_the_settings_make() -> None:
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert table() in page.read_text()


def test_defaults_make_a_config() -> None:
    config = load(environment={}).settings.config()
    assert (config.kafka.partitions, config.windows.max_wait, config.limits.trace_bytes) == (
        8,
        30.0,
        20 * 2**20,
    )


def test_the_environment_wins_over_the_file_and_the_origin_is_told(tmp_path: Path) -> None:
    file = tmp_path / "betrace.yaml"
    file.write_text("kafka: {brokers: [one:1, two:2], group: filed}\ntrace: {max_wait: 1m}\n")
    loaded = load(file, {"BETRACE_KAFKA_GROUP": "set", "BETRACE_TRACE_TICK": "250ms"})
    kafka = loaded.settings.config().kafka
    assert (kafka.brokers, kafka.group) == (("one:1", "two:2"), "set")
    assert loaded.settings.trace.tick == 0.25
    shown = {source.key: (source.value, source.origin) for source in sources(loaded)}
    assert shown["trace.max_wait"] == ("1m", f"file {file}")
    assert shown["kafka.group"] == ("set", "environment BETRACE_KAFKA_GROUP")
    assert shown["trace.tick"][0] == "250ms"


def test_an_input_topic_may_name_its_encoding() -> None:
    settings = load(environment={"BETRACE_KAFKA_INPUT_TOPICS": "a, b:otlp_json"}).settings
    assert [(t.name, t.encoding) for t in settings.config().kafka.input_topics] == [
        ("a", "otlp_proto"),
        ("b", "otlp_json"),
    ]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"BETRACE_KAFKA_GRUOP": "x"}, "did you mean BETRACE_KAFKA_GROUP"),
        ({"BETRACE_TRACE_MAX_WAIT": "soon"}, "trace.max_wait: a duration is a number and a unit"),
        ({"BETRACE_TRACE_MAX_BYTES": "5 parsecs"}, "trace.max_bytes: a size is a number and a unit"),
        ({"BETRACE_KAFKA_PARTITIONS": "0"}, "kafka.partitions: Input should be greater than or equal to 1"),
        ({"BETRACE_TRACE_ROOT_GRACE": "40s"}, "trace.root_grace is longer than trace.max_wait"),
        ({"BETRACE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "kafka.sasl.mechanism goes with a SASL protocol"),
        ({"BETRACE_TRACE_REMEMBER": "1m"}, "trace.remember is shorter than trace.max_wait, late_window"),
        ({"BETRACE_WORKER_WATCHDOG": "2s"}, "worker.watchdog is shorter than five trace.tick"),
        ({"BETRACE_KAFKA_INPUT_TOPICS": "a,a:otlp_json"}, "kafka.input_topics names a topic twice"),
        ({"BETRACE_KAFKA_INPUT_TOPICS": "betrace.spans"}, "what BeTrace writes itself: betrace.spans"),
        ({"BETRACE_API_LISTEN": "0.0.0.0:12011"}, "not on loopback"),
        ({"BETRACE_API_LISTEN": "12011"}, "host:port"),
    ],
)
def test_what_is_wrong_is_told_with_what_is_allowed(environment: dict[str, str], said: str) -> None:
    with pytest.raises(UserError) as refused:
        load(environment=environment)
    assert said in str(refused.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(UserError) as refused:
        load(environment={"BETRACE_NO_SUCH": "1", "BETRACE_TRACE_TICK": "x", "BETRACE_LOG_LEVEL": "loud"})
    assert len(str(refused.value).split("\n")) == 3


def test_settings_that_contradict_each_other_are_told_all_at_once() -> None:
    with pytest.raises(UserError) as refused:
        load(
            environment={"BETRACE_TRACE_REMEMBER": "1m", "BETRACE_TRACE_ROOT_GRACE": "40s", "BETRACE_X": "1"}
        )
    assert len(str(refused.value).split("\n")) == 3


def test_a_password_is_read_from_its_file_and_never_shown(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    environment = {
        "BETRACE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "BETRACE_KAFKA_SASL_MECHANISM": "PLAIN",
        "BETRACE_KAFKA_SASL_USERNAME": "me",
        "BETRACE_KAFKA_SASL_PASSWORD_FILE": str(secret),
    }
    loaded = load(environment=environment)
    kafka = loaded.settings.config().kafka
    assert kafka.password == "hunter2"
    assert "hunter2" not in repr(kafka) + "".join(source.value for source in sources(loaded))


SASL = {
    "BETRACE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "BETRACE_KAFKA_SASL_MECHANISM": "PLAIN",
    "BETRACE_KAFKA_SASL_USERNAME": "me",
}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has to hold one line, the password, and holds 0"),
        (b"hunter2\nhunter3\n", "has to hold one line, the password, and holds 2"),
        (b"hunter2\xff", "is no text in UTF-8"),
        (None, "cannot be read: No such file or directory"),
    ],
)
def test_a_password_file_that_is_wrong_is_told_without_its_content(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    settings = load(environment=SASL | {"BETRACE_KAFKA_SASL_PASSWORD_FILE": str(file)}).settings
    with pytest.raises(UserError) as refused:
        settings.config()
    assert str(refused.value) == f"kafka.sasl.password_file: {file} {said}"


def test_a_password_may_begin_and_end_with_spaces(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(" hunter2 \r\n")
    settings = load(environment=SASL | {"BETRACE_KAFKA_SASL_PASSWORD_FILE": str(file)}).settings
    assert settings.config().kafka.password == " hunter2 "


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"KAFKA_TLS_CA_FILE": "ca.pem"}, "kafka.tls.* goes with kafka.security.protocol SSL or SASL_SSL"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_TLS_KEY_FILE": "k"}, "kafka.tls.key_file go together"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "a SASL protocol needs kafka.sasl.username"),
        ({"KAFKA_SASL_PASSWORD": "hunter2"}, "did you mean BETRACE_KAFKA_SASL_PASSWORD_FILE?"),
    ],
)
def test_settings_of_security_that_do_not_agree_are_told(environment: dict[str, str], said: str) -> None:
    with pytest.raises(UserError) as refused:
        load(environment={f"BETRACE_{name}": value for name, value in environment.items()})
    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_redaction_is_set_by_key_and_by_detector_with_a_key_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(bytes(32))
    environment = {
        "BETRACE_REDACTION_KEYS": "*.email:hash, order.id:keep",
        "BETRACE_REDACTION_DEFAULT": "remove",
        "BETRACE_REDACTION_DETECTORS_IP": "mask",
        "BETRACE_REDACTION_KEY_FILE": str(tmp_path / "key"),
    }
    policy = load(environment=environment).settings.config().redaction
    assert policy.keys == (("*.email", "hash"), ("order.id", "keep"))
    assert [policy.detectors[name] for name in ("ip", "ssn", "email")] == ["mask", "remove", "mask"]
    assert policy.key == bytes(32)


def test_a_strategy_that_needs_a_key_is_refused_without_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="key_file is needed by encrypt, tokenize"):
        load(
            environment={"BETRACE_REDACTION_KEYS": "a:tokenize", "BETRACE_REDACTION_DETECTORS_IP": "encrypt"}
        )
    (tmp_path / "key").write_bytes(b"short")
    with pytest.raises(UserError, match="has to hold 32 bytes and holds 5"):
        load(environment={"BETRACE_REDACTION_KEY_FILE": str(tmp_path / "key")}).settings.config()


HEADERS = "# of the tenant\nauthorization: Bearer hunter2\nX-Scope-OrgID: 7\n"


def endpoint_of(**environment: str) -> Endpoint | None:
    named = {f"BETRACE_EVIDENCE_{name}": value for name, value in environment.items()}
    return load(environment=named).settings.config().endpoint


def test_an_endpoint_is_set_with_its_protocol_headers_and_certificates(tmp_path: Path) -> None:
    file, trusted = tmp_path / "headers.yaml", authority(tmp_path, "trusted")
    file.write_text(HEADERS)
    url = "https://tempo.example.org/otlp/v1/traces"
    made = endpoint_of(
        OTLP_ENDPOINT=url,
        OTLP_PROTOCOL="http",
        OTLP_HEADERS_FILE=str(file),
        TLS_CA_FILE=str(trusted.cert),
    )
    headers = {"authorization": "Bearer hunter2", "X-Scope-OrgID": "7"}
    assert made == Endpoint(url, "http", headers, trusted.cert)
    assert "hunter2" not in repr(made)
    assert endpoint_of() is None


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"OTLP_ENDPOINT": "tempo:4317"}, "evidence.otlp_endpoint: a URL is"),
        ({"OTLP_ENDPOINT": "http://tempo:99999"}, "evidence.otlp_endpoint: a URL is"),
        ({"OTLP_ENDPOINT": "http://user:hunter2@tempo:4317"}, "evidence.otlp_endpoint: a URL is"),
        (
            {"OTLP_ENDPOINT": "http://tempo:4317/v1/traces"},
            "evidence.otlp_endpoint has a path",
        ),
        ({"OTLP_ENDPOINT": "http://tempo:4317", "TLS_CA_FILE": "ca.pem"}, "that begins with https:"),
        ({"OTLP_ENDPOINT": "https://tempo:4317", "TLS_KEY_FILE": "k"}, "evidence.tls.key_file go together"),
        (
            {"OTLP_ENDPOINT": "https://tempo:4317", "TLS_CA_FILE": "/no/ca"},
            "/no/ca cannot be read",
        ),
        ({"OTLP_HEADERS_FILE": "h.yaml"}, "go with evidence.otlp_endpoint"),
        ({"OTLP_ENDPOINT": "http://tempo:4317", "ENABLED": "false"}, "there is nothing to export"),
        (
            {"OTLP_ENDPOINT": "http://tempo:4317", "OTLP_HEADERS_FILE": "/no/headers"},
            "/no/headers cannot be read",
        ),
    ],
)
def test_an_endpoint_that_cannot_be_is_told(environment: dict[str, str], said: str) -> None:
    with pytest.raises(UserError) as refused:
        endpoint_of(**environment)
    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no headers"),
        ("- hunter2", "holds no headers"),
        ("a: [hunter2", "is no YAML"),
        ("'a b': hunter2", "no header in ASCII: a b"),
        ("a: {b: hunter2}", "no header in ASCII: a"),
        ('a: "hunter2\\nb: c"', "no header in ASCII: a"),
    ],
)
def test_a_file_of_headers_that_cannot_be_sent_is_told_without_their_values(
    tmp_path: Path, text: str, said: str
) -> None:
    file = tmp_path / "headers.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=said) as refused:
        endpoint_of(OTLP_ENDPOINT="http://tempo:4317", OTLP_HEADERS_FILE=str(file))
    assert "hunter2" not in str(refused.value)


def test_the_schema_of_the_settings_file_takes_what_the_settings_take(tmp_path: Path) -> None:
    schema = settings_schema()
    for right in ("30s", "1.5h", "250ms"):
        validate({"trace": {"tick": right}}, schema)
    good = {"kafka": {"brokers": ["a:1"], "input_topics": [{"name": "a"}]}, "worker": {"max_memory": "2 GiB"}}
    validate(good, schema)
    (tmp_path / "betrace.yaml").write_text(yaml.safe_dump(good))
    assert load(tmp_path / "betrace.yaml", {}).settings.worker.max_memory == 2 * 2**30
    mistakes: tuple[dict[str, object], ...] = (
        {"trace": {"tick": "1"}},
        {"kafka": {"brokrs": []}},
        {"worker": {"crash_at": "x"}},
    )
    for wrong in mistakes:
        with pytest.raises(SchemaError):
            validate(wrong, schema)
