"""Fixtures that more than one folder of tests needs."""

import signal
import uuid
from collections.abc import Iterator

import pytest

from tests.kafka import Kafka

# In the background of a shell SIGINT is ignored, and would be by the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A real broker, one for the whole session: every test uses a group and topics of its own."""
    broker = Kafka(tmp_path_factory.mktemp("kafka"))
    try:
        yield broker.start()
    finally:
        broker.remove()


@pytest.fixture
def group() -> str:
    """A consumer group, which is also the prefix of all topics, that no other test uses."""
    return f"test-{uuid.uuid4().hex[:8]}"
