"""How fast `betrace check` reads a large file: `python -m bench.checking [--size MB]`."""

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench import spans as made
from bench.process import Process
from bench.rules import applying, write_rules
from bench.template import Template, hexadecimal
from bench.topic import EPOCH, SEED

_BETRACE = str(Path(sys.executable).parent / "betrace")
_LOOK = 0.05  # seconds between two looks at its memory
_END = 200  # bytes of its output, in which the numbers stand
_VARIETY = 10  # rounds of JSON that are made; then they come again under fresh trace ids
_VIOLATED = 1  # exit code
_IDS = ("traceId", "spanId", "parentSpanId")


@dataclass(frozen=True, slots=True)
class Checked:
    """One run of `betrace check`: seconds, MB."""

    spans: int
    cpu: float
    wall: float
    memory: int

    @property
    def pace(self) -> float:
        """Spans per second of the clock."""
        return self.spans / self.wall


def measured(folder: Path, size: int) -> dict[str, Checked]:
    """Files of that many bytes, as delimited protobuf and as JSON lines, checked with ten rules."""
    rules = write_rules(applying(10), folder / "check.yaml")
    found = {}
    for name, ending, write in (("protobuf", "binpb", _protobuf), ("JSON", "jsonl", _json)):
        file = folder / f"spans.{ending}"
        spans = _fill(file, size, write)
        found[name] = _check(file, spans, rules)
        file.unlink()
    return found


def _fill(file: Path, size: int, write: Callable[[], Iterator[bytes]]) -> int:
    """Whole rounds of four messages, so that no trace is cut; the number of spans."""
    messages = 0
    with file.open("wb") as out:
        for record in write():
            if messages % made.SPREAD == 0 and out.tell() >= size:
                break
            out.write(record)
            messages += 1
    return messages * made.MESSAGE_SPANS


def _protobuf() -> Iterator[bytes]:
    for message in made.messages(10**12, SEED, EPOCH):
        yield len(message).to_bytes(4, "big") + message


def _json() -> Iterator[bytes]:
    draw = random.Random(SEED)
    templates = []
    for _ in range(_VARIETY):
        request = made.a_round(draw, EPOCH)
        templates.append(Template([_line(each) for each in request.messages], request.ids, hexadecimal))
    while True:
        for template in templates:
            yield from template.fresh(draw)


def _line(request: ExportTraceServiceRequest) -> bytes:
    """As a Collector writes it: ids are hexadecimal, unlike protobuf's own JSON."""
    value = MessageToDict(request, use_integers_for_enums=True)
    raw = [span for of in request.resource_spans for scope in of.scope_spans for span in scope.spans]
    told = [span for of in value["resourceSpans"] for scope in of["scopeSpans"] for span in scope["spans"]]
    for span, text in zip(raw, told, strict=True):
        ids = (span.trace_id, span.span_id, span.parent_span_id)
        text |= {name: each.hex() for name, each in zip(_IDS, ids, strict=True)}
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _check(file: Path, spans: int, rules: Path) -> Checked:
    begun = time.monotonic()
    with file.with_suffix(".txt").open("w+b") as out:
        process = subprocess.Popen(
            [_BETRACE, "check", "--rules", str(rules), "--traces", str(file)], stdout=out
        )
        memory = _peak(process.pid)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.monotonic() - begun
        out.seek(-min(_END, os.fstat(out.fileno()).st_size), os.SEEK_END)
        told = out.read().decode().splitlines()[-1]
    assert process.returncode in (0, _VIOLATED), told
    assert f" {spans:,} spans" in told, f"{spans:,} spans were written: {told}"
    return Checked(spans, used.ru_utime + used.ru_stime, wall, memory)


def _peak(pid: int) -> int:
    """MB at the most until it ends; what the kernel tells after the end counts its parent's memory too."""
    peak = 0
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        with contextlib.suppress(OSError, StopIteration):  # it may end just now
            peak = max(peak, Process(pid).memory())
        time.sleep(_LOOK)
    return peak


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--size", type=int, default=1000, help="MB")
    size = parser.parse_args().size * 10**6
    with tempfile.TemporaryDirectory() as folder:
        for name, run in measured(Path(folder), size).items():
            print(f"{name:<10} {run.spans:10,} spans  {run.pace:10,.0f} a second  {run.memory:6,} MB")


if __name__ == "__main__":
    main()
