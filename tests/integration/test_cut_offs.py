"""A rule that takes too many steps on a real broker: cut off, counted, disabled for all; the others go on."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration.processes import Api, Betrace, get, until
from tests.integration.test_rules import ask
from tests.kafka import Kafka

TRACES, SPANS = 30, 1200
SLOW = "when { a.where(n == 1) as x } always { b }"


@pytest.fixture
def betrace(kafka: Kafka, group: str, tmp_path: Path) -> Betrace:
    """BeTrace's commands, set for this test's group, with few steps for a rule, and a rule file."""
    (tmp_path / "rules.yaml").write_text(f"rules: [{{id: filed, condition: '{SLOW}'}}]")
    return Betrace.of(
        kafka,
        group,
        tmp_path,
        TRACE_TICK="200ms",
        TRACE_ROOT_GRACE="1s",
        TRACE_MAX_WAIT="5s",
        RULES_MAX_STEPS="1000",
        RULES_FILES=str(tmp_path / "rules.yaml"),
    )


def wide(file: Path) -> Path:
    """A file of traces with more spans than a rule may look at."""
    lines = []
    for number in range(1, TRACES + 1):
        spans = [
            {"traceId": f"{number:032x}", "spanId": f"{n:016x}", "name": "a"} for n in range(1, SPANS + 1)
        ]
        for span in spans[1:]:
            span["parentSpanId"] = spans[0]["spanId"]
        spans[0]["name"] = "root"
        lines.append(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}))
    file.write_text("\n".join(lines))
    return file


def loaded(worker: Api, count: int) -> bool | None:
    """Whether a worker judges by that many rules."""
    return f"\nbetrace_rules_loaded {count}.0" in worker.metrics() or None


def test_a_rule_that_is_cut_off_again_and_again_is_disabled_for_all_with_the_reason(
    betrace: Betrace, group: str, tmp_path: Path
) -> None:
    betrace.run("topics", "create")
    with betrace.worker() as one, betrace.worker() as two, betrace.api() as api:
        for rule in ({"id": "slow", "condition": SLOW}, {"id": "fine", "condition": "root"}):
            assert ask(f"{api.url}/api/rules", "POST", rule)[0] == 201
        for worker in (one, two):
            until("a worker has the rules", partial(loaded, worker, 3))
            until("a worker judges", worker.ready)

        def disabled() -> Any:
            newest = get(f"{api.url}/api/rules/slow/versions")["items"][0]
            return newest if newest["version"] > 1 else None

        betrace.run("produce", str(wide(tmp_path / "wide.jsonl")))
        newest = until("the rule is disabled", disabled)
        assert (newest["by"], newest["rule"]["enabled"], newest["version"]) == (f"worker:{group}", False, 2)
        assert "cut off 10 times within an hour" in newest["reason"]
        assert {v["ruleId"] for v in api.violations(TRACES)} == {"fine"}
        for worker in (one, two):
            until("no worker judges by it", partial(loaded, worker, 2))
        shown = one.metrics() + two.metrics()
        assert 'betrace_rules_disabled_total{rule_id="slow"} 1.0' in shown
        assert 'betrace_rule_cut_offs_total{rule_id="filed"}' in shown
    said = (tmp_path / "worker-1.log").read_text() + (tmp_path / "worker-2.log").read_text()
    assert "rule filed, version 1, was cut off" in said
