"""Kafka with TLS, client certificates and SASL: what works, what is told when not, and no secret shown."""

import base64
import hashlib
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from tests.certificates import authority
from tests.integration.processes import Api, Betrace, free_port, get, until
from tests.kafka import create_topic
from tests.secure_kafka import PASSWORD, STRANGER, USER, SecureKafka, allow, secure_kafka

COMMANDS = (("topics", "create"), ("worker",), ("api",), ("produce", "traces.json"), ("accounting",))
RULE = 'rules: [{id: audited, condition: "when { pay } always { audit }", message: not audited}]'
SPAN = {
    "traceId": "0af7651916cd43dd8448eb211c80319c",
    "spanId": "b7ad6b7169203331",
    "name": "pay",
    "startTimeUnixNano": "1700000000000000000",
    "endTimeUnixNano": "1700000000010000000",
}
TRACE = {"resourceSpans": [{"scopeSpans": [{"spans": [SPAN]}]}]}
WRONG, TOKEN = "wr0ng-donkey.battery", "t0ken-of-the-editor"


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """A broker with the rights of `docs/security.md` for the user and for the certificate."""
    secure = secure_kafka(tmp_path_factory.mktemp("secure"))
    try:
        secure.kafka.start()
        for user in (USER, f"CN={USER}"):
            allow(secure.kafka.address, user, "test-")
        yield secure
    finally:
        secure.kafka.remove()


@pytest.fixture
def betrace(secure: SecureKafka, group: str, tmp_path: Path) -> Betrace:
    """BeTrace's commands, told where Kafka is by `logging_in` or `showing`."""
    create_topic(secure.kafka.address, f"{group}.input", 1)
    (tmp_path / "rule.yaml").write_text(RULE)
    (tmp_path / "traces.json").write_text(json.dumps(TRACE))
    settings = {
        "KAFKA_GROUP": group,
        "KAFKA_INPUT_TOPICS": f"{group}.input:otlp_json",
        "KAFKA_PARTITIONS": "2",
        "KAFKA_REPLICATION_FACTOR": "1",
        "TRACE_ROOT_GRACE": "1s",
        "TRACE_TICK": "200ms",
        "RULES_FILES": str(tmp_path / "rule.yaml"),
    }
    return Betrace(settings, tmp_path)


def logging_in(betrace: Betrace, secure: SecureKafka, mechanism: str = "PLAIN", **more: str) -> Betrace:
    """SASL_SSL, with a name and a password."""
    (betrace.folder / "password").write_text(f"{PASSWORD}\n")
    (betrace.folder / "wrong").write_text(WRONG)
    betrace.settings |= {
        "KAFKA_BROKERS": secure.sasl,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": mechanism,
        "KAFKA_SASL_USERNAME": USER,
        "KAFKA_SASL_PASSWORD_FILE": str(betrace.folder / "password"),
        "KAFKA_TLS_CA_FILE": str(secure.authority.cert),
    } | more  # fmt: skip
    return betrace


def showing(betrace: Betrace, secure: SecureKafka, **more: str) -> Betrace:
    """SSL, with a client certificate."""
    for name in [name for name in betrace.settings if name.startswith("KAFKA_SASL")]:
        del betrace.settings[name]
    betrace.settings |= {
        "KAFKA_BROKERS": secure.tls,
        "KAFKA_SECURITY_PROTOCOL": "SSL",
        "KAFKA_TLS_CA_FILE": str(secure.authority.cert),
        "KAFKA_TLS_CERT_FILE": str(secure.client.cert),
        "KAFKA_TLS_KEY_FILE": str(secure.client.key),
    } | more  # fmt: skip
    return betrace


@pytest.mark.parametrize("way", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "certificate"])
def test_a_violation_comes_through(betrace: Betrace, secure: SecureKafka, way: str) -> None:
    _ = showing(betrace, secure) if way == "certificate" else logging_in(betrace, secure, way)
    betrace.run("topics", "create")
    with betrace.worker() as worker, betrace.api() as api:
        until("the worker owns partitions", worker.ready)
        betrace.run("produce", str(betrace.folder / "traces.json"))
        betrace.settled(1)
        assert [found["message"] for found in api.violations(1)] == ["not audited"]
        written = post(f"{api.url}/api/rules", {"id": "new", "condition": "pay"})
        assert written["version"] == 1


