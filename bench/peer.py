"""The peer: a stock Collector that reads the same topic and samples by whole traces, with a policy a rule."""

import contextlib
import os
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.measure import metric
from bench.process import Process, on_cores
from bench.rules import policies
from bench.task import Task
from bench.topic import Input
from tests.integration.processes import free_port
from tests.kafka import die_with_parent

_TOP = Path(__file__).parent.parent
_SAMPLING = "otelcol_processor_tail_sampling"
_TRACES = 200_000  # that it may hold: more than ever wait, so that none is dropped unjudged


def built() -> str:
    """The Collector's path; building it takes minutes, once."""
    command = [_TOP / "scripts" / "collector", _TOP / "bench" / "collector.yaml"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


@dataclass(frozen=True)
class Collector:
    """A running Collector."""

    group: str
    process: subprocess.Popen[bytes]
    address: str

    @property
    def processes(self) -> Sequence[Process]:
        """What it uses."""
        return [Process(self.process.pid)]

    def begun(self) -> bool:
        """Whether it has taken in a trace."""
        return self._metric("new_trace_id_received") > 0

    def done(self, given: Input) -> bool:
        """Whether all traces of an input are decided."""
        dropped = self._metric("sampling_trace_dropped_too_early")
        assert not dropped, f"the Collector dropped {dropped:.0f} traces before it decided"
        return self._metric("global_count_traces_sampled") >= given.traces

    def found(self) -> int:
        """How often a policy would sample a trace."""
        return int(self._metric("count_traces_sampled", 'sampled="true"'))

    def _metric(self, name: str, label: str = "") -> float:
        assert self.process.poll() is None, f"the Collector ended with {self.process.returncode}"
        return metric(self.address, f"{_SAMPLING}_{name}", label=label)


@contextlib.contextmanager
def sampling(otelcol: str, address: str, folder: Path, task: Task) -> Iterator[Collector]:
    """A Collector of a new group, on as many cores."""
    group, metrics = f"peer-{uuid.uuid4().hex[:8]}", free_port()
    config = folder / f"{group}.yaml"
    config.write_text(yaml.safe_dump(_config(address, group, metrics, task), sort_keys=False))
    log = folder / f"{group}.log"
    with log.open("wb") as output, on_cores(range(task.cores)):
        process = subprocess.Popen(
            [otelcol, "--config", str(config)],
            env=os.environ | {"GOMAXPROCS": str(task.cores)},
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent,
        )
    try:
        yield Collector(group, process, f"127.0.0.1:{metrics}")
    except BaseException:
        print(log.read_text()[-4000:])
        raise
    finally:
        process.kill()
        process.wait(30)


def _config(address: str, group: str, metrics: int, task: Task) -> dict[str, Any]:
    reader = {"pull": {"exporter": {"prometheus": {"host": "127.0.0.1", "port": metrics}}}}
    return {
        "receivers": {
            "kafka": {
                "brokers": [address],
                "group_id": group,
                "initial_offset": "earliest",
                "traces": {"topics": [task.topic], "encoding": "otlp_proto"},
            }
        },
        "processors": {
            "tail_sampling": {
                "decision_wait": f"{task.wait}s",
                "num_traces": _TRACES,
                "policies": policies(task.rules),
            }
        },
        "exporters": {"nop": {}},
        "service": {
            "telemetry": {"logs": {"level": "warn"}, "metrics": {"level": "normal", "readers": [reader]}},
            "pipelines": {
                "traces": {"receivers": ["kafka"], "processors": ["tail_sampling"], "exporters": ["nop"]}
            },
        },
    }
