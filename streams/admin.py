"""Creates BeTrace's topics, and holds the topics that exist against the settings."""

import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import ConfigResource
from confluent_kafka.cimpl import NewTopic

from streams.config import Config, Kafka
from streams.kafka import client_settings
from streams.producer import LARGEST
from streams.reach import Heard, Reason, explained, why
from streams.topics import Topics

_DAY = 86_400_000
_TIMEOUT = 15.0  # seconds until Kafka counts as away
_CREATED = 20.0  # seconds for topics to be made
_LOOK = 0.05  # seconds between two looks whether topics are there
_ROUND = 3.0  # seconds between two looks at why there is no answer


class TopicError(Exception):
    """Topics are missing or unlike the settings; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic as it has to be."""

    name: str
    partitions: int
    settings: dict[str, str] = field(default_factory=dict)


def wanted(config: Config) -> list[Wanted]:
    """BeTrace's own topics. The input topics are the user's."""
    names = Topics(config.kafka.group)
    partitions = config.kafka.partitions
    append = {"message.timestamp.type": "LogAppendTime"}
    large = {"max.message.bytes": str(2 * 2**20)}
    retention = str(round(config.violations_retention * 1000))
    changelog = {
        "cleanup.policy": "compact",
        "segment.bytes": str(64 * 2**20),
        "min.cleanable.dirty.ratio": "0.1",
    }
    packed = append | {"compression.type": "zstd"}
    expiring = {"cleanup.policy": "compact,delete", "retention.ms": retention}
    return [
        Wanted(names.spans, partitions, append | large | {"retention.ms": str(7 * _DAY)}),
        Wanted(names.changelog, partitions, append | large | changelog),
        Wanted(names.rules, 1, packed | {"retention.ms": "-1", "retention.bytes": "-1"}),
        Wanted(names.violations, partitions, packed | expiring),
        Wanted(names.activity, partitions, packed | expiring),
        Wanted(names.evidence, partitions, packed | {"retention.ms": str(7 * _DAY)}),
        Wanted(names.dead_letter, partitions, packed | {"max.message.bytes": str(LARGEST)}),
    ]


def _inputs(config: Config) -> list[Wanted]:
    """Input topics as BeTrace would have them; messages of a Collector fit."""
    settings = {"message.timestamp.type": "LogAppendTime", "max.message.bytes": str(2 * 2**20)}
    return [Wanted(topic.name, config.kafka.partitions, settings) for topic in config.kafka.input_topics]


def partition_counts(kafka: Kafka) -> dict[str, int]:
    """The topics that exist, with their numbers of partitions; Unreachable when no broker answers.

    Refused comes early, Kafka that is away is given some time.
    """
    end = time.monotonic() + _TIMEOUT
    heard = Heard()
    client = _client(kafka, heard)
    while True:
        try:
            listed = client.list_topics(timeout=_ROUND).topics.values()
        except KafkaException:
            reason = _reason(kafka, client, heard)
            if reason.refused or time.monotonic() + _ROUND > end:
                raise reason.problem() from None
        else:
            return {str(topic.topic): len(topic.partitions) for topic in listed}


def check_login(kafka: Kafka) -> None:
    """Refused if Kafka is there, and the settings of the connection are wrong; takes some seconds at most."""
    heard = Heard()
    client = _client(kafka, heard)
    try:
        client.list_topics(timeout=_ROUND)
    except KafkaException:
        reason = _reason(kafka, client, heard)
        if reason.refused:
            raise reason.problem() from None


def create(config: Config, inputs: bool = False) -> list[str]:
    """Create what is missing and return its names; TopicError when an existing one is unlike the settings.

    Input topics are the user's: they are made only where that is asked for.
    """
    existing = partition_counts(config.kafka)
    _refuse(_unlike(config, existing))
    asked = [*wanted(config), *(_inputs(config) if inputs else [])]
    missing = [topic for topic in asked if topic.name not in existing]
    new = [
        NewTopic(topic.name, topic.partitions, config.kafka.replication_factor, config=topic.settings)
        for topic in missing
    ]
    if new:
        client = _client(config.kafka, Heard())  # must outlive its futures
        created: dict[str, Future[None]] = client.create_topics(new, operation_timeout=_CREATED)
        _refuse(_not_created(created))
        _wait_until_shown(config.kafka, {topic.name for topic in missing})
    return [topic.name for topic in missing]


