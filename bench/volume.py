"""How much a group wrote to Kafka, by what lies in the broker's folder."""

from pathlib import Path

from streams.topics import Topics
from tests.kafka import Kafka


def written(kafka: Kafka, group: str) -> dict[str, int]:
    """Bytes of each of the group's topics as stored: in compressed batches, without Kafka's indexes."""
    return {topic: _stored(kafka.folder / "data", topic) for topic in sorted(Topics(group).all)}


def _stored(data: Path, topic: str) -> int:
    return sum(file.stat().st_size for file in data.glob(f"{topic}-[0-9]*/*.log"))
