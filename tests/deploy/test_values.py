"""Values: what is refused, with what is right, and what the schema knows."""

import json
import runpy
from typing import Any

import pytest
import yaml

from tests.deploy.helm import CHART, DEFAULT, TOP, helm


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (
            "config.kafka.brokrs={kafka:9092}",
            "at '/config/kafka': additional properties 'brokrs' not allowed",
        ),
        ("config.kafka.brokers=kafka:9092", "at '/config/kafka/brokers': got string, want array"),
        ("config.kafka.partitions=many", "at '/config/kafka/partitions': got string, want integer"),
        ("config.kafka.security.protocol=TLS", "value must be one of 'PLAINTEXT', 'SSL', 'SASL_SSL'"),
        ("config.trace.max_wait=soon", "at '/config/trace/max_wait': 'soon' does not match"),
        ("config.worker.data_dir=/x", "at '/config/worker': additional properties 'data_dir' not allowed"),
        ("wroker.replicas=3", "additional properties 'wroker' not allowed"),
        ("worker.replicas=0", "at '/worker/replicas': minimum: got 0, want 1"),
        ("worker.autoscaling.kind=vpa", "value must be one of 'none', 'hpa', 'keda'"),
        ("worker.persistence.size=huge", "at '/worker/persistence/size': 'huge' does not match"),
        ("tempo.endpoint=tempo:4317", "at '/tempo/endpoint': 'tempo:4317' does not match"),
        ("secrets={Kafka_User}", "at '/secrets/0': 'Kafka_User' does not match"),
        ("worker.replicas=9", "9 workers for 8 partitions (config.kafka.partitions): 1 would have nothing"),
        ("kafka.embedded=true", "kafka.embedded and config.kafka.brokers exclude each other"),
        ("config.kafka.brokers={kafka}", "at '/config/kafka/brokers/0': 'kafka' does not match"),
        ("worker.resources.limts.memory=2Gi", "additional properties 'limts' not allowed"),
        ("api.resources.limits.memory=a lot", "at '/api/resources/limits/memory': 'a lot' does not match"),
        (
            "worker.autoscaling.kind=hpa,worker.autoscaling.minReplicas=9",
            "minReplicas is more than maxReplicas",
        ),
        (
            "worker.autoscaling.kind=keda,config.kafka.security.protocol=SSL",
            "worker.autoscaling.kedaAuthentication is needed",
        ),
        ("api.gateway.enabled=true,api.tokensSecret=tokens", "api.gateway.parent names no Gateway"),
        (
            "config.kafka.tls.ca_file=/etc/betrace/secrets/kafka/ca.crt,api.secrets={kafka}",
            "the Secret kafka, which is not mounted: add it to secrets",
        ),
        (
            "config.api.tls.cert_file=/etc/betrace/secrets/api-tls/tls.crt",
            "the Secret api-tls, which is not mounted: add it to api.secrets",
        ),
        ("api.ingress.enabled=true", "api.tokensSecret is needed where others are to reach the API"),
        ("collector.evidence=true", "collector.evidence needs tempo.endpoint"),
        (
            "config.redaction.key_file=/etc/betrace/secrets/redaction/key",
            "the Secret redaction, which is not",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_right(value: str, said: str) -> None:
    assert said in helm("template", "betrace", CHART, "-f", DEFAULT, "--set", value, code=1)


def test_without_a_kafka_the_way_to_one_is_told() -> None:
    told = helm("template", "betrace", CHART, code=1)
    assert "config.kafka.brokers is needed" in told
    assert "--set kafka.embedded=true" in told


def test_the_schema_knows_the_settings_as_they_are() -> None:
    script = runpy.run_path(str(TOP / "scripts" / "chart-schema"))
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert schema == script["with_settings"](schema), "run: .venv/bin/python scripts/chart-schema"


def test_the_schema_knows_every_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def known(values: Any, schema: Any, where: str) -> None:
        if schema.get("additionalProperties") is False and where != ".config":
            assert values.keys() == schema["properties"].keys() - {"global"} - optional(where), where
            for name, value in values.items():
                known(value, schema["properties"][name], f"{where}.{name}")

    def optional(where: str) -> set[str]:
        return {"digest"} if where.endswith((".kafka.image", ".collector.image")) else set()

    known(values, schema, "")
