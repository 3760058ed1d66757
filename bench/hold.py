"""A worker that holds 100,000 traces in flight for an hour: its memory and disk over time.

    python -m bench.hold [--minutes 60] [--traces 100000] [--out hold.jsonl]

Traces of 20 spans are produced at the rate at which `trace.max_wait` (10 min) keeps that many in flight. Each
line of the output is a sample: seconds, resident MB, folder MB, traces in flight, spans judged.
"""

import argparse
import json
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import spans as made
from bench.feed import feeding
from bench.worker import Worker
from tests.integration.processes import Betrace
from tests.kafka import Kafka, create_topic

_WAIT = 600  # seconds
_INPUTS = 4
_EVERY = 10.0  # seconds between samples
_TOPIC = "hold.input"
_ENDLESS = 10**12  # spans


def sample(worker: Worker, data: Path, seconds: float) -> dict[str, float]:
    """What the worker holds now."""
    disk = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
    return {
        "seconds": round(seconds),
        "resident_mb": worker.uses.memory("VmRSS"),
        "disk_mb": disk // 2**20,
        "traces": worker.metric("betrace_traces_in_flight"),
        "judged": worker.metric("betrace_spans_judged_total"),
    }


def hold(kafka: Kafka, folder: Path, traces: int, minutes: float, out: Path) -> None:
    """Run, and write a sample each few seconds."""
    create_topic(kafka.address, _TOPIC, _INPUTS)
    settings = {
        "KAFKA_BROKERS": kafka.address,
        "KAFKA_GROUP": "hold",
        "KAFKA_INPUT_TOPICS": _TOPIC,
        "KAFKA_REPLICATION_FACTOR": "1",
        "TRACE_MAX_WAIT": f"{_WAIT}s",
        "TRACE_ROOT_GRACE": f"{_WAIT}s",
    }
    betrace = Betrace(settings, folder)
    betrace.run("topics", "create")
    data = folder / "worker"
    worker = Worker(betrace, data)
    start = time.monotonic()
    try:
        messages = made.messages(_ENDLESS, seed=1, start_ns=time.time_ns())
        pace = traces / _WAIT * made.TRACE_SPANS
        with feeding(kafka.address, _TOPIC, messages, pace), out.open("w") as lines:
            while (seconds := time.monotonic() - start) < minutes * 60:
                time.sleep(_EVERY)
                print(json.dumps(sample(worker, data, seconds)), file=lines, flush=True)
    finally:
        worker.kill()


def main() -> None:
    """Run on a Kafka of its own."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--traces", type=int, default=100_000)
    parser.add_argument("--out", type=Path, default=Path("hold.jsonl"))
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        kafka = Kafka(Path(folder) / "kafka").start()
        try:
            hold(kafka, Path(folder), options.traces, options.minutes, options.out)
        finally:
            kafka.remove()


if __name__ == "__main__":
    main()
