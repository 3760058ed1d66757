"""What the browser's scenario plays on: worker, API, the datasource's binary, and a way to steer them.

`python -m tests.grafana.stage` sets it up and prints the environment for `node --test grafana/e2e/…`,
until Ctrl-C.
"""

import contextlib
import hashlib
import http.server
import json
import signal
import tempfile
import threading
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from app import clock
from app.shop import requests
from streams.otlp import request_of_value
from tests.integration.processes import Api, Betrace, free_port, until
from tests.integration.test_datasource import grafana
from tests.kafka import Kafka, create_topic

_TOP = Path(__file__).parent.parent.parent
_FILE_RULES = _TOP / "deploy" / "rules" / "everyday" / "retry-storm.yaml"
_SHOP_RULES = _TOP / "deploy" / "rules" / "shop.yaml"
_TOKEN = "a token of the tests"
_NAMES = {"payment.charge_card", "payment.fraud_check"}


class Stage:
    """The API, which can go away and come back, and the input topic."""

    def __init__(self, betrace: Betrace, topic: str) -> None:
        self.betrace = betrace
        self.topic = topic
        self.address = f"127.0.0.1:{free_port()}"
        self.url = f"http://{self.address}"
        self._api = contextlib.ExitStack()

    def start(self) -> None:
        """Start the API, and return when it is ready."""
        self._api.enter_context(self.betrace.start("api", API_LISTEN=self.address))
        until("the API is ready", Api(self.url).ready)

    def close(self) -> None:
        """Stop the API."""
        self._api.close()

    def produce(self, *bodies: bytes) -> None:
        """Send requests of OTLP, protobuf."""
        producer = Producer({"bootstrap.servers": self.betrace.settings["KAFKA_BROKERS"]})
        for body in bodies:
            producer.produce(self.topic, body)
        producer.flush()

    def produce_json(self, body: bytes) -> None:
        """Send a request of OTLP/JSON."""
        self.produce(request_of_value(json.loads(body)).SerializeToString())

    def import_rules(self, file: Path) -> None:
        """Have the API take in a rule file."""
        headers = {"authorization": f"Bearer {_TOKEN}", "content-type": "application/yaml"}
        asked = urllib.request.Request(f"{self.url}/api/rules/import", file.read_bytes(), headers)
        urllib.request.urlopen(asked, timeout=30).close()

    def ask(self, path: str) -> Any:
        """The JSON that the API has there."""
        asked = urllib.request.Request(self.url + path, headers={"authorization": f"Bearer {_TOKEN}"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return json.load(answer)


@contextlib.contextmanager
def stage(kafka: Kafka, folder: Path) -> Iterator[dict[str, str]]:
    """Everything started and rules with figures; the environment that tells the scenario where."""
    group = f"grafana-{uuid.uuid4().hex[:8]}"
    create_topic(kafka.address, f"{group}.input", 1)
    tokens = folder / "tokens.yaml"
    tokens.write_text(f"grafana: {{sha256: {hashlib.sha256(_TOKEN.encode()).hexdigest()}, role: editor}}\n")
    settings = {
        **{"KAFKA_BROKERS": kafka.address, "KAFKA_GROUP": group, "KAFKA_INPUT_TOPICS": f"{group}.input"},
        **{"KAFKA_PARTITIONS": "1", "KAFKA_REPLICATION_FACTOR": "1", "RULES_FILES": str(_FILE_RULES)},
        **{"TRACE_TICK": "200ms", "TRACE_ROOT_GRACE": "1s", "TRACE_MAX_WAIT": "5s"},
        **{"API_TOKENS_FILE": str(tokens), "API_TRUST_USER_HEADER": "grafana"},
    }
    betrace = Betrace(settings, folder)
    betrace.run("topics", "create")
    made = Stage(betrace, f"{group}.input")
    with (
        betrace.worker() as worker,
        contextlib.closing(made),
        grafana(folder, made.url, _TOKEN) as datasource,
    ):
        made.start()
        made.import_rules(_SHOP_RULES)
        until("the worker is ready", worker.ready)
        _open_the_shop(made)
        with _steered(made) as steering:
            yield {
                "BETRACE_API": made.url,
                "BETRACE_TOKEN": _TOKEN,
                "BETRACE_STAGE": steering,
                "BETRACE_DATASOURCE": datasource.url,
            }


def _open_the_shop(made: Stage) -> None:
    """Send its requests, one at a look, until rules have figures and names of spans are offered."""
    shop = requests(1, clock.now)

    def look() -> bool | None:
        made.produce(next(shop).SerializeToString())
        names = made.ask("/api/values/spanName")["items"]
        return (set(names) >= _NAMES and bool(made.ask("/api/activity")["items"])) or None

    until("rules have figures, and names are offered", look, patience=180)


@contextlib.contextmanager
def _steered(made: Stage) -> Iterator[str]:
    """The address at which the scenario has the API stopped and started, and spans sent."""

    class Steering(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.path == "/produce":
                made.produce_json(body)
            elif self.path == "/start":
                made.start()
            else:
                made.close()
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Steering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def main() -> None:
    """Set it up for a person."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started ends with it
    with tempfile.TemporaryDirectory() as name:
        kafka = Kafka(Path(name) / "kafka")
        try:
            with stage(kafka.start(), Path(name)) as environment:
                print(" ".join(f"{key}='{value}'" for key, value in environment.items()), flush=True)
                signal.pause()
        except KeyboardInterrupt:
            pass
        finally:
            kafka.remove()


if __name__ == "__main__":
    main()