def post(url: str, body: object) -> dict[str, object]:
    """Send JSON; what comes back."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        found: dict[str, object] = json.load(answer)
        return found


def wrong_settings(betrace: Betrace, secure: SecureKafka, mistake: str) -> None:
    """Make a mistake in the settings."""
    other = authority(betrace.folder, "other")
    port = secure.sasl.rpartition(":")[2]
    login = {
        "wrong password": {"KAFKA_SASL_PASSWORD_FILE": str(betrace.folder / "wrong")},
        "wrong password, SCRAM": {
            "KAFKA_SASL_PASSWORD_FILE": str(betrace.folder / "wrong"),
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-256",
        },
        "unknown user": {"KAFKA_SASL_USERNAME": "nobody", "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512"},
        "missing password file": {"KAFKA_SASL_PASSWORD_FILE": str(betrace.folder / "none")},
        "unreadable password file": {"KAFKA_SASL_PASSWORD_FILE": str(betrace.folder)},
        "untrusted authority": {"KAFKA_TLS_CA_FILE": str(other.cert)},
        "another host": {"KAFKA_BROKERS": f"127.0.0.1:{port}"},
        "TLS on a plain port": {"KAFKA_BROKERS": secure.kafka.address},
    }
    if mistake in login:
        logging_in(betrace, secure, **login[mistake])
    elif mistake == "plain on a TLS port":
        betrace.set("KAFKA_BROKERS", secure.tls)
    else:
        showing(betrace, secure)
        mine = other.sign(USER)
        for name, file in (("CERT", mine.cert), ("KEY", mine.key)):
            betrace.settings.pop(f"KAFKA_TLS_{name}_FILE")
            if mistake == "unknown client certificate":
                betrace.set(f"KAFKA_TLS_{name}_FILE", str(file))


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("wrong password", f"refuses the login of {USER} (authentication error"),
        ("wrong password, SCRAM", f"refuses the login of {USER} (authentication error"),
        ("unknown user", "refuses the login of nobody (authentication error"),
        ("missing password file", "kafka.sasl.password_file: "),
        ("unreadable password file", "cannot be read: Is a directory"),
        ("untrusted authority", "kafka.tls.ca_file has to hold the authority that signed it"),
        ("another host", "certificate is not valid for '127.0.0.1'): write into kafka.brokers the name"),
        ("no client certificate", "set kafka.tls.cert_file and kafka.tls.key_file"),
        ("unknown client certificate", "look at kafka.tls.cert_file"),
        ("plain on a TLS port", "speaks TLS: set kafka.security.protocol to SASL_SSL or SSL"),
        ("TLS on a plain port", "speaks no TLS, and kafka.security.protocol is SASL_SSL"),
    ],
)
def test_every_command_says_what_is_wrong(
    betrace: Betrace, secure: SecureKafka, mistake: str, said: str
) -> None:
    wrong_settings(betrace, secure, mistake)
    for told in betrace.all_refused(*COMMANDS):
        assert said in told, told
        assert told.startswith("betrace: ")
        assert told.count("\n") == 1


def test_who_may_log_in_and_nothing_else_is_told_which_rights_are_missing(
    betrace: Betrace, secure: SecureKafka
) -> None:
    logging_in(betrace, secure, KAFKA_SASL_USERNAME=STRANGER)
    missing = "docs/security.md tells the rights that a user needs"
    assert missing in betrace.refused("topics", "create")
    assert "if it is not that this user may not see them" in betrace.refused("worker")
    logging_in(betrace, secure).run("topics", "create")
    logging_in(betrace, secure, KAFKA_SASL_USERNAME=STRANGER)
    allow(secure.kafka.address, STRANGER, "test-", {"TOPIC": ("READ", "DESCRIBE")})
    said = betrace.refused("worker")
    assert "cannot be joined: Broker: Group authorization failed; " + missing in said
    with betrace.api() as api, pytest.raises(urllib.error.HTTPError) as refused:
        post(f"{api.url}/api/rules", {"id": "new", "condition": "pay"})
    assert refused.value.code == 503
    assert missing in json.load(refused.value)["detail"]
    allow(secure.kafka.address, STRANGER, "test-", {"GROUP": ("READ",)})
    assert "authorization" in betrace.refused("worker").lower()


def reason(api: Api) -> str:
    """What /readyz waits for, or nothing."""
    try:
        get(f"{api.url}/readyz")
    except urllib.error.HTTPError as answer:
        return str(json.load(answer)["detail"])
    except OSError:
        return "not up"
    return ""


def test_without_kafka_the_api_starts_and_says_why_it_is_not_ready(
    betrace: Betrace, secure: SecureKafka
) -> None:
    logging_in(betrace, secure, KAFKA_BROKERS=f"localhost:{free_port()}")
    address = f"127.0.0.1:{free_port()}"
    api = Api(f"http://{address}")
    with betrace.start("api", API_LISTEN=address):
        until("it says why", lambda: "connection refused" in reason(api) or None)
        assert api.all_violations() == []


def set_password(secure: SecureKafka, user: str, password: str) -> None:
    """Change a SCRAM user's password, or add the user."""
    client = AdminClient({"bootstrap.servers": secure.kafka.address})
    kind = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
    change = UserScramCredentialUpsertion(user, kind, password.encode())
    client.alter_user_scram_credentials([change])[user].result(30)


