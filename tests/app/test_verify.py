"""`betrace verify` and where its keys come from."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
from click.testing import CliRunner, Result
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app.errors import UserError
from app.settings import aws_login, vault_token
from app.signing_keys import AwsLogin, signed_headers
from app.verify_tool import verify
from streams.otlp import json_of_request
from tests.streams.signed_spans import MASTER, only, signed_request

_ID = "default/1/2026-11-23"


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_bytes(MASTER)
    return file


def _run(*arguments: object) -> Result:
    return CliRunner().invoke(verify, [str(each) for each in arguments])


def _file(folder: Path, name: str, *requests: ExportTraceServiceRequest) -> Path:
    file = folder / name
    file.write_bytes(b"\n".join(json_of_request(each) for each in requests))
    return file


def _signed(tenant: str = "", key_id: str = _ID) -> ExportTraceServiceRequest:
    return signed_request(key_id, int(time.time()), tenant)


def test_a_file_of_verified_spans_ends_with_0(tmp_path: Path, key_file: Path) -> None:
    traces = _file(tmp_path, "traces.jsonl", _signed(), _signed())
    ran = _run("--key-file", key_file, traces)
    assert (ran.exit_code, ran.output) == (0, "2 spans, 2 verified\n")


def test_a_changed_span_is_named_and_ends_with_1(tmp_path: Path, key_file: Path) -> None:
    changed = _signed()
    only(changed)[1].name = "changed"
    traces = _file(tmp_path, "traces.jsonl", _signed(), changed)
    ran = _run("--key-file", key_file, "--format", "json", traces)
    assert ran.exit_code == 1
    assert json.loads(ran.output) == {
        "spans": 2,
        "verified": 1,
        "results": [
            {
                "traceId": "5b8efff798038103d269b633813fc60c",
                "spanId": "eee19b7ec3c1b174",
                "verified": False,
                "reason": "mismatch",
                "keyId": _ID,
            }
        ],
    }
    told = _run("--key-file", key_file, "--all", traces).output.splitlines()
    assert [line.split()[2] for line in told[:2]] == ["ok", "mismatch"]


def test_a_span_without_a_signature_counts_unless_that_is_allowed(tmp_path: Path, key_file: Path) -> None:
    bare = _signed()
    del only(bare)[1].attributes[:]
    traces = _file(tmp_path, "traces.jsonl", bare)
    assert _run("--key-file", key_file, traces).exit_code == 1
    ran = _run("--key-file", key_file, "--allow-unsigned", traces)
    assert (ran.exit_code, ran.output) == (0, "1 spans, 0 verified, 1 missing\n")


def test_keys_of_tenants_are_found_by_their_names(tmp_path: Path, key_file: Path) -> None:
    traces = _file(tmp_path, "traces.jsonl", _signed("a", "team-a/1/2026-11-23"))
    assert "unknown_key" in _run("--key-file", key_file, traces).output
    assert _run("--key-file", key_file, "--key-name", "team-a=a", traces).exit_code == 0
    assert "mismatch" in _run("--key-file", key_file, "--key-name", "team-a=b", traces).output


def test_bad_input_ends_with_2(tmp_path: Path, key_file: Path) -> None:
    broken = tmp_path / "traces.jsonl"
    broken.write_text("{nonsense\n")
    ran = _run("--key-file", key_file, broken)
    assert ran.exit_code == 2
    assert "traces.jsonl:1: not JSON" in ran.output
    short = tmp_path / "short"
    short.write_bytes(b"x")
    for arguments, text in (
        (["--key-file", short], "has to hold 32 bytes and holds 1"),
        (["--key-file", tmp_path / "none"], "cannot be read"),
        ([], "give one of --key-file, --vault and --aws-kms"),
        (["--key-file", key_file, "--vault", "http://127.0.0.1:1"], "give one of"),
        (["--key-file", key_file, "--min-coverage", "most"], "--min-coverage: most is none of"),
        (["--key-file", key_file, "--key-name", "a"], "give the name of the key and its tenant"),
        (["--aws-kms", "alias/x"], "give the ARN"),
    ):
        ran = _run(*arguments, broken)
        assert isinstance(ran.exception, UserError)
        assert text in str(ran.exception)


def test_a_login_that_is_missing_says_where_it_is_looked_for() -> None:
    with pytest.raises(UserError, match="VAULT_TOKEN or BAO_TOKEN"):
        vault_token({})
    with pytest.raises(UserError, match="export-credentials"):
        aws_login({"AWS_ACCESS_KEY_ID": "a"})
    assert vault_token({"BAO_TOKEN": "t"}) == "t"
    assert "hidden" not in repr(aws_login({"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "hidden"}))


def test_requests_to_aws_are_signed_as_botocore_signs_them() -> None:
    moment = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
    login = AwsLogin("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a-session")
    headers = signed_headers(
        "https://kms.eu-west-1.amazonaws.com/", b'{"KeyId":"k"}', "eu-west-1", login, moment
    )
    assert headers["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261123/eu-west-1/kms/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, "
        "Signature=d7c736559c622252db2e1d2f0b5d77608372f4a72479fd3b62ce1ccc563a3ba7"
    )


class _Away(BaseHTTPRequestHandler):
    status: ClassVar[int] = 503

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b'{"errors": ["sealed"]}')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def away() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Away)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_provider_that_is_away_ends_with_2_and_condemns_nothing(
    tmp_path: Path, away: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "t")
    ran = _run("--vault", away, _file(tmp_path, "traces.jsonl", _signed()))
    assert ran.exit_code == 2
    assert "key_unavailable" in ran.output