def _wait_until_shown(kafka: Kafka, names: set[str]) -> None:
    """A broker tells of a topic only a while after the controller has made it.

    Where rights hide topics, it never does: who needs them then says so.
    """
    end = time.monotonic() + _CREATED
    while not names <= partition_counts(kafka).keys() and time.monotonic() < end:
        time.sleep(_LOOK)


def verify(config: Config) -> None:
    """TopicError unless all topics, the input's too, are as the settings say, and the group lets us in."""
    existing = partition_counts(config.kafka)
    missing = [t.name for t in wanted(config) if t.name not in existing]
    problems = _unlike(config, existing)
    if missing:
        problems.append(f"missing: {', '.join(missing)}; `betrace topics create` makes them{_unseen(config)}")
    problems += [
        f"the input topic {topic.name} does not exist: create it, or set kafka.input_topics"
        for topic in config.kafka.input_topics
        if topic.name not in existing
    ]
    _refuse(problems + _group_denied(config.kafka))


def _group_denied(kafka: Kafka) -> list[str]:
    """Without the right to join it, Faust waits for its partitions for ever and says nothing."""
    client = _client(kafka, Heard())  # must outlive its futures
    try:
        client.describe_consumer_groups([kafka.group], request_timeout=_ROUND)[kafka.group].result(_TIMEOUT)
    except KafkaException as problem:
        if problem.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
            return [f"the consumer group {kafka.group} cannot be joined: {explained(problem.args[0])}"]
    return []


def _unseen(config: Config) -> str:
    """A broker that checks rights hides a topic from whom may not see it."""
    return "" if config.kafka.protocol == "PLAINTEXT" else ", if it is not that this user may not see them"


def small_dead_letters(config: Config) -> str | None:
    """What to say when an input record may not fit the dead-letter topic; None also if it cannot be known."""
    letters = Topics(config.kafka.group).dead_letter
    inputs = [topic.name for topic in config.kafka.input_topics]
    client = _client(config.kafka, Heard())  # must outlive its futures
    topics = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in (letters, *inputs)]
    asked = client.describe_configs(topics)
    try:
        told = {resource.name: future.result(_TIMEOUT) for resource, future in asked.items()}
        size = {name: int(settings["max.message.bytes"].value) for name, settings in told.items()}
    except (KafkaException, KeyError, TypeError, ValueError):
        return None
    larger = [name for name in inputs if size[name] > size[letters]]
    if not larger:
        return None
    return (
        f"{', '.join(larger)} may hold records of {max(size[name] for name in larger):,} bytes, which "
        f"{letters} would not take: raise its max.message.bytes, now {size[letters]:,}"
    )


def _unlike(config: Config, existing: dict[str, int]) -> list[str]:
    """Topics with another number of partitions: all of them, or some that somebody changed."""
    found = {topic.name: existing[topic.name] for topic in wanted(config) if topic.name in existing}
    parted = [topic for topic in wanted(config) if topic.name in found and topic.partitions > 1]
    counts = {found[topic.name] for topic in parted}
    if len(parted) > 1 and counts != {config.kafka.partitions} and len(counts) == 1:
        return [
            f"{', '.join(topic.name for topic in parted)} have {counts.pop()} partitions, and "
            f"kafka.partitions is {config.kafka.partitions}: set it back, or take another kafka.group"
        ]
    return [
        f"{topic.name} has {found[topic.name]} partitions instead of {topic.partitions}; it was changed, and "
        "a trace would not be found where its state is: take another kafka.group, or delete all topics of "
        f"{config.kafka.group} when it has judged all, and `betrace topics create` them anew"
        for topic in wanted(config)
        if topic.name in found and found[topic.name] != topic.partitions
    ]


def _not_created(created: dict[str, "Future[None]"]) -> list[str]:
    """What went wrong, with the topics that it befell."""
    failed: dict[str, list[str]] = {}
    for name, future in created.items():
        try:
            future.result(_CREATED)
        except KafkaException as problem:
            failed.setdefault(explained(problem.args[0]), []).append(name)
    return [f"{', '.join(names)} could not be created: {why}" for why, names in failed.items()]


def _refuse(problems: list[str]) -> None:
    if problems:
        raise TopicError("; ".join(problems))


def _client(kafka: Kafka, heard: Heard) -> AdminClient:
    return AdminClient(client_settings(kafka, log_level=0, error_cb=heard))


def _reason(kafka: Kafka, client: AdminClient, heard: Heard) -> Reason:
    client.poll(0)  # has it say what it met
    return why(kafka, heard)
