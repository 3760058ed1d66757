"""A new version under load: every worker and API is replaced as the chart has it, and nobody notices."""

import gzip
import json
import threading
from contextlib import ExitStack
from pathlib import Path

from confluent_kafka import Producer

from tests.integration.processes import Betrace, until
from tests.integration.rollout import Orders, Pod, Service, workloads
from tests.integration.test_main_job import FILES, RULES, SPANS, expected
from tests.kafka import Kafka

LASTS = 40.0  # seconds after which a third of the records is still to come


def traces() -> list[bytes]:
    """The files' traces, a record each."""
    found: dict[str, list[object]] = {}
    for line in (line for file in FILES for line in gzip.decompress(file.read_bytes()).splitlines()):
        for group in json.loads(line)["resourceSpans"]:
            for scope in group["scopeSpans"]:
                for span in scope["spans"]:
                    alone = group | {"scopeSpans": [scope | {"spans": [span]}]}
                    found.setdefault(span["traceId"], []).append(alone)
    return [json.dumps({"resourceSpans": parts}).encode() for parts in found.values()]


class Load:
    """Sends the files' traces once, one after the other and ever slower, until it is told to finish."""

    def __init__(self, betrace: Betrace) -> None:
        self.left = traces()
        self.topic = betrace.settings["KAFKA_INPUT_TOPICS"].partition(":")[0]
        self.producer = Producer({"bootstrap.servers": betrace.settings["KAFKA_BROKERS"]})
        self.hurry = threading.Event()
        self.thread = threading.Thread(target=self._send, daemon=True)
        self.thread.start()

    def finish(self) -> None:
        """Send the rest, of which there has to be some."""
        assert self.left
        self.hurry.set()
        self.thread.join(60)
        assert not self.left

    def _send(self) -> None:
        while self.left:
            self.producer.produce(self.topic, self.left[-1])
            self.producer.poll(0)
            self.left.pop()
            self.hurry.wait(LASTS / (len(self.left) + 1))
        self.producer.flush()


def ids(pod: Pod) -> set[str]:
    """The violations that an API shows."""
    return {violation["id"] for violation in pod.shown.all_violations()}


def owns(pod: Pod) -> bool:
    """Whether a worker has partitions to read."""
    return "betrace_kafka_consumer_lag{" in pod.shown.metrics()


def test_a_rolling_restart_under_load_loses_nothing_and_fails_no_request(
    kafka: Kafka, group: str, tmp_path: Path
) -> None:
    betrace = Betrace.on(kafka, group, tmp_path, partitions=4).set("RULES_FILES", str(RULES))
    betrace.set("TRACE_ROOT_GRACE", "3s").set("TRACE_MAX_WAIT", "10s").set("TRACE_TICK", "200ms")
    wanted = {violation for violation, _, _ in expected(betrace)}
    workers, apis = (Orders.of(workload) for workload in workloads())
    assert apis.pre_stop > 2
    service = Service()
    with ExitStack() as stack:
        working = [Pod(stack, betrace, "worker", f"worker-{n}", workers) for n in (0, 1)]
        serving = [Pod(stack, betrace, "api", f"api-{n}", apis) for n in (0, 1)]
        for pod in (*working, *serving):
            until(f"{pod.name} is ready", pod.shown.ready)
        for pod in serving:
            service.add(pod)
        load = Load(betrace)
        with service.asked():
            until("violations come", lambda: ids(serving[0]) or None)
            for number in (1, 0):  # a StatefulSet begins with the last, and goes on when the new one is ready
                working[number].delete()
                assert working[number].shown.ready() is None
                working[number] = Pod(stack, betrace, "worker", f"worker-{number}", workers).wait()
                assert owns(working[number])
            for number in (0, 1):  # a Deployment takes one away when a new one more is ready
                there = ids(serving[number])
                new = Pod(stack, betrace, "api", f"api-{number + 2}", apis).wait()
                assert there <= ids(new), "it said that it was ready, and lacked what others had shown"
                service.add(new)
                serving[number].delete(service)
            load.finish()
            betrace.settled(SPANS)
            until("all violations are there", lambda: wanted <= ids(service.pods[0]) or None)
        found = [ids(pod) for pod in service.pods]
    assert found == [wanted, wanted]
    assert not service.failures
    assert service.answers > 100
