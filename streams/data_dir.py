"""A worker's folder: one worker at a time, and only with the state of the topics that it reads."""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from streams.config import Kafka
from streams.kafka import client_settings
from streams.reach import Unreachable, explained
from streams.topics import Topics

_LOCK = "worker.lock"
_MARK = "state.json"
_STATE = "v1"  # Faust's, with RocksDB in it
_TIMEOUT = 15.0  # seconds
_WIPE = "`betrace wipe` removes it, and it is rebuilt from Kafka"


class DataDirError(Exception):
    """The folder cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Whose:
    """Of what the state in a folder is: a group, a cluster, and topics by the ids that Kafka gave them."""

    group: str
    cluster: str
    topics: dict[str, str]


def whose(kafka: Kafka) -> Whose:
    """Of what state is now; Unreachable when Kafka does not answer."""
    names = Topics(kafka.group)
    client = AdminClient(client_settings(kafka, log_level=0))
    try:
        cluster = client.describe_cluster(request_timeout=_TIMEOUT).result()
        wanted = TopicCollection([names.spans, names.changelog])
        asked = client.describe_topics(wanted, request_timeout=_TIMEOUT)
        topics = {name: str(future.result().topic_id) for name, future in asked.items()}
    except KafkaException as problem:
        raise Unreachable(f"Kafka cannot be asked of its topics: {explained(problem.args[0])}") from None
    return Whose(kafka.group, str(cluster.cluster_id), topics)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep the folder from other workers until the block ends; DataDirError when one has it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as problem:
        raise DataDirError(f"worker.data_dir {folder} cannot be written: {problem.strerror}") from None
    try:
        _take(lock, folder)
        yield
    finally:
        os.close(lock)


def _take(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = f"a worker uses {folder}: every worker needs a worker.data_dir of its own"
        raise DataDirError(text) from None


def claim(folder: Path, now: Whose) -> None:
    """Mark the folder's state; DataDirError, with nothing touched, when there is state of something else."""
    if (folder / _STATE).exists():
        problem = _strange(folder, marked(folder), now)
        if problem:
            raise DataDirError(f"{folder} holds {problem}: {_WIPE}; or set another worker.data_dir")
    draft = folder / f"{_MARK}.new"
    draft.write_text(json.dumps(asdict(now)))
    draft.replace(folder / _MARK)


def marked(folder: Path) -> Whose | None:
    """Of what the folder's state is; None when nothing says so."""
    try:
        value: dict[str, Any] = json.loads((folder / _MARK).read_text())
        return Whose(value["group"], value["cluster"], dict(value["topics"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def size(folder: Path) -> int:
    """Bytes of state in the folder."""
    return sum(file.stat().st_size for file in (folder / _STATE).rglob("*") if file.is_file())


def wipe(folder: Path) -> None:
    """Remove the state, and nothing else; hold the folder meanwhile."""
    shutil.rmtree(folder / _STATE, ignore_errors=True)
    (folder / _MARK).unlink(missing_ok=True)


def _strange(folder: Path, before: Whose | None, now: Whose) -> str | None:
    if before is None:
        return "state, and nothing says of which group and topics"
    if before.group != now.group:
        return f"state of the group {before.group}, and kafka.group is {now.group}"
    if before.cluster != now.cluster:
        return f"state of another Kafka cluster, {before.cluster} instead of {now.cluster}"
    made_anew = [name for name, topic_id in now.topics.items() if before.topics.get(name) != topic_id]
    return f"state of before {' and '.join(made_anew)} was made anew" if made_anew else None
