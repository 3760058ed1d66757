"""A worker that holds 100,000 traces in flight for an hour: its memory and disk over time.

    python -m bench.hold [--minutes 60] [--traces 100000] [--out hold.jsonl]

Traces of 20 spans are produced at the rate at which `trace.max_wait` (10 min) keeps that many in flight. Each
line of the output is a sample: seconds, resident MB, folder MB, traces in flight, spans judged.
"""

import argparse
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from confluent_kafka import Producer

from bench.flight import Flying
from bench.spans import SPREAD, TRACE_SPANS, messages
from tests.integration.processes import Betrace
from tests.kafka import Kafka, create_topic

_WAIT = 600  # seconds
_INPUTS = 4
_EVERY = 10.0  # seconds between samples
_TOPIC = "hold.input"


def produce(address: str, traces_per_second: float, stop: threading.Event) -> None:
    """Send messages at an even pace until told to stop."""
    producer = Producer({"bootstrap.servers": address})
    batch, start, sent = 100, time.monotonic(), 0  # traces that `messages` spreads over four messages
    while not stop.is_set():
        spans = batch * TRACE_SPANS
        for message in messages(spans, sent, time.time_ns()):
            producer.produce(_TOPIC, message, partition=sent % _INPUTS)
            sent += 1
            stop.wait(max(0.0, start + sent * batch / SPREAD / traces_per_second - time.monotonic()))
        producer.poll(0)
    producer.flush()


@contextlib.contextmanager
def producing(address: str, traces_per_second: float) -> Iterator[None]:
    """Produce while the block runs."""
    stop = threading.Event()
    thread = threading.Thread(target=produce, args=(address, traces_per_second, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def sample(worker: Flying, data: Path, seconds: float) -> dict[str, float]:
    """What the worker holds now."""
    disk = sum(file.stat().st_size for file in data.rglob("*") if file.is_file())
    return {
        "seconds": round(seconds),
        "resident_mb": worker.memory("VmRSS"),
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
    worker = Flying(betrace, data)
    start = time.monotonic()
    try:
        with producing(kafka.address, traces / _WAIT), out.open("w") as lines:
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
