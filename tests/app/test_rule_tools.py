"""The commands for those who write rules, as a person runs them."""

import gzip
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from app.check import AsJson, check
from app.rule_files import read_rules
from app.traces import Progress, Traces
from dsl.compile import compile_rules
from dsl.files import load

BETRACE = str(Path(sys.executable).parent / "betrace")
TESTS = Path(__file__).parents[1]
TRAIN = TESTS / "data" / "train-ticket"
TRAIN_RULES = TESTS / "integration" / "train-ticket.yaml"
RULES = """\
rules:
  - id: paid-unchecked
    condition: |
      when{payment.charge.where(amount>1000) as c and not refund}   # the charge
      always { payment.check before c and (audit.log or audit.skip) }
    tests:
      - name: unchecked
        trace:
          - {id: r, name: shop, service: shop, duration: 90ms}
          - {parent: r, name: payment.charge, start: 20ms, duration: 30ms, attributes: {amount: 1500}}
          - {parent: r, name: audit.log, start: 60ms}
        expect: EXPECT
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A rule file whose test passes."""
    path = tmp_path / "rules.yaml"
    path.write_text(RULES.replace("EXPECT", "violated"))
    return path


def run(*arguments: object, code: int = 0, stdin: bytes = b"") -> str:
    """Run a command; its standard output."""
    command = [BETRACE, *map(str, arguments)]
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=120)
    assert done.returncode == code, (done.stdout.decode(), done.stderr.decode())
    assert b"Traceback" not in done.stderr
    return done.stdout.decode() + done.stderr.decode()


def test_a_failed_test_is_told_with_an_explanation_of_at_most_80_columns(file: Path) -> None:
    file.write_text(RULES.replace("EXPECT", "satisfied"))
    said = run("test", file, code=1)
    assert "failed paid-unchecked, unchecked: the verdict is violated, not satisfied" in said
    assert "no   payment.check before c" in said
    assert re.search(r"^   payment\.charge +\| +=+ +\| c$", said, re.MULTILINE)
    assert all(len(line) <= 82 for line in said.splitlines())
    assert said.endswith("0 passed, 1 failed\n")


def test_tests_are_told_to_other_tools_and_what_they_do_not_try_to_people(file: Path) -> None:
    said = run("test", file, "--coverage", "--junit", file.parent / "junit.xml")
    assert "paid-unchecked: no test makes 'when' false" in said
    assert "paid-unchecked: no test makes 'always' true" in said
    suite = ElementTree.parse(file.parent / "junit.xml").getroot()[0]
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("paid-unchecked", "1", "0")


def test_fmt_keeps_comments_and_is_done_the_second_time(file: Path) -> None:
    assert "would change" in run("fmt", "--check", file, code=1)
    assert "changed" in run("fmt", file)
    assert (
        "when   { payment.charge.where(amount > 1000) as c and not refund }  # the charge\n"
        in file.read_text()
    )
    assert run("fmt", "--check", file) == ""
    assert run("fmt", "-", stdin=RULES.encode()).replace("EXPECT", "violated") == file.read_text()


def test_lint_tells_people_and_tools(file: Path) -> None:
    assert run("lint", file) == ""
    file.write_text(RULES.replace("audit.skip", "").replace("EXPECT", "violated"))
    assert "rules.yaml:5:57: error: unexpected ')'" in run("lint", file, code=1)
    (problem,) = json.loads(run("lint", file, "--format", "json", code=1))
    assert (problem["line"], problem["column"], problem["severity"]) == (5, 57, "error")
    sarif = json.loads(run("lint", file, "--format", "sarif", code=1))
    region = sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert (region["startLine"], region["startColumn"]) == (5, 57)


def test_a_warning_alone_ends_lint_with_0(file: Path) -> None:
    file.write_text("rules: [{id: a, condition: 'b before b'}]")
    assert "warning: 'b' stands on both sides" in run("lint", file)


