"""BeTrace's workers as processes on a real Kafka: what one is seen to do, and some that judge an input."""

import contextlib
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource

from bench.measure import metric
from bench.process import Process, on_cores
from bench.rules import write_rules
from bench.task import Task
from bench.topic import Input
from streams.topics import Topics
from tests.integration.processes import Api, Betrace, free_port, until


class Worker:
    """One worker process, seen through its metrics and /proc; on one core if one is given."""

    def __init__(self, betrace: Betrace, folder: Path, core: int | None = None) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self._starting = betrace.start("worker", METRICS_LISTEN=self.address, WORKER_DATA_DIR=str(folder))
        self.started = time.monotonic()
        with contextlib.nullcontext() if core is None else on_cores({core}):
            self.process: subprocess.Popen[bytes] = self._starting.__enter__()
        self.uses = Process(self.process.pid)

    def traces(self) -> int:
        """Traces in flight as the metrics say; 0 while it does not answer."""
        return int(self.metric("betrace_traces_in_flight"))

    def metric(self, *names: str) -> float:
        """The sum of metrics; 0 while the worker does not answer."""
        assert self.process.poll() is None, f"the worker ended with {self.process.returncode}"
        return metric(self.address, *names)

    def holds(self, traces: int) -> float:
        """Wait until that many are in flight; seconds since the start."""
        until(f"{traces} traces are in flight", lambda: self.traces() >= traces or None, patience=600)
        return time.monotonic() - self.started

    def kill(self) -> None:
        """By kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.stop()

    def stop(self, *problem: Any) -> bool | None:
        """In order; with an exception (type, value, traceback) its log is printed too."""
        return self._starting.__exit__(*problem or (None, None, None))


@dataclass(frozen=True)
class Workers:
    """A group's workers, each on a core of its own."""

    group: str
    workers: Sequence[Worker]

    @property
    def processes(self) -> Sequence[Process]:
        """What they use."""
        return [worker.uses for worker in self.workers]

    def ready(self) -> bool:
        """Whether all judge what comes."""
        return all(Api(f"http://{worker.address}").ready() for worker in self.workers)

    def begun(self) -> bool:
        """Whether any of them has taken in a span."""
        return any([worker.metric("betrace_spans_received_total") for worker in self.workers])

    def done(self, given: Input) -> bool:
        """Whether all spans of an input are judged, or known as copies."""
        return self.total("betrace_spans_judged_total", "betrace_duplicate_spans_total") >= given.spans

    def found(self) -> int:
        """Violations."""
        return int(self.total("betrace_violations_total"))

    def total(self, *names: str) -> float:
        """The sum of metrics over the workers."""
        return sum(worker.metric(*names) for worker in self.workers)


@contextlib.contextmanager
def working(address: str, folder: Path, task: Task, *, whole: bool = False) -> Iterator[Workers]:
    """A new group with a worker a core; its topics go when the block ends.

    With `whole` its changelog is not compacted, and all that was ever written can be read and weighed.
    """
    group = f"bench-{uuid.uuid4().hex[:8]}"
    own = folder / group
    own.mkdir()
    settings = {
        "KAFKA_BROKERS": address,
        "KAFKA_GROUP": group,
        "KAFKA_INPUT_TOPICS": task.topic,
        "KAFKA_REPLICATION_FACTOR": "1",
        "RULES_FILES": str(write_rules(task.rules, own / "rules.yaml")),
        "TRACE_MAX_WAIT": f"{task.wait}s",
        "TRACE_ROOT_GRACE": f"{task.wait}s",
    }
    betrace = Betrace(settings, own)
    betrace.run("topics", "create")
    if whole:
        _keep_all(address, Topics(group).changelog)
    with contextlib.ExitStack() as stack:
        stack.callback(_delete_topics, address, group)
        workers = [Worker(betrace, own / f"worker-{core}", core) for core in range(task.cores)]
        for worker in workers:
            stack.push(worker.stop)
        yield Workers(group, workers)


def _keep_all(address: str, topic: str) -> None:
    lag = ConfigEntry("min.compaction.lag.ms", str(2**40), incremental_operation=AlterConfigOpType.SET)
    client = AdminClient({"bootstrap.servers": address})  # must outlive its futures
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[lag])
    client.incremental_alter_configs([resource])[resource].result(30)


def _delete_topics(address: str, group: str) -> None:
    """What a run wrote is as large as its input."""
    client = AdminClient({"bootstrap.servers": address})  # must outlive its futures
    for deleted in client.delete_topics(sorted(Topics(group).all)).values():
        deleted.result(30)
