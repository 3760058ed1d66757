"""What `betrace dev` says: a few calm lines, and one for each violation."""

import json
from dataclasses import dataclass, field

import click
from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from streams.config import Kafka
from streams.kafka import client_settings

_COLOURS = {"critical": "red", "high": "red", "medium": "yellow", "low": "blue", "info": "white"}


@dataclass(slots=True)
class Found:
    """Follows the violations topic and prints each new one as a readable line."""

    kafka: Kafka
    topic: str
    partitions: int
    api: str
    seen: int = 0
    _consumer: Consumer = field(init=False)

    def __post_init__(self) -> None:
        settings = client_settings(self.kafka, **{"group.id": f"{self.kafka.group}-console", "log_level": 0})
        self._consumer = Consumer(settings)
        self._consumer.assign(
            [TopicPartition(self.topic, n, OFFSET_BEGINNING) for n in range(self.partitions)]
        )

    def print_new(self) -> None:
        """Print what has come since the last call; does not block."""
        for message in self._consumer.consume(100, timeout=0):
            if not message.error() and message.value():
                self.seen += 1
                click.echo(line(json.loads(message.value() or b"{}"), self.api))

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()


def line(violation: dict[str, object], api: str) -> str:
    """One violation: severity, rule, message, trace, and where to read more."""
    severity = str(violation["severity"])
    shown = click.style(f"{severity:<8}", fg=_COLOURS.get(severity))
    return (
        f"{shown} {violation['ruleId']}: {violation['message']}\n"
        f"         {api}/api/violations/{violation['id']}"
    )
