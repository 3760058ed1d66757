"""`betrace dev`: the whole pipeline in one process on the embedded broker, with spans that keep arriving."""

import asyncio
import itertools
import socket
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
from confluent_kafka import Producer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import REGISTRY

from app import clock
from app.api import Parts, application
from app.console import Found
from app.errors import UserError
from app.index import Index
from app.rule_files import read_rules
from app.run import beside, following, indexing, until_told
from app.serve import bind, serve
from app.setting_groups import LogSettings
from app.settings import Settings
from app.shop import requests
from dsl.rule import Rule
from streams.acts import telling
from streams.config import Config, InputTopic, Windows
from streams.embedded import BLOCK_BYTES, PARTITIONS, UNREAD_BYTES, EmbeddedBroker
from streams.exporter import exporting
from streams.kafka import client_settings
from streams.otlp import WireError
from streams.redaction import Redaction
from streams.topics import Topics
from streams.trace_files import Problem, read
from streams.worker import Worker

EXAMPLE_RULES = Path(__file__).parent.parent / "deploy" / "rules" / "shop.yaml"
_INPUT = "otlp_spans"
_WINDOWS = Windows(max_wait=10, root_grace=2, late_window=30, late_grace=2, tick=0.5)
_TELL = 10.0  # seconds between two lines of counts
_PACE = 0.25  # seconds between two requests of the shop
_LOOK = 0.2  # seconds between two looks for new violations


@dataclass(frozen=True, slots=True)
class Dev:
    """What runs: rules, and the person's own requests or, without any, the shop's."""

    config: Config
    rules: tuple[Rule, ...]
    own: tuple[ExportTraceServiceRequest, ...]
    address: str

    @property
    def url(self) -> str:
        return f"http://{self.address}"


def run_dev(settings: Settings, traces: Sequence[str], rule_files: Sequence[Path]) -> None:
    """Run until told to stop; UserError when it cannot start."""
    rules = read_rules(rule_files or settings.rules.files or [EXAMPLE_RULES])
    own = tuple(request for name in traces for request in _requests_of(name))
    listener = bind(settings.api.listen, "api.listen")
    broker = EmbeddedBroker()
    with tempfile.TemporaryDirectory(prefix="betrace-dev-", ignore_cleanup_errors=True) as folder:
        config = _embedded(settings, broker, Path(folder))
        dev = Dev(config, rules, own, settings.api.listen)
        until_told(lambda stop: _work(dev, listener, stop), _quiet(settings.log), Redaction(config.redaction))
    click.echo("stopped; nothing was kept")


def _quiet(log: LogSettings) -> LogSettings:
    """Without what is said at info: what happens is printed here in other words."""
    return log.model_copy(update={"level": "warning"}) if log.level == "info" else log


def _embedded(settings: Settings, broker: EmbeddedBroker, folder: Path) -> Config:
    """The settings' config, on the embedded broker and with short windows."""
    config = settings.config()
    kafka = replace(
        config.kafka,
        brokers=tuple(broker.address.split(",")),
        protocol="PLAINTEXT",
        mechanism=None,
        input_topics=(InputTopic(_INPUT),),
        partitions=PARTITIONS,
        replication_factor=1,
        embedded=True,
    )
    names = Topics(kafka.group)
    broker.touch(_INPUT, *sorted(names.all))
    limits = replace(config.limits, block_bytes=BLOCK_BYTES)
    return replace(config, kafka=kafka, windows=_WINDOWS, limits=limits, data_dir=folder)


async def _work(dev: Dev, listener: socket.socket, stop: asyncio.Event) -> None:
    index = Index(dev.config.data_dir / "violations.sqlite")
    with following(dev.config, dev.rules) as log, indexing(index, dev.config) as reader:
        worker = Worker(dev.config, log, clock.now)
        REGISTRY.register(worker.health)
        waiting = lambda: worker.ready or reader.problem  # noqa: E731
        group, as_of = dev.config.kafka.group, lambda: reader.as_of
        parts = Parts(index, log, waiting, clock.now, group=group, as_of=as_of, redaction=worker.redaction)
        app = application(parts)
        _greet(dev)
        async with (
            beside(serve(app, listener, stop)),
            beside(_feed(dev, worker)),
            beside(_tell(dev, worker)),
        ):
            with exporting(dev.config, clock.now), telling(dev.config, clock.now):
                await worker.run(stop)


def _greet(dev: Dev) -> None:
    names = ", ".join(rule.id for rule in dev.rules[:6]) + (", …" if len(dev.rules) > 6 else "")
    click.echo("BeTrace, on an embedded broker: to try it out, nothing is kept")
    click.echo(f"  API    {dev.url}")
    click.echo(f"  rules  {len(dev.rules)}: {names}")
    click.echo(f"  spans  {'your files, once' if dev.own else 'a small shop, made up'}")
    click.echo("  Ctrl-C ends it")


async def _feed(dev: Dev, worker: Worker) -> None:
    """Send requests, no faster than they are read."""
    producer = Producer(client_settings(dev.config.kafka, log_level=0))
    made = iter(dev.own) if dev.own else _shop()
    for request in made:
        while not worker.owned or worker.unread.input > UNREAD_BYTES:
            await asyncio.sleep(0.05)
        data = request.SerializeToString()
        worker.unread.input += len(data)
        producer.produce(_INPUT, data)
        producer.poll(0)
        await asyncio.sleep(0 if dev.own else _PACE)
    await asyncio.to_thread(producer.flush)


def _shop() -> Iterator[ExportTraceServiceRequest]:
    """Requests whose spans happen now: each asks for the time when it is made."""
    return itertools.chain.from_iterable(requests(seed, clock.now) for seed in itertools.count(1))


async def _tell(dev: Dev, worker: Worker) -> None:
    """Print violations as they come, and counts now and then."""
    names = Topics(dev.config.kafka.group)
    found = Found(dev.config.kafka, names.violations, PARTITIONS, dev.url)
    told = (0, 0)
    for turn in itertools.count(1):
        await asyncio.sleep(_LOOK)
        found.print_new()
        if turn % round(_TELL / _LOOK) == 0:
            totals = [owned.partition.state.totals for owned in worker.owned.values()]
            now = sum(t.received for t in totals), sum(t.judged for t in totals)
            if now != told:
                click.echo(f"{now[0]:,} spans received, {now[1]:,} judged, {found.seen:,} violations")
            told = now


def _requests_of(name: str) -> Iterator[ExportTraceServiceRequest]:
    try:
        for piece in read(name):
            if isinstance(piece, Problem):
                raise UserError(str(piece))
            yield piece.request
    except WireError as problem:
        raise UserError(str(problem)) from None
