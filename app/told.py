"""What is wrong with Kafka, told to a person."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import UserError
from streams.admin import TopicError
from streams.reach import Unreachable


@contextmanager
def told() -> Iterator[None]:
    """What is wrong with Kafka or its topics, as a UserError."""
    try:
        yield
    except (TopicError, Unreachable) as problem:
        raise UserError(str(problem)) from None
