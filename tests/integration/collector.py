"""A stock OpenTelemetry Collector as a process, and what it has written to a file."""

import contextlib
import json
import os
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from streams.otlp import request_of_json
from tests.integration.processes import free_port
from tests.kafka import die_with_parent

TOP = Path(__file__).parent.parent.parent
CONFIGS = TOP / "deploy" / "collector"
TO_FILE = Path(__file__).parent / "to-file.yaml"  # OTLP in, a file out: what stands for Tempo


@dataclass(frozen=True)
class Collector:
    """Where it takes OTLP, over gRPC and HTTP; the same when it is started again."""

    grpc: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")
    http: str = field(default_factory=lambda: f"127.0.0.1:{free_port()}")


def built() -> str:
    """The Collector's path; building it takes minutes, once."""
    script = TOP / "scripts" / "collector"
    return subprocess.run([script], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@contextlib.contextmanager
def collector(
    otelcol: str, config: Path, folder: Path, settings: Mapping[str, str], at: Collector | None = None
) -> Iterator[Collector]:
    """A running Collector."""
    running = at or Collector()
    listen = {"OTLP_HTTP_LISTEN": running.http, "OTLP_GRPC_LISTEN": running.grpc}
    command = [otelcol, "--config", str(config), "--set", "service.telemetry.metrics.level=none"]
    log = folder / f"{config.stem}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **listen, **settings},
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent,
        )
    try:
        yield running
    except BaseException:
        print(f"--- {log.name}\n{log.read_text()[-4000:]}")
        raise
    finally:
        process.terminate()
        process.wait(30)


def written(file: Path) -> Iterator[ExportTraceServiceRequest]:
    """What its file exporter has written, as far as lines are whole."""
    if not file.exists():
        return
    for line in file.read_text().splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            json.loads(line)
            yield request_of_json(line.encode())


def post(address: str, request: ExportTraceServiceRequest) -> bool | None:
    """Send a request as OTLP over HTTP; None while nothing listens."""
    headers = {"Content-Type": "application/x-protobuf"}
    data = request.SerializeToString()
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://{address}/v1/traces", data, headers)):
            return True
    except urllib.error.URLError:
        return None


def spans_in(
    request: ExportTraceServiceRequest, wanted: Callable[[str], bool] = lambda _: True
) -> list[bytes]:
    """Each span with its resource and scope, of the scopes that are wanted; an empty status is none."""
    found = []
    for group in request.resource_spans:
        for scope in group.scope_spans:
            for span in scope.spans if wanted(scope.scope.name) else ():
                kept = Span()
                kept.CopyFrom(span)
                if kept.status == Status():
                    kept.ClearField("status")
                parts = (group.resource, scope.scope, kept)
                found.append(b"".join(part.SerializeToString(deterministic=True) for part in parts))
    return found
