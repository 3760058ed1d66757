"""BeTrace's own commands as processes, and what they say."""

import contextlib
import gzip
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from confluent_kafka import Producer

from tests.kafka import Kafka, create_topic

_BETRACE = str(Path(sys.executable).parent / "betrace")
_PATIENCE = 60.0  # seconds until a condition that should come true is given up
_LOOK = 0.2  # seconds between two looks at a condition

T = TypeVar("T")


def until(what: str, look: Callable[[], T | None], patience: float = _PATIENCE) -> T:
    """Wait until `look` gives something; AssertionError says what did not come true in so many seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = look()
        if found is not None:
            return found
        time.sleep(_LOOK)
    raise AssertionError(f"{what} did not come true in {patience:.0f} s")


def free_port() -> int:
    """A loopback port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get(url: str) -> Any:
    """The JSON at a URL."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


class Api:
    """A running API."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ready(self) -> bool | None:
        """True when it has caught up with Kafka, else None."""
        try:
            get(f"{self.url}/readyz")
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None
        return True

    def metrics(self) -> str:
        """What it shows to Prometheus."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=10) as answer:
            text: str = answer.read().decode()
        return text

    def violations(self, count: int) -> list[dict[str, Any]]:
        """All open violations, once there are that many: publishing comes after accounting."""

        def look() -> list[dict[str, Any]] | None:
            found = self.all_violations()
            return found if len(found) >= count else None

        found = until(f"{count} violations are there", look)
        until("the index catches up", self.ready)
        assert len(self.all_violations()) == len(found)
        return found

    def all_violations(self) -> list[dict[str, Any]]:
        """All open violations that there are now, page by page."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = get(f"{self.url}/api/violations?limit=100{cursor}")
            found += page["items"]
            if not page["nextCursor"]:
                return found
            cursor = f"&cursor={page['nextCursor']}"