def test_explain_says_why_on_real_traces() -> None:
    said = run("explain", "--rules", TRAIN_RULES, "--rule", "chatty-trace", "--traces", TRAIN)
    assert 'count("HTTP GET") is 6' in said
    assert all(len(line) <= 80 for line in said.splitlines())
    found = json.loads(
        run(
            "explain", "--rules", TRAIN_RULES, "--rule", "chatty-trace", "--traces", TRAIN, "--format", "json"
        )
    )
    assert (found["verdict"], found["clauses"][0]["condition"]["holds"]) == ("violated", True)
    assert sum("pattern" in span["roles"] for span in found["spans"]) == 6


def test_explain_says_which_rules_and_traces_there_are() -> None:
    asked = ("explain", "--rules", TRAIN_RULES, "--traces", TRAIN)
    assert "did you mean chatty-trace?" in run(*asked, "--rule", "chaty-trace", code=2)
    assert "no trace has the id" in run(*asked, "--rule", "slow-query", "--trace", "0" * 32, code=2)


def verdicts(traces: Traces) -> list[str]:
    """What `check` says of them, in any order."""
    rules = compile_rules(load([("r", TRAIN_RULES.read_text())]).rules)
    lines: list[str] = []
    check(rules, traces, AsJson(lines.append), every=False)
    return sorted(line.rstrip(",").split("\n")[-1].strip() for line in lines)


def test_traces_on_disk_are_judged_like_those_in_memory(tmp_path: Path) -> None:
    """A thousandth of the memory, so that spans of one trace are spilled many times."""
    quiet = Progress(shown=False)
    assert verdicts(Traces([str(TRAIN)], kept=64_000, progress=quiet)) == verdicts(
        Traces([str(TRAIN)], progress=quiet)
    )


def test_check_reads_folders_and_standard_input(tmp_path: Path) -> None:
    files = sorted(TRAIN.glob("*.gz"))
    shutil.copy(files[0], tmp_path)
    (tmp_path / "notes.txt").write_text("no traces")
    from_folder = run("check", "--rules", TRAIN_RULES, "--traces", tmp_path, code=1)
    data = gzip.decompress(files[0].read_bytes())
    assert run("check", "--rules", TRAIN_RULES, "--traces", "-", code=1, stdin=data) == from_folder
    (tmp_path / "empty").mkdir()
    assert "has no trace files" in run(
        "check", "--rules", TRAIN_RULES, "--traces", tmp_path / "empty", code=2
    )


def test_violations_of_a_shadow_rule_are_told_and_do_not_fail_the_check(tmp_path: Path) -> None:
    rules = tmp_path / "shadow.yaml"
    rules.write_text("rules: [{id: a, mode: shadow, condition: 'trace.span_count > 100'}]")
    said = run("check", "--rules", rules, "--traces", TRAIN)
    assert "medium a (shadow): " in said
    assert "0 violations, " in said
    assert " in shadow" in said


def test_a_test_may_have_its_trace_in_a_file(tmp_path: Path) -> None:
    span = {"traceId": "1" * 32, "spanId": "1" * 16, "name": "a"}
    one = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    (tmp_path / "one.jsonl").write_text(json.dumps(one))
    rules = tmp_path / "r.yaml"
    text = "rules: [{id: a, condition: root, tests: [{name: t, traceFile: FILE, expect: violated}]}]"
    rules.write_text(text.replace("FILE", "one.jsonl"))
    run("test", rules)
    rules.write_text(text.replace("FILE", "two.jsonl"))
    assert "there is no trace file two.jsonl" in run("test", rules, code=1)


def test_a_folder_mounted_from_a_configmap_is_read_once(tmp_path: Path) -> None:
    version = tmp_path / "..2026_11_25.1"
    version.mkdir()
    (version / "a.yaml").write_text("rules: [{id: a, condition: pay}]")
    (tmp_path / "..data").symlink_to(version.name)
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert [rule.id for rule in read_rules([tmp_path])] == ["a"]
