"""Memory and recovery of a worker that holds 100,000 traces in flight, as a process on a real Kafka.

    python -m bench.flight [--traces 100000] [--partitions 8]

Traces of 20 spans wait for more; the worker is killed -9, and comes back once over its RocksDB and once over
the changelog alone. Memory is that of the process (resident, and its peak). The last line is JSON.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

from confluent_kafka import Producer

from bench.spans import TRACE_SPANS, messages
from bench.worker import Worker
from tests.integration.processes import Betrace
from tests.kafka import Kafka, create_topic

_INPUTS = 4


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
    worker = Worker(betrace, data)
    found = {"taken_in_s": worker.holds(traces)}
    found |= {"resident_mb": worker.uses.memory("VmRSS"), "peak_mb": worker.uses.memory("VmHWM")}
    worker.kill()
    worker = Worker(betrace, data)
    found |= {"from_rocksdb_s": worker.holds(traces), "from_rocksdb_peak_mb": worker.uses.memory("VmHWM")}
    worker.kill()
    shutil.rmtree(data)
    worker = Worker(betrace, data)
    found |= {"from_changelog_s": worker.holds(traces), "from_changelog_peak_mb": worker.uses.memory("VmHWM")}
    worker.kill()
    return found


def alone(traces: int, partitions: int = 8) -> dict[str, float]:
    """The figures, on a Kafka of its own."""
    with tempfile.TemporaryDirectory() as folder:
        kafka = Kafka(Path(folder) / "kafka").start()
        try:
            return measure(kafka, Path(folder), traces, partitions)
        finally:
            kafka.remove()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--traces", type=int, default=100_000)
    parser.add_argument("--partitions", type=int, default=8)
    options = parser.parse_args()
    found = alone(options.traces, options.partitions)
    for name, value in found.items():
        print(f"{name:<24} {value:10,.1f}")
    print(json.dumps({name: round(value, 1) for name, value in found.items()}))


if __name__ == "__main__":
    main()
