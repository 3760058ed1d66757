"""All that runs: a broker, workers and APIs, each process in a slot that is kept filled."""

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.chaos.links import Link, Links
from tests.chaos.plan import INPUT, PARTITIONS, Plan
from tests.chaos.rest import ask
from tests.integration.processes import free_port
from tests.kafka import Kafka, Listener, Security, create_topic, die_with_parent, free_ports

_BETRACE = str(Path(sys.executable).parent / "betrace")
_LOOK = 0.1  # seconds
_AGAIN = 2.0  # seconds until a process that ended by itself is started again
_LONG_STOP = 10.0  # seconds, more than which is told
_LONGEST_STOP = 40.0  # seconds until it is killed

Kind = Literal["worker", "api"]


@dataclass(slots=True)
class Slot:
    """A place for a process: its data folder, port and way to the broker stay when the process goes."""

    name: str
    kind: Kind
    folder: Path
    url: str
    link: Link
    wanted: bool = False
    busy: bool = False  # a fault is at work here, and nothing else starts or ends the process
    process: subprocess.Popen[bytes] | None = None
    starts: int = 0
    ended: float = 0.0

    @property
    def log(self) -> Path:
        return self.folder.with_suffix(".log")

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass(slots=True)
class World:
    """The broker and the slots. `note` is told what ended by itself."""

    plan: Plan
    folder: Path
    note: Callable[[str], None]
    broker: Kafka = field(init=False)
    links: Links = field(init=False)
    slots: list[Slot] = field(init=False)
    broker_lock: threading.Lock = field(default_factory=threading.Lock)
    stops: list[float] = field(default_factory=list)  # how long SIGTERM took, in seconds
    own_ends: list[str] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _starter: ThreadPoolExecutor = field(init=False)
    _keeper: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        # a child dies with the thread that started it: one thread starts all, and lives to the end
        self._starter = ThreadPoolExecutor(1, "starter")
        listeners = _listeners(self.plan.workers + 1)
        names = ("CONTROLLER", "PLAINTEXT", *(each.protocol for each in listeners))
        protocols = ",".join(f"{name}:PLAINTEXT" for name in names)
        settings = f"listener.security.protocol.map={protocols}\n"
        self.broker = Kafka(self.folder / "kafka", Security(listeners, settings))
        self.links = Links(listeners)
        *workers, apis = self.links.links
        self.slots = [self._slot("worker", number, link) for number, link in enumerate(workers)]
        self.slots += [self._slot("api", number, apis) for number in range(self.plan.apis)]
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def start(self) -> None:
        """Start the broker with its topics, some of the workers, and the APIs."""
        self.start_broker()
        append = "LogAppendTime" if self.plan.clocks == "append" else "CreateTime"
        create_topic(self.broker.address, INPUT, PARTITIONS, {"message.timestamp.type": append})
        environment = os.environ | self.plan.settings() | {"BETRACE_KAFKA_BROKERS": self.broker.address}
        subprocess.run([_BETRACE, "topics", "create"], env=environment, check=True, capture_output=True)
        self.links.start()
        for slot in self.slots:
            if slot.kind == "api" or slot.name in ("worker-0", "worker-1"):
                self.start_process(slot)
        self._keeper.start()

    def stop(self) -> None:
        """Kill everything."""
        self._stopping.set()
        self.broker.stop(kill=True)
        self._starter.shutdown(cancel_futures=True)
        for slot in self.slots:
            self.kill(slot)
        self.broker.stop(kill=True)
        self.links.stop()

    # Broker

    def start_broker(self) -> None:
        """Return when it answers."""
        self._starter.submit(self.broker.start).result()

    # Processes

    def of(self, kind: Kind, *, wanted: bool = True) -> list[Slot]:
        """The slots of a kind that are filled, or those that are empty."""
        return [slot for slot in self.slots if slot.kind == kind and slot.wanted is wanted]

    @contextlib.contextmanager
    def taken(self, kind: Kind, draw: random.Random, *, wanted: bool = True) -> Iterator[Slot | None]:
        """A slot that nobody else is at; None if there is none."""
        with self._lock:
            free = [slot for slot in self.of(kind, wanted=wanted) if not slot.busy]
            slot = draw.choice(free) if free else None
            if slot is not None:
                slot.busy = True
        try:
            yield slot
        finally:
            if slot is not None:
                slot.busy = False

    def start_process(self, slot: Slot, **settings: str) -> None:
        """Fill a slot."""
        slot.wanted = True
        self._starter.submit(self._spawn, slot, settings).result()

    def kill(self, slot: Slot) -> None:
        """End the process by kill -9."""
        if slot.process is not None:
            slot.process.kill()
            slot.process.wait(10)

    def terminate(self, slot: Slot) -> None:
        """End the process by SIGTERM, and note how long that took; kill it if it takes too long."""
        if slot.process is None or slot.process.poll() is not None:
            return
        begun = time.monotonic()
        slot.process.terminate()
        try:
            slot.process.wait(_LONGEST_STOP)
        except subprocess.TimeoutExpired:
            self.kill(slot)
        took = time.monotonic() - begun
        if slot.kind == "worker":
            self.stops.append(took)
        if took > _LONG_STOP:
            self.note(f"{slot.name} took {took:.1f} s to stop")

    def send(self, slot: Slot, number: signal.Signals) -> None:
        """Send a signal, if there is a process."""
        if slot.process is not None and slot.process.poll() is None:
            slot.process.send_signal(number)

    def wipe(self, slot: Slot) -> None:
        """Delete the data folder."""
        shutil.rmtree(slot.folder, ignore_errors=True)

    def ready(self) -> bool | None:
        """True when every process that is wanted says that it is ready, else None."""
        return all(ask(f"{slot.url}/readyz")[0] == 200 for slot in self.slots if slot.wanted) or None

    def waiting(self) -> str:
        """What each process says that it waits for."""
        return "; ".join(f"{s.name}: {ask(f'{s.url}/readyz')[1]}" for s in self.slots if s.wanted)

    def _slot(self, kind: Kind, number: int, link: Link) -> Slot:
        name = f"{kind}-{number}"
        return Slot(name, kind, self.folder / name, f"http://127.0.0.1:{free_port()}", link)

    def _spawn(self, slot: Slot, settings: dict[str, str]) -> None:
        listen = "BETRACE_METRICS_LISTEN" if slot.kind == "worker" else "BETRACE_API_LISTEN"
        own = {
            "BETRACE_KAFKA_BROKERS": slot.link.address,
            "BETRACE_WORKER_DATA_DIR": str(slot.folder),
            listen: slot.url.removeprefix("http://"),
        }
        slot.starts += 1
        slot.ended = 0.0
        with slot.log.open("ab") as output:
            output.write(f"--- start {slot.starts} at {time.time():.3f} {settings}\n".encode())
            output.flush()
            slot.process = subprocess.Popen(
                [_BETRACE, slot.kind],
                env=os.environ | self.plan.settings() | own | settings,
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent,
            )

    def _keep(self) -> None:
        """Start again what ended by itself, as what runs the processes elsewhere would do."""
        while not self._stopping.wait(_LOOK):
            with self._lock:
                ended = [slot for slot in self.slots if slot.wanted and not slot.busy and not slot.alive]
            for slot in ended:
                if not slot.ended:
                    slot.ended = time.monotonic()
                    self._tell(slot)
                elif time.monotonic() > slot.ended + _AGAIN and not self._stopping.is_set():
                    with self._lock:
                        if slot.busy or slot.alive:
                            continue
                        slot.busy = True
                    try:
                        self.start_process(slot)
                    finally:
                        slot.busy = False

    def _tell(self, slot: Slot) -> None:
        code = slot.process.poll() if slot.process else None
        last = [line for line in slot.log.read_text(errors="replace").splitlines() if line.strip()][-1:]
        text = f"{slot.name} ended by itself with {code}: {last[0] if last else ''}"
        self.own_ends.append(text)
        self.note(text)


def _listeners(count: int) -> tuple[Listener, ...]:
    """Ways into the broker, each by a port of its own where a link listens."""
    ports = free_ports(2 * count)
    return tuple(Listener(f"LINK{n}", ports[2 * n], ports[2 * n + 1]) for n in range(count))
