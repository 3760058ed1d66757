"""A real Apache Kafka for tests: one KRaft node on loopback, from the jars of `scripts/kafka-jars`."""

import base64
import contextlib
import ctypes
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

_SCRIPT = Path(__file__).parent.parent / "scripts" / "kafka-jars"
_PATIENCE = 60.0  # seconds
_SMALL_AND_QUICK = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_PORTS = range(
    20_000, 32_000
)  # below those that the kernel gives to clients, so that a stopped broker keeps its own
_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=CONTROLLER://127.0.0.1:{controller},PLAINTEXT://127.0.0.1:{port}{more_listeners}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{more_advertised}
controller.listener.names=CONTROLLER
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
message.max.bytes=16777216
"""


@dataclass(frozen=True)
class Listener:
    """One more way in: the protocol's name, a port on localhost, and the port that clients are told."""

    protocol: str
    port: int
    told: int | None = None  # by default the same


@dataclass(frozen=True)
class Security:
    """What a broker is started with beside the plain listener: settings, and options of its storage tool."""

    listeners: tuple[Listener, ...] = ()
    settings: str = ""
    format: tuple[str, ...] = ()


class Kafka:
    """One broker with its own folder; `stop` and `start` keep the data."""

    def __init__(self, folder: Path, security: Security = Security()) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._security = security
        self.port, self._controller = free_ports(2)
        self.address = f"127.0.0.1:{self.port}"
        self._jars = subprocess.run([_SCRIPT], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
        self._process: subprocess.Popen[bytes] | None = None
        self._format()

    def start(self) -> "Kafka":
        """Start, and return when it answers."""
        log = (self.folder / "kafka.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka"), stdout=log, stderr=log, preexec_fn=die_with_parent
            )
        end = time.monotonic() + _PATIENCE
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"Kafka did not start: {(self.folder / 'kafka.log').read_text()[-2000:]}")
        return self

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    def stop(self, *, kill: bool = False) -> None:
        """Stop it, in order or by kill -9."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            self._process.wait(30)

    @contextlib.contextmanager
    def silenced(self) -> Iterator[None]:
        """It keeps its connections, and answers nothing until the block ends."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def remove(self) -> None:
        """Kill it and delete its data."""
        self.stop(kill=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _format(self) -> None:
        more = self._security.listeners
        settings = _SETTINGS.format(
            port=self.port,
            controller=self._controller,
            data=self.folder / "data",
            more_listeners="".join(f",{each.protocol}://127.0.0.1:{each.port}" for each in more),
            more_advertised="".join(
                f",{each.protocol}://localhost:{each.told or each.port}" for each in more
            ),
        )
        (self.folder / "server.properties").write_text(settings + self._security.settings)
        name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = self._java(
            "kafka.tools.StorageTool", "format", "-t", f"x{name[1:]}", *self._security.format, "-c"
        )
        subprocess.run(command, check=True, capture_output=True)

    def _java(self, main: str, *arguments: str) -> list[str]:
        settings = str(self.folder / "server.properties")
        return ["java", *_SMALL_AND_QUICK, "-cp", f"{self._jars}/*", main, *arguments, settings]

    def _answers(self) -> bool:
        client = AdminClient({"bootstrap.servers": self.address, "log_level": 0})
        try:
            return bool(client.list_topics(timeout=1).brokers)
        except KafkaException:
            return False


def create_topic(address: str, name: str, partitions: int, settings: dict[str, str] | None = None) -> None:
    """Create a topic, and return when it is there."""
    client = AdminClient({"bootstrap.servers": address})
    end = time.monotonic() + 60
    while time.monotonic() < end:  # on a busy machine an answer gets lost now and then
        wanted = NewTopic(name, partitions, 1, config=settings or {})
        with contextlib.suppress(TimeoutError, KafkaException):  # it exists, if only the answer got lost
            client.create_topics([wanted])[name].result(20)
        if name in client.list_topics(timeout=20).topics:  # a broker tells of it a while after it was made
            return
    raise TimeoutError(f"the topic {name} was not created")


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on, and that no client is given."""
    return list(itertools.islice(filter(_is_free, random.sample(_PORTS, len(_PORTS))), count))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def die_with_parent() -> None:
    """Have Linux kill this process when the one that started it dies, however it dies."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
    os.setsid()
