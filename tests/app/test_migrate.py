"""What older BeTrace exported, in today's form."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import cli
from app.errors import UserError
from app.index import Index
from app.index_writer import Record
from app.migrate import NoViolation, today, violations
from streams.redaction import DEFAULT

OLDER = {
    "id": "5f0c",
    "ruleId": "pii_access",
    "ruleName": "PII access",
    "severity": "CRITICAL",
    "message": "ann@example.org was read unchecked",
    "traceIds": ["0af7651916cd43dd8448eb211c80319c"],
    "spanReferences": [
        {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "serviceName": "db"}
    ],
    "createdAt": "2025-11-02T10:00:00.5Z",
    "signature": "abc",
}


def test_an_older_violation_is_one_of_today_and_the_index_takes_it(tmp_path: Path) -> None:
    (made,) = today(OLDER, DEFAULT)
    assert (made["ruleId"], made["severity"], made["service"]) == ("pii-access", "critical", "db")
    assert made["detectedAt"] == "2025-11-02T10:00:00.500000000Z"
    assert "ann@example.org" not in made["message"]
    assert made["labels"] == {"migrated-from": "5f0c"}
    index = Index(tmp_path / "index.sqlite")
    record = Record(made["id"], json.dumps(made).encode())
    assert index.put([record], {}, []) == 0


def test_one_of_several_traces_becomes_several_and_ids_do_not_change() -> None:
    other = "1af7651916cd43dd8448eb211c80319c"
    both = OLDER | {"traceIds": [*OLDER["traceIds"], other]}
    first, second = today(both, DEFAULT)
    assert (first["id"], second["traceId"], second["spans"]) == (today(OLDER, DEFAULT)[0]["id"], other, [])


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"violations": [OLDER], "total": 1}),
        json.dumps([OLDER]),
        json.dumps(OLDER),
        json.dumps(OLDER) + "\n" + json.dumps(OLDER),
    ],
)
def test_every_form_of_an_export_is_read(text: str) -> None:
    assert next(violations(text, "f")) == OLDER


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"ruleId": "", "ruleName": None}, "it names no rule"),
        ({"traceIds": [], "spanReferences": []}, "it names no trace"),
        ({"traceIds": "0af7651916cd43dd8448eb211c80319c"}, "traceIds is no list"),
        ({"traceIds": ["xyz"]}, "'xyz' is no trace id of 32 hex digits"),
        ({"severity": "fatal"}, "'fatal' is no severity: "),
        ({"createdAt": "soon"}, "createdAt is no time such as"),
        ({"spanReferences": "x"}, "spanReferences is no list"),
    ],
)
def test_what_is_missing_is_told(changes: dict[str, object], said: str) -> None:
    with pytest.raises(NoViolation, match=said):
        today(OLDER | changes, DEFAULT)


def test_a_file_of_something_else_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "v.json"
    file.write_text(json.dumps([OLDER, OLDER | {"severity": "fatal"}]))
    done = CliRunner().invoke(cli, ["migrate", "violations", str(file)])
    assert isinstance(done.exception, UserError)
    assert (
        str(done.exception)
        == f"{file}, violation 2: 'fatal' is no severity: critical, high, medium, low, info"
    )
    with pytest.raises(UserError, match="f:2: no JSON"):
        list(violations('{"a": 1}\n{', "f"))


def test_older_rules_come_out_in_todays_words_with_their_tests(tmp_path: Path) -> None:
    older, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    older.write_text(
        "rules:\n"
        "- id: pii_access\n"
        "  severity: CRITICAL\n"
        "  condition: trace.has(database.query).where(pii == true) and trace.has(auth.check)\n"
        "  example_violation: {trace: [{span: database.query, attributes: {pii: true}}]}\n"
    )
    assert CliRunner().invoke(cli, ["migrate", "rules", str(older), "-o", str(new)]).exit_code == 0
    assert "example_violation" not in new.read_text()
    assert CliRunner().invoke(cli, ["lint", str(new)]).exit_code == 0
    assert CliRunner().invoke(cli, ["test", str(new)]).output.endswith("1 passed, 0 failed\n")
