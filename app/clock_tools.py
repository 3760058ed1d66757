"""`betrace clock`: how far Kafka time is, what holds it back, and leaving a dead input partition out."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.errors import UserError

if TYPE_CHECKING:
    from streams.config import Kafka
    from streams.tick import Source


@click.group()
def clock() -> None:
    """Kafka time: the clock by which traces are judged."""


@clock.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text")
@click.pass_obj
def show(config_file: Path | None, form: str) -> None:
    """Show the clock of each group partition, and the watermark of each input partition."""
    from app.clock import now
    from app.told import told
    from streams.accounting import partition_states

    kafka = _kafka(config_file)
    with told():
        clocks = {number: state.clock for number, state in partition_states(kafka)}
    found: dict[str, Any] = {"clocks": {}, "watermarks": {}, "skipped": []}
    for number, each in clocks.items():
        found["clocks"][str(number)] = each.now
        for source, time in each.watermarks.items():
            name = f"{source.topic}/{source.partition}"
            found["watermarks"][name] = min(time, found["watermarks"].get(name, time))
        found["skipped"] = sorted({*found["skipped"], *(f"{s.topic}/{s.partition}" for s in each.skipped)})
    if form == "json":
        click.echo(json.dumps(found))
        return
    if not clocks:
        click.echo("no worker has ticked yet")
    for number, time in found["clocks"].items():
        click.echo(f"group partition {number:<24} {_age(time, now())}")
    for name, time in sorted(found["watermarks"].items()):
        left_out = "  left out" if name in found["skipped"] else ""
        click.echo(f"input {name:<34} {_age(time, now())}{left_out}")


@clock.command()
@click.argument("place", metavar="TOPIC/PARTITION")
@click.pass_obj
def skip(config_file: Path | None, place: str) -> None:
    """Leave an input partition out of the clock until more is heard of it.

    For a partition that is gone for good or for long: nothing is judged while the clock stands. Spans that it
    brings later may be too late.
    """
    from app.told import told
    from streams.admin import partition_counts
    from streams.tick import Source, Tick
    from streams.topics import Topics

    kafka = _kafka(config_file)
    topic, _, number = place.rpartition("/")
    if topic not in {each.name for each in kafka.input_topics} or not number.isdigit():
        raise UserError(f"{place}: an input topic and a partition, such as {kafka.input_topics[0].name}/0")
    with told():
        counts = partition_counts(kafka)
    if int(number) >= counts.get(topic, 0):
        raise UserError(f"{topic} has {counts.get(topic, 0)} partitions: there is no {number}")
    spans = Topics(kafka.group).spans
    if spans not in counts:
        raise UserError(f"the topic {spans} does not exist: `betrace topics create` makes it")
    source = Source(topic, int(number))
    _tell(kafka, spans, counts[spans], Tick({}, {}, skipped=(source,)).encode(), source)
    click.echo(f"{place} is left out of the clock of all {counts[spans]} group partitions until it moves")


def _tell(kafka: "Kafka", topic: str, partitions: int, tick: bytes, source: "Source") -> None:
    from confluent_kafka import Producer

    from streams.kafka import client_settings

    more = {"enable.idempotence": True, "delivery.timeout.ms": 15_000, "log_level": 0}
    producer = Producer(client_settings(kafka, **more))
    problems: list[str] = []

    def told(error: Any, _message: Any) -> None:
        if error is not None:
            problems.append(error.str())

    for number in range(partitions):
        producer.produce(topic, tick, partition=number, on_delivery=told)
    if producer.flush(20) or problems:
        said = problems[0] if problems else "no answer"
        name = f"{source.topic}/{source.partition}"
        raise UserError(f"not every group partition was told of {name}: {said}; say it again")


def _age(time: int, now: int) -> str:
    behind = now / 1e9 - time / 1000
    return f"{behind:12,.1f} s behind now" if time > 1 else "  not known yet"


def _kafka(config_file: Path | None) -> "Kafka":
    from app.settings import load

    kafka: Kafka = load(config_file).settings.config().kafka
    return kafka
