"""Memory and recovery of a worker that holds 100,000 traces in flight, as a process on a real Kafka.

    python -m bench.flight [--traces 100000] [--partitions 8]

Traces of 20 spans wait for more; the worker is killed -9, and comes back once over its RocksDB and once over
the changelog alone. Memory is that of the process (resident, and its peak). The last line is JSON.
"""

import argparse
import json
import shutil
import signal
import tempfile
import time
import urllib.request
from pathlib import Path

from confluent_kafka import Producer

from bench.spans import TRACE_SPANS, messages
from tests.integration.processes import Betrace, free_port, until
from tests.kafka import Kafka, create_topic

_INPUTS = 4


class Flying:
    """One worker process, seen through its metrics and /proc."""

    def __init__(self, betrace: Betrace, folder: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self._starting = betrace.start("worker", METRICS_LISTEN=self.address, WORKER_DATA_DIR=str(folder))
        self.started = time.monotonic()
        self.process = self._starting.__enter__()

    def traces(self) -> int:
        """Traces in flight as the metrics say; 0 while it does not answer."""
        return int(self.metric("betrace_traces_in_flight"))

    def metric(self, name: str) -> float:
        """The value of a metric without labels; 0 while the worker does not answer."""
        try:
            with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
        except OSError:
            return 0
        return float(next(each for each in lines if each.startswith(f"{name} ")).split()[1])

    def holds(self, traces: int) -> float:
        """Wait until that many are in flight; seconds since the start."""
        until(f"{traces} traces are in flight", lambda: self.traces() >= traces or None, patience=600)
        return time.monotonic() - self.started

    def memory(self, what: str) -> int:
        """MB: VmRSS is resident now, VmHWM its peak."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in text.splitlines() if line.startswith(what)).split()[1]) // 1024

    def kill(self) -> None:
        """By kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self._starting.__exit__(None, None, None)


def produce(address: str, topic: str, traces: int) -> None:
    """Fill the topic."""
    producer = Producer({"bootstrap.servers": address, "queue.buffering.max.kbytes": 2**20})
    for number, message in enumerate(messages(traces * TRACE_SPANS, 1, time.time_ns())):
        producer.produce(topic, message, partition=number % _INPUTS)
        producer.poll(0)
    producer.flush()


def measure(kafka: Kafka, folder: Path, traces: int, partitions: int) -> dict[str, float]:
    """The figures."""
    create_topic(kafka.address, "flight.input", _INPUTS)
    settings = {
        "KAFKA_BROKERS": kafka.address,
        "KAFKA_GROUP": "flight",
        "KAFKA_INPUT_TOPICS": "flight.input",
        "KAFKA_PARTITIONS": str(partitions),
        "KAFKA_REPLICATION_FACTOR": "1",
        "TRACE_MAX_WAIT": "2h",
        "TRACE_ROOT_GRACE": "2h",
        "TRACE_REMEMBER": "4h",
    }
    betrace = Betrace(settings, folder)
    betrace.run("topics", "create")
    produce(kafka.address, "flight.input", traces)
    data = folder / "worker"
    worker = Flying(betrace, data)
    found = {"taken_in_s": worker.holds(traces)}
    found |= {"resident_mb": worker.memory("VmRSS"), "peak_mb": worker.memory("VmHWM")}
    worker.kill()
    worker = Flying(betrace, data)
    found |= {"from_rocksdb_s": worker.holds(traces), "from_rocksdb_peak_mb": worker.memory("VmHWM")}
    worker.kill()
    shutil.rmtree(data)
    worker = Flying(betrace, data)
    found |= {"from_changelog_s": worker.holds(traces), "from_changelog_peak_mb": worker.memory("VmHWM")}
    worker.kill()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--traces", type=int, default=100_000)
    parser.add_argument("--partitions", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kafka = Kafka(Path(folder) / "kafka").start()
        try:
            found = measure(kafka, Path(folder), options.traces, options.partitions)
        finally:
            kafka.remove()
    for name, value in found.items():
        print(f"{name:<24} {value:10,.1f}")
    print(json.dumps({name: round(value, 1) for name, value in found.items()}))


if __name__ == "__main__":
    main()
