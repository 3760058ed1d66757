"""What a worker refuses at its start on a real broker, with what to do, before anything is touched."""

from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions

from streams.topics import Topics
from tests.integration.processes import Betrace, until
from tests.kafka import Kafka, create_topic


@pytest.fixture
def betrace(kafka: Kafka, group: str, tmp_path: Path) -> Betrace:
    """BeTrace's commands, set for this test's group, and one folder for all of its workers."""
    return Betrace.of(
        kafka,
        group,
        tmp_path,
        partitions=2,
        KAFKA_INPUT_TOPICS=f"{group}.input",
        WORKER_DATA_DIR=str(tmp_path / "data"),
    )


def used(betrace: Betrace) -> None:
    """Have a worker leave state behind."""
    with betrace.worker() as worker:
        until("the worker owns partitions", worker.ready)


def wipe(betrace: Betrace) -> str:
    return betrace.run("wipe", "--yes")


def test_missing_topics_are_told_all_at_once(betrace: Betrace, group: str) -> None:
    betrace.set("KAFKA_INPUT_TOPICS", "nowhere")
    said = betrace.refused("worker")
    assert f"missing: {group}.spans" in said
    assert "`betrace topics create` makes them" in said
    assert "the input topic nowhere does not exist" in said


def test_more_replicas_than_brokers_are_told_with_the_setting(betrace: Betrace) -> None:
    said = betrace.set("KAFKA_REPLICATION_FACTOR", "3").refused("topics", "create")
    assert said.rstrip().endswith("; set kafka.replication_factor to what your brokers are enough for")


def test_another_number_of_partitions_is_told_of_all_topics_in_one(betrace: Betrace) -> None:
    betrace.run("topics", "create")
    betrace.set("KAFKA_PARTITIONS", "3")
    said = betrace.refused("worker")
    assert "have 2 partitions, and kafka.partitions is 3: set it back" in said


@pytest.mark.parametrize("topic", ["spans", "changelog", "rules", "violations", "activity", "evidence"])
def test_an_internal_topic_that_somebody_changed_is_refused(
    betrace: Betrace, kafka: Kafka, group: str, topic: str
) -> None:
    betrace.run("topics", "create")
    name = getattr(Topics(group), topic)
    client = AdminClient({"bootstrap.servers": kafka.address})
    client.create_partitions([NewPartitions(name, 5)])[name].result(30)
    assert f"{name} has 5 partitions instead of " in betrace.refused("worker")
    assert not (betrace.folder / "data" / "v1").exists()


def test_an_input_topic_that_grows_is_taken_in(betrace: Betrace, kafka: Kafka, group: str) -> None:
    betrace.run("topics", "create")
    used(betrace)
    client = AdminClient({"bootstrap.servers": kafka.address})
    client.create_partitions([NewPartitions(f"{group}.input", 3)])[f"{group}.input"].result(30)
    used(betrace)


def test_a_folder_in_use_is_refused_to_a_worker_and_to_wipe(betrace: Betrace) -> None:
    betrace.run("topics", "create")
    with betrace.worker() as worker:
        until("the worker owns partitions", worker.ready)
        for command in (("worker",), ("wipe", "--yes")):
            assert "every worker needs a worker.data_dir of its own" in betrace.refused(*command)
    assert "MiB of state of the group" in wipe(betrace)


def test_state_of_another_group_is_refused_until_it_is_wiped(betrace: Betrace, group: str) -> None:
    betrace.run("topics", "create")
    used(betrace)
    betrace.set("KAFKA_GROUP", f"{group}-b").run("topics", "create")
    assert f"state of the group {group}, and kafka.group is {group}-b" in betrace.refused("worker")
    wipe(betrace)
    used(betrace)


def test_state_of_before_topics_were_made_anew_is_refused_until_it_is_wiped(
    betrace: Betrace, kafka: Kafka, group: str
) -> None:
    betrace.run("topics", "create")
    used(betrace)
    changelog = Topics(group).changelog
    client = AdminClient({"bootstrap.servers": kafka.address})
    client.delete_topics([changelog])[changelog].result(30)
    until("it is gone", lambda: changelog not in client.list_topics(timeout=10).topics or None)
    betrace.run("topics", "create")
    assert f"state of before {changelog} was made anew" in betrace.refused("worker")
    wipe(betrace)
    used(betrace)


def test_input_records_that_would_not_fit_the_dead_letter_topic_are_warned_of(
    betrace: Betrace, kafka: Kafka, group: str
) -> None:
    create_topic(kafka.address, f"{group}.large", 1, {"max.message.bytes": str(30 * 2**20)})
    betrace.set("KAFKA_INPUT_TOPICS", f"{group}.large").run("topics", "create")
    used(betrace)
    log = (betrace.folder / "worker-1.log").read_text()
    assert (
        f"{group}.large may hold records of 31,457,280 bytes, which {group}.dead-letter would not take" in log
    )
