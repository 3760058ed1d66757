"""Sends dead letters to the topics that they came from, once more."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from app.dead_letter_forms import most_first
from app.dead_letters import Letter, Place, Wanted, read
from app.sending import Sending
from app.told import told
from app.traces import Progress
from streams import letters
from streams.admin import partition_counts
from streams.config import Config
from streams.otlp import WireError, json_of_request, request_of_proto


@dataclass(slots=True)
class Replayed:
    """What a replay came to: records by topic, and by why not."""

    sent: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    places: set[Place] = field(default_factory=set)  # of these letters, and where they came from


def replay(config: Config, wanted: Wanted, progress: Progress, *, again: bool, dry: bool) -> Replayed:
    """Send letters to the partitions that they came from, marked by a header.

    Those that came back of an earlier replay are sent with `again` alone. UserError if Kafka takes not all.
    """
    done = Replayed()
    with told():
        partitions = partition_counts(config.kafka)
    with Sending(config.kafka) as sending:
        for letter in read(config, wanted, progress):
            done.places |= {letter.at, letter.source or letter.at}
            why = _why_not(letter, partitions, again)
            value = None if why else _original(letter, config)
            if value is None:
                done.left[why or "spans that cannot be written as JSON"] += 1
                continue
            assert letter.source is not None
            topic, partition, _ = letter.source
            done.sent[topic] += 1
            if not dry:
                there = partition if partition < partitions[topic] else -1
                mark = [(letters.REPLAYED, str(letter.at).encode())]
                sending.send(topic, value, key=letter.key, partition=there, headers=mark)
    return done


def _why_not(letter: Letter, partitions: Mapping[str, int], again: bool) -> str | None:
    if letter.source is None:
        return "not written by BeTrace"
    if letter.source.topic not in partitions:
        return f"the topic {letter.source.topic} is gone"
    if letter.size > len(letter.value):
        return "cut, as it was too large"
    return "came back of an earlier replay (--again)" if letter.replayed and not again else None


def _original(letter: Letter, config: Config) -> bytes | None:
    """The value for the input topic; spans alone are written as that topic has them, if they can be."""
    topics = {topic.name: topic.encoding for topic in config.kafka.input_topics}
    source = letter.source
    if letter.spans is None or source is None or topics.get(source.topic) != "otlp_json":
        return letter.value
    try:
        return json_of_request(request_of_proto(letter.value))
    except WireError:
        return None


def replay_lines(done: Replayed, *, dry: bool) -> Iterator[str]:
    """What a replay came to, for people."""
    for topic, count in sorted(done.sent.items()):
        yield f"{count:,} dead letters {'would be sent' if dry else 'sent'} to {topic}"
    if not done.sent:
        yield "no dead letters to send"
    for why, count in most_first(done.left):
        yield f"{count:,} not sent: {why}"
