"""The API as it is served: the session of its page, and schemathesis against all that it describes."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.certificates import authority
from tests.integration.processes import Betrace, free_port, get, until
from tests.kafka import Kafka

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "api.md").read_text()
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"


@pytest.fixture
def betrace(kafka: Kafka, group: str, tmp_path: Path) -> Betrace:
    """BeTrace's commands, set for this test's group, with its topics."""
    return Betrace.on(kafka, group, tmp_path)


def test_the_session_of_the_page_goes_as_the_page_says(betrace: Betrace) -> None:
    assert shutil.which("jq"), "scripts/packages.sh installs jq"
    with betrace.api() as api:
        assert len(betrace.session(PAGE, API=api.url)) > 10


def schemathesis(url: str, examples: int, *more: str) -> None:
    """Ask all that is described; AssertionError with what it found."""
    options = ["--checks", "all", "--max-examples", str(examples), "--seed", "1", "--no-color", *more]
    command = [str(SCHEMATHESIS), "run", f"{url}/api/openapi.json", *options]
    command += ["--exclude-path", "/api/violations/stream", "--request-timeout", "20"]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[done.stdout.find("= FAILURES") :][:6000]


def test_every_answer_is_as_it_is_described(betrace: Betrace) -> None:
    with betrace.api() as api:
        schemathesis(api.url, 15)


def test_with_a_viewers_or_a_wrong_token_nothing_is_written(betrace: Betrace, tmp_path: Path) -> None:
    tokens = {"look": "viewer", "ci": "editor"}
    hashed = {n: {"sha256": hashlib.sha256(n.encode()).hexdigest(), "role": r} for n, r in tokens.items()}
    (tmp_path / "tokens.yaml").write_text(json.dumps(hashed))
    address = f"127.0.0.1:{free_port()}"
    with betrace.start("api", API_LISTEN=address, API_TOKENS_FILE=str(tmp_path / "tokens.yaml")):
        until("the API is ready", lambda: _ready(f"http://{address}"))
        for token in ("look", "wrong"):
            schemathesis(f"http://{address}", 4, "-H", f"Authorization: Bearer {token}", "--exclude-checks",
                         "positive_data_acceptance,ignored_auth")  # fmt: skip
        rules = betrace.run("topics", "list")
        assert rules
        asked = ["curl", "-s", "-H", "Authorization: Bearer ci", f"http://{address}/api/rules"]
        found = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        assert json.loads(found) == {"items": [], "nextCursor": None}


def _ready(url: str) -> bool | None:
    try:
        get(f"{url}/readyz")
    except OSError:
        return None
    return True


def tls(cert: Path, key: Path) -> dict[str, str]:
    """The settings of the API's certificate."""
    return {"API_TLS_CERT_FILE": str(cert), "API_TLS_KEY_FILE": str(key)}


def test_the_api_speaks_tls_with_the_certificate_that_it_is_given(betrace: Betrace, tmp_path: Path) -> None:
    root, other = authority(tmp_path, "root"), authority(tmp_path, "other")
    mine = root.sign("api", "DNS:localhost")
    port = free_port()

    def asked(trusted: Path, host: str, *options: str) -> str | None:
        command = [
            "curl",
            "-s",
            "-m",
            "5",
            "--cacert",
            str(trusted),
            *options,
            f"https://{host}:{port}/healthz",
        ]
        return subprocess.run(command, capture_output=True, text=True).stdout or None

    with betrace.start("api", API_LISTEN=f"127.0.0.1:{port}", **tls(mine.cert, mine.key)):
        alive = '{"status":"alive"}'
        assert until("it answers", lambda: asked(root.cert, "localhost")) == alive
        assert asked(other.cert, "localhost") is None
        assert asked(root.cert, "127.0.0.1") is None
        modern = ("--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES128-GCM-SHA256")
        assert asked(root.cert, "localhost", *modern) == alive
        assert asked(root.cert, "localhost", "--tls-max", "1.1", "--ciphers", "ALL:@SECLEVEL=0") is None
        plain = subprocess.run(
            ["curl", "-s", "-m", "5", f"http://127.0.0.1:{port}/healthz"], capture_output=True
        )
        assert not plain.stdout


def test_a_certificate_that_the_api_cannot_use_is_told(betrace: Betrace, tmp_path: Path) -> None:
    root = authority(tmp_path, "root")
    mine = root.sign("api")
    for cert, key, said in (
        (mine.cert, root.own.key, "api.tls.cert_file and api.tls.key_file: "),
        (mine.cert, mine.cert, f"api.tls.key_file: {mine.cert} holds no private key in PEM"),
        (tmp_path / "none", mine.key, f"api.tls.cert_file: {tmp_path / 'none'} cannot be read"),
    ):
        betrace.settings |= tls(cert, key)
        assert said in betrace.refused("api")


def test_a_tokens_file_that_the_api_cannot_use_is_told(betrace: Betrace, tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    betrace.settings["API_TOKENS_FILE"] = str(file)
    assert betrace.refused("api") == (
        f"betrace: the tokens file {file} cannot be read: No such file or directory\n"
    )
    file.write_text("ci: {sha256: s3cret, role: editor}")
    assert "wrong at ci.sha256; it holds `name: {sha256, role}`" in betrace.refused("api")
    file.write_text("ci: {sha256: s3cret")
    assert "is no YAML at line 1" in betrace.refused("api")
