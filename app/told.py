"""What is wrong with Kafka or a data folder, told to a person."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import UserError
from streams.admin import TopicError
from streams.data_dir import DataDirError
from streams.reach import Unreachable


@contextmanager
def told() -> Iterator[None]:
    """What is wrong with Kafka, its topics or the data folder, as a UserError."""
    try:
        yield
    except (TopicError, Unreachable, DataDirError) as problem:
        raise UserError(str(problem)) from None