def test_a_password_that_changes_meanwhile_is_told_and_put_right_without_a_restart(
    betrace: Betrace, secure: SecureKafka
) -> None:
    allow(secure.kafka.address, "ann", "test-")
    set_password(secure, "ann", PASSWORD)
    logging_in(betrace, secure, "SCRAM-SHA-256", KAFKA_SASL_USERNAME="ann").run("topics", "create")
    with betrace.api() as api:
        set_password(secure, "ann", WRONG)
        secure.kafka.stop()
        secure.kafka.start()
        until("it says that the login is refused", lambda: "refuses the login of ann" in reason(api) or None)
        assert api.all_violations() == []
        set_password(secure, "ann", PASSWORD)
        until("it is ready again", api.ready)


def test_no_secret_is_shown(betrace: Betrace, secure: SecureKafka) -> None:
    hashed = {"ci": {"sha256": hashlib.sha256(TOKEN.encode()).hexdigest(), "role": "editor"}}
    (betrace.folder / "tokens.yaml").write_text(json.dumps(hashed))
    betrace.set("LOG_LEVEL", "debug").set("API_TOKENS_FILE", str(betrace.folder / "tokens.yaml"))
    logging_in(betrace, secure)
    told = [betrace.run("topics", "create"), betrace.run("config")]
    port, metrics = free_port(), free_port()
    with (
        betrace.start("worker", METRICS_LISTEN=f"127.0.0.1:{metrics}"),
        betrace.start("api", API_LISTEN=f"127.0.0.1:{port}"),
    ):
        for each in (port, metrics):
            until("it is ready", Api(f"http://127.0.0.1:{each}").ready)
        told += [answer(f"http://127.0.0.1:{metrics}{path}") for path in ("/metrics", "/readyz", "/x")]
        for path in ("/", "/metrics", "/readyz", "/api/rules", "/api/rules/x", "/api/violations?limit=x"):
            told += [answer(f"http://127.0.0.1:{port}{path}", token) for token in (TOKEN, WRONG, TOKEN[:-1])]
    betrace.set("KAFKA_SASL_PASSWORD_FILE", str(betrace.folder / "wrong"))
    told += [betrace.run("config"), *betrace.all_refused(*COMMANDS)]
    told.append(showing(betrace, secure).run("topics", "create"))
    betrace.set("KAFKA_TLS_KEY_FILE", str(authority(betrace.folder, "other").own.key))
    told += [betrace.run("config"), *betrace.all_refused(*COMMANDS)]
    logs = [file.read_text() for file in betrace.folder.glob("*.log")]
    assert any("DEBUG aiokafka" in log for log in logs)
    for name, secret in secrets(betrace, secure):
        assert not [text for text in told + logs if secret in text], name


def secrets(betrace: Betrace, secure: SecureKafka) -> Iterator[tuple[str, str]]:
    """What must not show, and in which other guises it must not."""
    for name, secret in (("password", PASSWORD), ("wrong password", WRONG), ("token", TOKEN)):
        yield name, secret
        yield f"{name} in base64", base64.b64encode(secret.encode()).decode()
    yield "hash of the token", hashlib.sha256(TOKEN.encode()).hexdigest()
    for key in (secure.client.key, betrace.folder / "other.key"):
        yield from ((str(key), line) for line in key.read_text().splitlines() if "PRIVATE" not in line)
    yield "key", "PRIVATE KEY"


def answer(url: str, token: str = "") -> str:
    """Headers and body of whatever is answered."""
    command = ["curl", "-s", "-i", "-H", f"Authorization: Bearer {token}", url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
