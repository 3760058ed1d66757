"""`betrace rules` on a real broker: what it shows, takes in and gives out, and says when it cannot."""

import json
from pathlib import Path

import pytest

from app.rules_cli import author
from tests.integration.processes import Betrace, free_port, get, until
from tests.kafka import Kafka

OLDER = """\
rules:
  - id: charge_checked
    severity: CRITICAL
    condition: when { payment.charge as c } always { payment.check before c }
  - id: retries
    condition: trace.count(http.retry).where(idempotent == false) > 3
"""
TODAY = """\
rules:
- id: charge-checked
  severity: critical
  condition: when { payment.charge as c } always { payment.check before c }
- id: retries
  condition: trace.count(http.retry.where(idempotent == false)) > 3
"""


@pytest.fixture
def betrace(kafka: Kafka, group: str, tmp_path: Path) -> Betrace:
    """BeTrace's commands, set for this test's group, with its topics."""
    return Betrace.on(kafka, group, tmp_path)


@pytest.fixture
def older(tmp_path: Path) -> str:
    """A rule file in older forms."""
    (tmp_path / "older.yaml").write_text(OLDER)
    return str(tmp_path / "older.yaml")


def test_rules_go_in_with_their_author_and_come_out_as_they_are_written_today(
    betrace: Betrace, older: str
) -> None:
    dry = betrace.ended("rules", "import", "--dry-run", older)
    assert dry.stdout.endswith("dry run, nothing was changed: 2 created, 0 replaced, 0 unchanged\n")
    assert "older.yaml:2:9: warning: an id has no '_'" in dry.stderr
    assert "write trace.count(http.retry.where(idempotent == false)) > 3" in dry.stderr
    assert betrace.run("rules", "list") == "no rules\n"
    assert betrace.run("rules", "import", older).splitlines() == [
        "created   charge-checked",
        "created   retries",
        "2 created, 0 replaced, 0 unchanged",
    ]
    assert betrace.run("rules", "export") == TODAY
    out = betrace.folder / "out.yaml"
    assert betrace.run("rules", "export", "-o", str(out)) == ""
    out.write_text(out.read_text().replace("> 3", "> 5"))
    assert betrace.ended("rules", "import", str(out)).stderr == ""
    listed = json.loads(betrace.run("rules", "list", "--format", "json"))["rules"]
    assert [(rule["id"], rule["version"], rule["updatedBy"]) for rule in listed] == [
        ("charge-checked", 1, author()),
        ("retries", 2, author()),
    ]
    with betrace.api() as api:
        assert get(f"{api.url}/api/rules/retries")["updatedBy"] == author()


def test_a_table_shows_rules_of_the_log_and_of_files_in_100_columns(betrace: Betrace, older: str) -> None:
    file = betrace.folder / "file.yaml"
    long = "a-rule-with-" + "a-very-" * 12 + "long-name"
    stopped = "  - {id: stopped, enabled: false, condition: b}\n"
    file.write_text(f"rules:\n  - {{id: {long}, mode: shadow, condition: a}}\n{stopped}")
    betrace.run("rules", "import", older)
    lines = betrace.set("RULES_FILES", str(file)).run("rules", "list").splitlines()
    assert all(len(line) <= 100 for line in lines[:5])
    assert lines[0].split() == ["rule", "version", "severity", "state", "source", "updated", "by", "updated"]
    assert [line.split()[2:5] for line in lines[1:5]] == [
        ["medium", "shadow", "file"],
        ["critical", "enabled", "api"],
        ["medium", "enabled", "api"],
        ["medium", "disabled", "file"],
    ]
    assert lines[1].split()[0].endswith("…")
    assert lines[5:] == [f"look at {long}: not evaluated since yesterday"]


def test_a_rule_that_never_applies_is_named_as_long_as_it_does_not(betrace: Betrace) -> None:
    file = betrace.folder / "file.yaml"
    file.write_text("rules:\n  - {id: never, condition: nothing}\n  - {id: applies, condition: a}\n")
    trace = betrace.folder / "one.jsonl"
    span = {"traceId": "1" * 32, "spanId": "1" * 16, "name": "a"}
    trace.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}))
    betrace.set("RULES_FILES", str(file)).set("TRACE_TICK", "100ms").set("TRACE_ROOT_GRACE", "1s")
    with betrace.worker() as worker:
        until("the worker owns partitions", worker.ready)
        betrace.run("produce", str(trace))

        def named() -> str | None:
            lines = betrace.run("rules", "list").splitlines()[3:]
            return lines[0] if len(lines) == 1 else None

        assert until("one rule is named", named).startswith("look at never: never applied to 1 traces since")


def test_all_goes_in_or_nothing(betrace: Betrace, older: str) -> None:
    good, bad = betrace.folder / "good.yaml", betrace.folder / "bad.yaml"
    good.write_text("rules:\n  - {id: good, condition: a}\n")
    bad.write_text("rules:\n  - {id: good, condition: b}\n  - {id: bad, condition: a and}\n")
    said = betrace.ended("rules", "import", str(good), str(bad), code=2).stderr
    assert "the id 'good' is used twice" in said
    assert "unexpected the end of the rule" in said
    betrace.set("RULES_FILES", str(good))
    said = betrace.ended("rules", "import", str(good), older, code=2).stderr.splitlines()[-1]
    assert said == "betrace: rules of rules.files cannot be changed here: good; nothing was changed"
    assert [line.split()[0] for line in betrace.run("rules", "list").splitlines()] == ["rule", "good", "look"]


def test_what_is_in_the_way_is_said_in_a_line(betrace: Betrace) -> None:
    broken = betrace.folder / "broken.yaml"
    broken.write_text("rules: [")
    assert "broken.yaml:1:9: error: not YAML" in betrace.ended("rules", "import", str(broken), code=2).stderr
    missing = betrace.ended("rules", "import", "nowhere.yaml", code=2).stderr
    assert missing.startswith("betrace: the rule file nowhere.yaml cannot be read")
    group = betrace.settings["KAFKA_GROUP"]
    said = betrace.set("KAFKA_GROUP", f"{group}-other").ended("rules", "list", code=2).stderr
    assert said == (
        f"betrace: the topic {group}-other.rules does not exist: `betrace topics create` makes it\n"
    )
    betrace.set("KAFKA_BROKERS", f"127.0.0.1:{free_port()}")
    (line,) = betrace.ended("rules", "export", code=2).stderr.splitlines()
    assert line.startswith("betrace: no answer from Kafka at 127.0.0.1:")
