"""How far behind an API says that its index is."""

from pathlib import Path

from app.index import Index
from app.index_health import IndexHealth
from app.reader import Reader
from streams.config import Kafka
from streams.topics import Topics


def test_it_is_behind_since_the_start_until_it_has_caught_up_and_then_since_it_last_had(
    tmp_path: Path,
) -> None:
    now = [10**9]
    reader = Reader(Index(tmp_path / "x.sqlite"), Kafka(("x:1",)), Topics("x"), now=lambda: now[0])
    health = IndexHealth(reader)

    def shown() -> float:
        (metric,) = health.collect()
        return float(metric.samples[0].value)

    assert shown() == 0
    now[0] += 5 * 10**9
    assert shown() == 5
    reader.as_of = now[0]
    assert shown() == 0
    now[0] += 3 * 10**9
    assert shown() == 3
