"""Spans signed in Go verify in Python and back; stored ones by keys of files, Vault and AWS KMS."""

import json
import os
import random
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.signing_keys import AwsLogin, signed_headers
from app.verify import placed
from app.verify_tool import verify
from streams.otlp import json_of_request
from streams.signature import FULL, STORAGE, Coverage, Header, Selection
from streams.signature_check import Policy, check
from streams.trace_files import TracesPiece
from tests.integration.processes import free_port, until
from tests.kafka import die_with_parent
from tests.streams.signed_spans import MASTER, sign, signed_request

TOP = Path(__file__).parent.parent.parent
COLLECTOR = TOP / "collector"
CROSS = "cross/1/2026-11-23"
SPANS = 10_000


def _printed(script: Path) -> str:
    ran = subprocess.run([script], check=True, stdout=subprocess.PIPE, text=True)
    return ran.stdout.strip()


def _crosscheck(*arguments: str, given: bytes = b"") -> bytes:
    command = [_printed(TOP / "scripts" / "go"), "run", "./internal/crosscheck", *arguments]
    ran = subprocess.run(
        command, cwd=COLLECTOR / "spansignature", input=given, capture_output=True, check=False, env=_go()
    )
    assert ran.returncode == 0, (ran.stderr + ran.stdout).decode()
    return ran.stdout


def _go() -> dict[str, str]:
    return os.environ | {"GOFLAGS": "-mod=mod -buildvcs=false"}


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_bytes(MASTER)
    return file


def test_ten_thousand_random_spans_signed_in_go_verify_in_python_and_back(key_file: Path) -> None:
    seed = random.randrange(2**32)
    data = _crosscheck("sign", str(SPANS), str(seed), str(key_file))
    request = ExportTraceServiceRequest.FromString(data)
    policy = Policy(min_coverage=Coverage.CORE)
    for count, (place, span) in enumerate(placed(TracesPiece(request, "go", 1)), 1):
        result = check(place, span, lambda version, key_id: MASTER, policy, time.time())
        assert result.verified, (seed, count, result)
    assert count == SPANS

    selections = (
        Selection(int(STORAGE)),
        Selection(int(FULL), exclude=("a0", "é1")),
        Selection(int(Coverage.CORE | Coverage.LINKS)),
        Selection(int(FULL), ("a0", "ab|c1")),
    )
    for resource in request.resource_spans:
        header = Header(CROSS, int(time.time()), random.Random(seed).choice(selections))
        piece = TracesPiece(ExportTraceServiceRequest(resource_spans=[resource]), "python", 1)
        resource.CopyFrom(_signed_again(piece, header))
    counted = _crosscheck("verify", str(key_file), given=request.SerializeToString())
    assert counted.decode() == f"map[ok:{SPANS}]\n"


def _signed_again(piece: TracesPiece, header: Header) -> Any:
    for place, span in placed(piece):
        kept = [
            each
            for each in span.attributes
            if not each.key.startswith("span.signature.") and each.key != "span.signature"
        ]
        del span.attributes[:]
        span.attributes.extend(kept)
        sign(place, span, header, MASTER)
    return piece.request.resource_spans[0]


@pytest.fixture(scope="module")
def doubles() -> Path:
    """The folder of moto_server and bao."""
    return Path(_printed(COLLECTOR / "scripts" / "doubles"))


def _running(command: list[str], url: str, folder: Path) -> Iterator[None]:
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env=os.environ | {"HOME": str(folder)},
            preexec_fn=die_with_parent,
        )
    try:
        until(f"{command[0]} answers", lambda: _answers(url))
        yield
    finally:
        process.kill()
        process.wait(30)


def _answers(url: str) -> bool | None:
    try:
        with urllib.request.urlopen(url):
            return True
    except OSError:
        return None


@pytest.fixture
def bao(doubles: Path, tmp_path: Path) -> Iterator[str]:
    """A running OpenBao with a transit engine."""
    address = f"127.0.0.1:{free_port()}"
    command = [
        str(doubles / "bao"),
        "server",
        "-dev",
        "-dev-root-token-id=root",
        f"-dev-listen-address={address}",
    ]
    for _ in _running([*command, "-dev-no-store-token"], f"http://{address}/v1/sys/health", tmp_path):
        _write(address, "sys/mounts/transit", {"type": "transit"})
        _write(address, "transit/keys/default", {"type": "hmac", "key_size": 32})
        yield f"http://{address}"


def _write(address: str, path: str, body: dict[str, Any]) -> None:
    request = urllib.request.Request(
        f"http://{address}/v1/{path}", json.dumps(body).encode(), {"X-Vault-Token": "root"}
    )
    urllib.request.urlopen(request).close()