class Betrace:
    """The command line with settings from the environment; every process has its own data folder."""

    def __init__(self, settings: dict[str, str], folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self.started = 0

    @classmethod
    def of(cls, kafka: Kafka, group: str, folder: Path, partitions: int = 1, **settings: str) -> "Betrace":
        """Set for a group of its own; of its topics the input is there, with so many partitions."""
        own = {
            "KAFKA_BROKERS": kafka.address,
            "KAFKA_GROUP": group,
            "KAFKA_INPUT_TOPICS": f"{group}.input:otlp_json",
            "KAFKA_PARTITIONS": "2",
            "KAFKA_REPLICATION_FACTOR": "1",
        } | settings
        for topic in own["KAFKA_INPUT_TOPICS"].split(","):
            create_topic(kafka.address, topic.partition(":")[0], partitions)
        return cls(own, folder)

    @classmethod
    def on(cls, kafka: Kafka, group: str, folder: Path, partitions: int = 1, **settings: str) -> "Betrace":
        """The same, with all topics."""
        betrace = cls.of(kafka, group, folder, partitions, **settings)
        betrace.run("topics", "create")
        return betrace

    def set(self, name: str, value: str) -> "Betrace":
        """Change a setting for what is started from here on."""
        self.settings[name] = value
        return self

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run a command to its end; its standard output."""
        return self.ended(*arguments, code=code).stdout

    def ended(self, *arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end, which has to be with that code."""
        done = subprocess.run(
            [_BETRACE, *arguments], env=self._environment(), capture_output=True, text=True, timeout=120
        )
        assert done.returncode == code, f"betrace {arguments[0]} ended with {done.returncode}: {done.stderr}"
        return done

    @property
    def session_folder(self) -> Path:
        """Where sessions are run."""
        folder = self.folder / "session"
        folder.mkdir(exist_ok=True)
        return folder

    def session(self, page: str, **variables: str) -> list[str]:
        """Run the `console` blocks of a page: every command prints what stands under it.

        Each has a shell of its own, in `session_folder`, where `betrace` is this one. Gives the commands.
        """
        blocks = "".join(re.findall(r"```console\n(.*?)```", page, re.DOTALL))
        steps = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", blocks, re.MULTILINE)
        path = f"{Path(_BETRACE).parent}:{os.environ['PATH']}"
        environment = self._environment() | {"PATH": path} | variables
        for command, said in steps:
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=self.session_folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=60,
            )
            assert done.stdout == said, (command, done.stdout, done.stderr)
        return [command for command, _ in steps]

    @contextlib.contextmanager
    def shell(self, script: str) -> Iterator[None]:
        """A shell with lines of a page, in `session_folder`; all that it started ends with the block."""
        path = f"{Path(_BETRACE).parent}:{os.environ['PATH']}"
        log = self.folder / "shell.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                ["bash", "-ec", f"{script}\nwait"],
                cwd=self.session_folder,
                env=self._environment() | {"PATH": path},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            yield
        except BaseException:
            print(f"--- {log.name}\n{log.read_text()[-4000:]}")
            raise
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)

    def refused(self, *arguments: str) -> str:
        """What a command says that cannot start, in one go and without a traceback."""
        return self.all_refused(arguments)[0]

    def all_refused(self, *commands: Sequence[str]) -> list[str]:
        """The same for several commands, side by side in the folder."""
        started = [
            subprocess.Popen(
                [_BETRACE, *arguments], env=self._environment(), cwd=self.folder, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            for arguments in commands
        ]  # fmt: skip
        try:
            said = [process.communicate(timeout=60) for process in started]
        finally:
            for process in started:
                process.kill()
        assert [process.returncode for process in started] == [2] * len(started), said
        assert not [errors for _, errors in said if "Traceback" in errors], said
        return [errors for _, errors in said]

    @contextlib.contextmanager
    def start(self, *arguments: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
        """A command that runs until the block ends."""
        self.started += 1
        log = self.folder / f"{arguments[0]}-{self.started}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [_BETRACE, *arguments], env=self._environment(**settings), stdout=output, stderr=output
            )
        try:
            yield process
        except BaseException:
            print(f"--- {log.name}\n{log.read_text()[-4000:]}")
            raise
        finally:
            process.terminate()
            process.wait(30)

    @contextlib.contextmanager
    def worker(self) -> Iterator[Api]:
        """A running worker, by what it shows of itself over HTTP."""
        address = f"127.0.0.1:{free_port()}"
        with self.start("worker", METRICS_LISTEN=address):
            yield Api(f"http://{address}")

    @contextlib.contextmanager
    def api(self) -> Iterator[Api]:
        """A running API on a free port."""
        address = f"127.0.0.1:{free_port()}"
        with self.start("api", API_LISTEN=address):
            api = Api(f"http://{address}")
            until("the API is ready", api.ready)
            yield api

    def settled(self, spans: int) -> dict[str, int]:
        """Wait until that many spans were received and none is in flight; the account, which must add up."""

        def look() -> dict[str, int] | None:
            account: dict[str, int] = json.loads(self.run("accounting", "--format", "json"))
            print(account)
            return account if account["received"] == spans and not account["inFlight"] else None

        account = until(f"{spans} spans are accounted for", look)
        assert account["missing"] == 0, account
        return account

    def produce_shuffled(
        self, files: Sequence[Path], *, copies: int, seed: int, between: Callable[[], object]
    ) -> None:
        """Send every line of the files that often, in any order; `between` is called half-way."""
        lines = [line for file in files for line in gzip.decompress(file.read_bytes()).splitlines()] * copies
        random.Random(seed).shuffle(lines)
        producer = Producer({"bootstrap.servers": self.settings["KAFKA_BROKERS"]})
        topic = self.settings["KAFKA_INPUT_TOPICS"].partition(":")[0]
        for number, line in enumerate(lines):
            if number == len(lines) // 2:
                producer.flush()
                between()
            producer.produce(topic, line)
        producer.flush()

    def _environment(self, **settings: str) -> dict[str, str]:
        own = {"WORKER_DATA_DIR": str(self.folder / f"data-{self.started}"), "METRICS_LISTEN": "127.0.0.1:0"}
        named = {f"BETRACE_{name}": value for name, value in (own | self.settings | settings).items()}
        return os.environ | named
