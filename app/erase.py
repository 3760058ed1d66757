"""`betrace erase`: takes violations out of their topic, and so out of every index."""

import re
from collections.abc import Sequence

from app.errors import UserError
from app.sending import Sending
from app.told import told
from streams.admin import partition_counts
from streams.config import Kafka
from streams.topics import Topics


def erase(kafka: Kafka, ids: Sequence[str]) -> int:
    """Send a record without a value for each id; how many. UserError if one is no id, or Kafka is away."""
    wrong = [each for each in ids if not re.fullmatch("[0-9a-f]{32}", each)]
    if wrong:
        raise UserError(f"{wrong[0]} is no id of a violation: 32 hex digits, as GET /api/violations shows it")
    topic = Topics(kafka.group).violations
    with told():
        if topic not in partition_counts(kafka):
            raise UserError(f"the topic {topic} does not exist: is kafka.group right?")
    with Sending(kafka) as sending:
        for each in dict.fromkeys(ids):
            sending.send(topic, None, key=each.encode())
    return sending.records
