"""Spans per CPU second of one worker on one core, from OTLP bytes on Kafka to durable verdicts.

    python -m bench.worker --brokers localhost:9092 [--spans 1000000] [--rules 10] [--runs 3] [--profile]

All input is in Kafka before a worker starts. CPU seconds are the worker's, from the first partition that it
owns to the last span judged; changelog, commits and publishing are on. The last line is JSON.
"""

import argparse
import asyncio
import cProfile
import json
import os
import platform
import pstats
import resource
import statistics
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bench.spans import NAMES, messages
from dsl.compile import RuleSet, compile_rules
from dsl.files import load
from streams import admin
from streams.activity import Version
from streams.config import Config, InputTopic, Kafka, Windows
from streams.judge import Rules
from streams.worker import Worker

PARTITIONS = 4
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Result:
    """One run."""

    spans: int
    cpu: float
    wall: float
    memory: int

    @property
    def rate(self) -> float:
        """Spans per CPU second."""
        return self.spans / self.cpu


@dataclass(frozen=True, slots=True)
class _Fixed:
    """Rules that never change."""

    judged_by: RuleSet
    ready: bool = True

    def in_force(self) -> Rules:
        return Rules(self.judged_by, 0)

    def in_force_at(self, _offset: int) -> list[Version]:
        return [Version(rule.id, rule.version) for rule in self.judged_by.rules]


def rules(count: int) -> RuleSet:
    """Rules that each look at one attribute of the spans of one name, which every trace is likely to have."""
    conditions = [f'"{NAMES[n % len(NAMES)]}".where(amount > {985 + n % 10})' for n in range(count)]
    texts = [f"  - {{id: rule-{n}, condition: {json.dumps(c)}}}" for n, c in enumerate(conditions)]
    loaded = load([("bench.yaml", "rules:\n" + "\n".join(texts) if texts else "rules: []")])
    assert not loaded.diagnostics, loaded.diagnostics
    return compile_rules(loaded.rules)


def produce(brokers: str, topic: str, spans: int) -> int:
    """Fill a new topic; the bytes sent."""
    client = AdminClient({"bootstrap.servers": brokers})
    client.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result()
    producer = Producer({"bootstrap.servers": brokers, "queue.buffering.max.kbytes": 2**20})
    total = 0
    for number, message in enumerate(messages(spans, 1, time.time_ns())):
        producer.produce(topic, message, partition=number % PARTITIONS)
        producer.poll(0)
        total += len(message)
    producer.flush()
    return total


async def measure(brokers: str, topic: str, spans: int, judged_by: RuleSet, profile: bool) -> Result:
    """Run one worker over the whole topic."""
    group = f"bench-{uuid.uuid4().hex[:8]}"
    kafka = Kafka(
        (brokers,),
        input_topics=(InputTopic(topic),),
        group=group,
        partitions=PARTITIONS,
        replication_factor=1,
    )
    windows = Windows(root_grace=1, late_window=5, late_grace=1)
    with tempfile.TemporaryDirectory() as folder:
        config = Config(kafka, windows, data_dir=Path(folder))
        admin.create(config)
        worker = Worker(config, _Fixed(judged_by), time.time_ns)
        stop = asyncio.Event()
        watching = asyncio.create_task(_watch(worker, spans, stop, profile))
        await worker.run(stop)
        return await watching


async def _watch(worker: Worker, spans: int, stop: asyncio.Event, profile: bool) -> Result:
    end = time.monotonic() + PATIENCE
    profiler = cProfile.Profile()
    while not worker.owned:
        await asyncio.sleep(0.01)
    cpu, wall = time.process_time(), time.monotonic()
    if profile:
        profiler.enable()
    while (judged := _judged(worker)) < spans and time.monotonic() < end:
        await asyncio.sleep(0.1)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    if profile:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)
    stop.set()
    assert judged == spans, f"{judged} of {spans} spans were judged in {PATIENCE:.0f} s"
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return Result(spans, cpu, wall, memory)


def _judged(worker: Worker) -> int:
    return sum(owned.partition.state.totals.judged for owned in worker.owned.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--brokers", default="localhost:9092")
    parser.add_argument("--spans", type=int, default=1_000_000)
    parser.add_argument("--rules", type=int, default=10)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument(
        "--profile", action="store_true", help="also print where the time goes (slows it down)"
    )
    options = parser.parse_args()

    topic = f"bench-input-{uuid.uuid4().hex[:8]}"
    size = produce(options.brokers, topic, options.spans)
    os.sched_setaffinity(0, {0})
    judged_by = rules(options.rules)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; the worker on one"
    )
    print(f"{options.spans:,} spans of {size / options.spans:.0f} bytes, 500 a message, traces of 20")
    print(f"{options.rules} rules")
    results = []
    for _ in range(options.runs):
        result = asyncio.run(measure(options.brokers, topic, options.spans, judged_by, options.profile))
        results.append(result)
        figures = f"{result.rate:10,.0f} spans per CPU second  {result.cpu:6.1f} s CPU"
        print(f"{figures}  {result.wall:6.1f} s  {result.memory:,} MB")
    rate = statistics.median(result.rate for result in results)
    print(json.dumps({"spans_per_second": round(rate), "rules": options.rules, "runs": options.runs}))


if __name__ == "__main__":
    main()