@pytest.fixture
def moto(doubles: Path, tmp_path: Path) -> Iterator[str]:
    """A running moto server."""
    port = free_port()
    command = [str(doubles / "moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    for _ in _running(command, f"http://127.0.0.1:{port}/moto-api/", tmp_path):
        yield f"http://127.0.0.1:{port}"


KEYS = "key_provider: local, local: {key: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=}"


def _collected(folder: Path, settings: str, environment: dict[str, str]) -> Path:
    """A file of one span that a Collector has signed."""
    listen, file = f"127.0.0.1:{free_port()}", folder / "signed.jsonl"
    config = folder / "signer.yaml"
    config.write_text(
        f"receivers: {{otlp: {{protocols: {{http: {{endpoint: '{listen}'}}}}}}}}\n"
        f"processors: {{spansigner: {{{settings}}}}}\n"
        f"exporters: {{file: {{path: '{file}', flush_interval: 100ms}}}}\n"
        "service:\n"
        "  telemetry: {metrics: {level: none}}\n"
        "  pipelines: {traces: {receivers: [otlp], processors: [spansigner], exporters: [file]}}\n"
    )
    with (folder / "signer.log").open("wb") as log:
        process = subprocess.Popen(
            [_printed(COLLECTOR / "scripts" / "otelcol"), "--config", str(config)],
            stdout=log, stderr=log, env=os.environ | environment, preexec_fn=die_with_parent,
        )  # fmt: skip
    try:
        bare = signed_request("any/1/2026-11-23", 0)
        until("the Collector takes a span", lambda: _posted(listen, bare))
        until("the span is in the file", lambda: (file.exists() and file.stat().st_size) or None)
    except AssertionError:
        print((folder / "signer.log").read_text()[-3000:])
        raise
    finally:
        process.terminate()
        process.wait(30)
    return file


def _posted(address: str, request: ExportTraceServiceRequest) -> bool | None:
    headers = {"Content-Type": "application/json"}
    try:
        asked = urllib.request.Request(f"http://{address}/v1/traces", json_of_request(request), headers)
        urllib.request.urlopen(asked).close()
    except OSError:
        return None
    return True


def test_what_a_collector_signed_by_a_local_key_verifies_and_not_when_changed(
    tmp_path: Path, key_file: Path
) -> None:
    file = _collected(tmp_path, KEYS, {})
    ran = CliRunner().invoke(verify, ["--key-file", str(key_file), str(file)])
    assert (ran.exit_code, ran.output) == (0, "1 spans, 1 verified\n")
    file.write_text(file.read_text().replace("GET /x", "GET /y"))
    ran = CliRunner().invoke(verify, ["--key-file", str(key_file), str(file)])
    assert ran.exit_code == 1
    assert " mismatch " in ran.output


def test_what_a_collector_signed_by_vault_verifies(
    tmp_path: Path, bao: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _collected(
        tmp_path, f"key_provider: vault, key_id: default, vault: {{address: '{bao}', token: root}}", {}
    )
    monkeypatch.setenv("VAULT_TOKEN", "root")
    ran = CliRunner().invoke(verify, ["--vault", bao, str(file)])
    assert (ran.exit_code, ran.output) == (0, "1 spans, 1 verified\n")
    monkeypatch.setenv("VAULT_TOKEN", "wrong")
    ran = CliRunner().invoke(verify, ["--vault", bao, str(file)])
    assert ran.exit_code == 2
    assert "key_unavailable" in ran.output


def test_what_a_collector_signed_by_aws_verifies(
    tmp_path: Path, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    arn = _created(moto)
    aws = f"key_provider: aws-kms, key_id: '{arn}', aws: {{region: us-east-1, endpoint: '{moto}'}}"
    file = _collected(tmp_path, aws, login)
    for name, value in login.items():
        monkeypatch.setenv(name, value)
    ran = CliRunner().invoke(verify, ["--aws-kms", arn, "--aws-endpoint", moto, str(file)])
    assert (ran.exit_code, ran.output) == (0, "1 spans, 1 verified\n")


def _created(moto: str) -> str:
    """The ARN of a new HMAC key."""
    body = json.dumps({"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}).encode()
    headers = signed_headers(moto, body, "us-east-1", AwsLogin("test", "test"), datetime.now(UTC))
    headers["x-amz-target"] = "TrentService.CreateKey"
    with urllib.request.urlopen(urllib.request.Request(moto, body, headers)) as answer:
        return str(json.load(answer)["KeyMetadata"]["Arn"])
