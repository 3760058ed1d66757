"""Names the rules that need a look: one that never applied in a day, or costs too much."""

from collections.abc import Mapping
from datetime import UTC, datetime

from app.activity import Sums, day_of, rows_of, sums
from app.query import nanoseconds
from dsl.rule import Rule
from streams.config import Kafka
from streams.ranges import Ranges
from streams.topics import Topics

_DAY = 86_400  # seconds
_COSTLY = 0.001  # seconds a trace, above which a rule costs too much
_FEW = 100  # traces, below which a mean says nothing


def recent(kafka: Kafka, now: int) -> dict[str, Sums]:
    """What each rule came to today and yesterday (UTC); `now` is Unix ns. TopicError if it cannot be read."""
    yesterday = day_of(now - _DAY * 10**9)
    topic = Topics(kafka.group).activity
    since = datetime.fromisoformat(yesterday).replace(tzinfo=UTC)
    with Ranges(kafka, "rules-list") as ranges:
        found = ranges.records(ranges.of(topic, round(since.timestamp() * 1000)))
        return sums(row for row in rows_of(record.value() for record in found) if row.day >= yesterday)


def remark(rule: Rule, done: Mapping[str, Sums], now: int) -> str | None:
    """What is to be looked at; None if nothing is, or the rule is disabled, or younger than a day."""
    came = done.get(rule.id)
    if not rule.enabled:
        return None
    if came and came.evaluated >= _FEW and came.seconds / came.evaluated > _COSTLY:
        return f"costs {1000 * came.seconds / came.evaluated:.1f} ms a trace"
    if rule.updated_at and nanoseconds(rule.updated_at) > now - _DAY * 10**9:
        return None
    if came is None or not came.evaluated:
        return "not evaluated since yesterday"
    return None if came.applied else f"never applied to {came.evaluated:,} traces since {came.since}"
