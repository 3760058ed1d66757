"""Where a worker's time goes: `python -m bench.profile [--spans 400000] [--rules 10] [--lines 25]`.

The worker runs in this process, on one core, over a topic of a Kafka of its own; a profiler makes it slower.
"""

import argparse
import asyncio
import cProfile
import os
import pstats
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from bench import topic
from bench.rules import applying, write_rules
from bench.topic import Input
from dsl.compile import RuleSet, compile_rules
from dsl.files import load
from streams import admin
from streams.activity import Version
from streams.config import Config, InputTopic, Windows
from streams.config import Kafka as KafkaConfig
from streams.judge import Rules
from streams.worker import Worker
from tests.kafka import Kafka

_PATIENCE = 600.0  # seconds


@dataclass(frozen=True, slots=True)
class _Fixed:
    """Rules that never change."""

    judged_by: RuleSet
    ready: bool = True

    def in_force(self) -> Rules:
        return Rules(self.judged_by, 0)

    def in_force_at(self, _offset: int) -> list[Version]:
        return [Version(rule.id, rule.version) for rule in self.judged_by.rules]


def rules(count: int, folder: Path) -> RuleSet:
    """The rules that apply to every trace, compiled."""
    file = write_rules(applying(count), folder / "rules.yaml")
    loaded = load([(str(file), file.read_text())])
    assert not loaded.diagnostics, loaded.diagnostics
    return compile_rules(loaded.rules)


async def profiled(address: str, given: Input, judged_by: RuleSet, folder: Path) -> cProfile.Profile:
    """Run one worker over the whole topic."""
    kafka = KafkaConfig(
        (address,), input_topics=(InputTopic(given.topic),), group="profile", replication_factor=1
    )
    config = Config(kafka, Windows(max_wait=5, root_grace=5), data_dir=folder / "worker")
    admin.create(config)
    worker = Worker(config, _Fixed(judged_by), time.time_ns)
    stop = asyncio.Event()
    watching = asyncio.create_task(_watch(worker, given.spans, stop))
    await worker.run(stop)
    return await watching


async def _watch(worker: Worker, spans: int, stop: asyncio.Event) -> cProfile.Profile:
    end = time.monotonic() + _PATIENCE
    while not worker.owned:
        await asyncio.sleep(0.01)
    with cProfile.Profile() as profile:
        while (judged := _judged(worker)) < spans and time.monotonic() < end:
            await asyncio.sleep(0.1)
    stop.set()
    assert judged == spans, f"{judged} of {spans} spans were judged in {_PATIENCE:.0f} s"
    return profile


def _judged(worker: Worker) -> int:
    return sum(owned.partition.state.totals.judged for owned in worker.owned.values())


def main() -> None:
    """Profile and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--spans", type=int, default=400_000)
    parser.add_argument("--rules", type=int, default=10)
    parser.add_argument("--lines", type=int, default=25)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kafka = Kafka(folder / "kafka").start()
        try:
            given = topic.even(kafka.address, options.spans)
            os.sched_setaffinity(0, {0})
            judged_by = rules(options.rules, folder)
            profile = asyncio.run(profiled(kafka.address, given, judged_by, folder))
        finally:
            kafka.remove()
    pstats.Stats(profile).sort_stats("tottime").print_stats(options.lines)


if __name__ == "__main__":
    main()
