"""Rules over HTTP, on the log of proposals of an embedded broker; and what may not be done."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.datastructures import Headers
from starlette.testclient import TestClient

from app import clock
from app.api import Parts, application
from app.index import Index
from app.problems import Problem
from app.security import Access, Token, read_tokens
from dsl.files import load
from streams.config import Kafka
from streams.embedded import EmbeddedBroker
from streams.rules_log import RulesLog
from streams.topics import Topics

FILE = "rules: [{id: from-file, condition: a}]"
RULE = {"id": "charge", "condition": "when { charge as c } always { check before c }", "severity": "HIGH"}
MANY = [str(n) for n in range(50_000)]
TOKENS = {
    name: Token(sha256=hashlib.sha256(name.encode()).hexdigest(), role=role)
    for name, role in (("ci", "editor"), ("grafana", "editor"), ("look", "viewer"))
}


@pytest.fixture(scope="module")
def broker() -> EmbeddedBroker:
    """An embedded broker for all tests, each with its own group."""
    return EmbeddedBroker()


@pytest.fixture
def log(broker: EmbeddedBroker, group: str) -> Iterator[RulesLog]:
    """The rules log of a group of this test's own."""
    kafka = Kafka(brokers=tuple(broker.address.split(",")), group=group, embedded=True)
    broker.touch(Topics(group).rules)
    log = RulesLog(kafka, load([("f", FILE)]).rules, 1_000_000, lambda: None)
    log.start()
    assert log.wait(20)
    yield log
    log.stop()


def client_of(log: RulesLog, tmp_path: Path, access: Access | None = None, **headers: str) -> TestClient:
    parts = Parts(Index(tmp_path / "i.sqlite"), log, lambda: log.problem, clock.now, access or Access())
    return TestClient(application(parts), raise_server_exceptions=False, headers=headers)


@pytest.fixture
def client(log: RulesLog, tmp_path: Path) -> TestClient:
    return client_of(log, tmp_path)


def test_a_rule_is_made_replaced_deleted_and_restored_with_its_history(client: TestClient) -> None:
    made = client.post("/api/rules", json=RULE)
    assert (made.status_code, made.headers["etag"], made.json()["severity"]) == (201, '"1"', "high")
    assert made.headers["location"] == "/api/rules/charge"
    assert client.post("/api/rules", json=RULE).status_code == 409
    changed = {**made.json(), "enabled": False}
    assert client.put("/api/rules/charge", json=changed).status_code == 428
    assert client.put("/api/rules/charge", json=changed, headers={"if-match": '"7"'}).status_code == 412
    put = client.put("/api/rules/charge", json=changed, headers={"if-match": '"1"'})
    assert (put.status_code, put.json()["enabled"], put.json()["version"]) == (200, False, 2)
    assert client.delete("/api/rules/charge", headers={"if-match": '"2"'}).status_code == 204
    assert client.get("/api/rules/charge").status_code == 404
    restored = client.post("/api/rules/charge/versions/1/restore")
    assert (restored.status_code, restored.json()["version"], restored.json()["enabled"]) == (200, 4, True)
    history = client.get("/api/rules/charge/versions").json()["items"]
    assert [(each["version"], each["rule"] is None, each["by"]) for each in history] == [
        (4, False, "local"), (3, True, "local"), (2, False, "local"), (1, False, "local"),
    ]  # fmt: skip
    assert all(each["at"].endswith("Z") for each in history)
    first = client.get("/api/rules/charge/versions?limit=3").json()
    rest = client.get(f"/api/rules/charge/versions?limit=3&cursor={first['nextCursor']}").json()
    assert (first["items"] + rest["items"], rest["nextCursor"]) == (history, None)
    assert client.get("/api/rules/charge/versions?cursor=charge").status_code == 400
    again = client.post("/api/rules", json={**RULE, "id": "charge2"})
    assert client.get("/api/rules/charge2").json() == again.json()


def test_a_rule_of_a_file_is_shown_and_not_changed(client: TestClient) -> None:
    assert client.get("/api/rules/from-file").json()["source"] == "file"
    for answer in (
        client.post("/api/rules", json={"id": "from-file", "condition": "b"}),
        client.put("/api/rules/from-file", json={"condition": "b"}, headers={"if-match": '"1"'}),
        client.delete("/api/rules/from-file", headers={"if-match": "*"}),
    ):
        assert (answer.status_code, "rule file" in answer.json()["detail"]) == (409, True)


def test_import_is_all_or_nothing_and_export_is_its_reverse(client: TestClient) -> None:
    text = "rules:\n  - {id: one, condition: a, labels: {team: x}}\n"
    text += "  - id: two\n    condition: |\n      when { a }\n      always { b }\n"
    bad = text + "  - {id: three, condition: 'a ='}\n"
    assert client.post("/api/rules/import?dryRun=true", content=text).json()["created"] == ["one", "two"]
    assert client.get("/api/rules/one").status_code == 404
    assert client.post("/api/rules/import", content=bad).status_code == 422
    assert client.get("/api/rules/one").status_code == 404
    assert client.post("/api/rules/import", content=text).json()["created"] == ["one", "two"]
    again = client.post("/api/rules/import", content=text.replace("condition: a,", "condition: c,")).json()
    assert (again["created"], again["replaced"], again["unchanged"]) == ([], ["one"], ["two"])
    exported = yaml.safe_load(client.get("/api/rules/export").text)["rules"]
    assert [rule["id"] for rule in exported] == ["from-file", "one", "two"]
    loaded = load([("export", client.get("/api/rules/export").text)])
    assert (len(loaded.rules), loaded.diagnostics) == (3, ())


def test_an_older_rule_file_is_taken_in_with_warnings_that_show_the_new_text(client: TestClient) -> None:
    text = "rules:\n  - {id: old_one, severity: HIGH, expression: span.duration > 1000000000}\n"
    answer = client.post("/api/rules/import", content=text).json()
    assert answer["created"] == ["old-one"]
    told = [(each["severity"], each["line"], each["suggestion"]) for each in answer["diagnostics"]]
    assert told == [
        ("warning", 2, "id: old-one"),
        ("warning", 2, "severity: high"),
        ("warning", 2, "condition"),
        ("warning", 2, "trace.has(span:duration > 1s)"),
    ]
    assert client.get("/api/rules/old-one").json()["condition"] == "trace.has(span:duration > 1s)"


def test_a_cursor_of_violations_is_none_of_rules(client: TestClient) -> None:
    for cursor in ("MTc2NzIyNTYwMDAwMDAwMDAwMDowMA", "A B", "x" * 200):
        assert client.get("/api/rules", params={"cursor": cursor}).status_code == 400


def test_a_refused_import_says_where(client: TestClient) -> None:
    answer = client.post("/api/rules/import", content="rules:\n  - {id: three, condition: 'a = b'}\n")
    (problem,) = answer.json()["diagnostics"]
    assert (problem["line"], problem["column"]) == (2, 31)
    assert answer.json()["detail"] == "1 problem; nothing was changed"


def test_format_gives_the_one_layout_and_tells_what_is_no_rule(client: TestClient) -> None:
    given = {"condition": "when {a}  always{ b before  a } // why"}
    laid_out = client.post("/api/rules/format", json=given).json()
    assert laid_out == {"condition": "when   { a }\nalways { b before a }  // why"}
    assert client.post("/api/rules/format", json=laid_out).json() == laid_out
    refused = client.post("/api/rules/format", json={"condition": "when { a }\nalwas { b }"})
    assert refused.status_code == 422
    assert [problem["line"] for problem in refused.json()["diagnostics"]] == [2]


def test_validate_tells_diagnostics_as_editors_count(client: TestClient) -> None:
    found = client.post("/api/rules/validate", json={"condition": '"😀" and\n "😀" = 5'}).json()
    assert not found["valid"]
    (problem,) = found["diagnostics"]
    assert (problem["line"], problem["column"], problem["endColumn"], problem["suggestion"]) == (
        2,
        7,
        8,
        "==",
    )
    good = client.post(
        "/api/rules/validate", json={"condition": "when { a.where(x == 1) } always { b }"}
    ).json()
    assert (good["valid"], good["kind"], good["spanNames"], good["attributes"]) == (
        True,
        "invariant",
        ["a", "b"],
        ["x"],
    )


def test_a_rule_under_edit_is_judged_on_a_pasted_trace(client: TestClient) -> None:
    short = [{"name": "charge", "start": "5ms"}]
    found = client.post("/api/rules/test", json={"rule": RULE, "trace": short}).json()
    assert found["verdicts"][0]["missing"] == ["check"]
    assert found["explain"]["clauses"][1]["condition"]["holds"] is False
    span = {"traceId": "1" * 32, "spanId": "1" * 16, "name": "a"}
    otlp = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    judged = client.post("/api/rules/test", json={"ruleId": "from-file", "trace": otlp}).json()
    assert judged["verdicts"][0]["verdict"] == "violated"
    for wrong in (
        5,
        "x",
        {"a": 1},
        [{"name": "a", "colour": 1}],
        [],
        {"resourceSpans": 5},
        [{"name": "a", "start": "x"}],
    ):
        answer = client.post("/api/rules/test", json={"rule": RULE, "trace": wrong})
        assert (answer.status_code, answer.json()["detail"][:6]) == (400, "trace:"), wrong


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 5000, 400),
        (b"[]", 400),
        (b'{"id": "x", "condition": "a", "colour": 1}', 422),
        (b'{"id": "X Y", "condition": "a"}', 422),
        (b'{"id": "x", "condition": 5}', 422),
        (b'{"id": "x"}', 422),
        (b'{"id": "x", "condition": "a", "labels": NaN}', 400),
        (b'{"id": "x", "condition": "' + b"a" * 70_000 + b'"}', 422),
        (b'{"id": "x", "condition": "' + b"a" * 2_000_000 + b'"}', 413),
        (b'{"id": "x", "condition": "\\ud800"}', 400),
        (b'{"id": "x", "condition": "a", "labels": {"\\ud800": "a"}}', 400),
        (b'{"id": "x", "condition": "a", "tests": [{"expect": "violated", "trace": 5}]}', 422),
        (b'{"id": "x", "condition": "a", "tests": [{"expect": "violated", "trace": [5]}]}', 422),
        (json.dumps({"id": "x", "condition": "(" * 90 + "a" + ")" * 90}).encode(), 422),
        (json.dumps({"id": "x", "condition": "a", "description": "a" * 300_000}).encode(), 413),
        (
            json.dumps(
                {"id": "x", "condition": "a", "labels": {str(n): "x" for n in range(50_000)}}
            ).encode(),
            413,
        ),
        (b'{"id": "x", "condition": "a", "labels": {"a": 1e999}}', 400),
        (b'{"id": "x", "condition": "a", "labels": {"a": ' + b"1" * 5000 + b"}}", 400),
        (b'{"id": "x", "condition": "a", "tests": ' + b"[" * 110 + b"]" * 110 + b"}", 400),
        (b"[" * 500_000 + b"]" * 500_000, 400),
        (b'"' + b'\\"' * 500_000, 400),
        (b"", 400),
        (b"5", 400),
        (b"null", 400),
        (b'{"id": 0, "condition": "a"}', 422),
        (b'{"id": ["x"], "condition": "a"}', 422),
    ],
    ids=range(28),
)
def test_bad_input_is_told_what_to_do(client: TestClient, body: bytes, status: int) -> None:
    answer = client.post("/api/rules", content=body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/json; charset=latin-1"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
    ids=range(4),
)
def test_a_body_of_another_type_is_refused(client: TestClient, headers: dict[str, str]) -> None:
    for path in ("/api/rules", "/api/rules/validate", "/api/rules/test"):
        answer = client.post(path, content=b"{}", headers=headers)
        assert (answer.status_code, "application/json" in answer.text) == (415, "latin-1" not in str(headers))
    assert client.post("/api/rules/import", json={"rules": []}).status_code == 415


def merges(line: str) -> str:
    """Labels each of which is eight times the one before."""
    lines = [f"l{n}: &l{n} {line.replace('*', f'*l{n - 1}')}" for n in range(1, 30)]
    return "\n".join(
        ["rules:", "- id: a", "  condition: b", *(f"  {each}" for each in ["l0: &l0 {a: b}", *lines])]
    )


@pytest.mark.parametrize(
    "text",
    [
        merges("[*, *, *, *, *, *, *, *]"),
        merges("{<<: [*, *, *, *, *, *, *, *]}"),
        merges("{? [*, *, *, *, *, *, *, *] : 1}"),
        "rules: &a [*a]",
        "rules: [{id: a, condition: b, labels: &a {x: *a}}]",
        "rules: " + "[" * 500_000,
        "rules: [{id: a, condition: b, labels: {x: 2001-99-99}}]",
        "rules: [{id: a, condition: b, labels: {x: 1" + ":10" * 5000 + "}}]",
        "rules: [{id: a, condition: b, labels: {x: 1" + "0" * 5000 + "}}]",
        "rules: [{id: a, condition: b, ? [x] : y}]",
        "rules: [{id: a, condition: b, name: !!python/name:os.system x}]",
        "? [x]\n: y",
        "rules: [\0]",
        "%YAML 9.9\n---\nrules: []",
        "rules: *nothing",
    ],
    ids=range(15),
)
def test_yaml_that_is_made_to_harm_is_refused_with_its_place(client: TestClient, text: str) -> None:
    answer = client.post("/api/rules/import?dryRun=true", content=text)
    assert answer.status_code == 422
    assert all(each["line"] for each in answer.json()["diagnostics"])


def test_pages_of_other_sites_cannot_write(client: TestClient) -> None:
    for headers in (
        {"origin": "http://elsewhere"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
    ):
        answer = client.post("/api/rules", json=RULE, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json")
    own = client.post("/api/rules", json=RULE, headers={"origin": "http://testserver"})
    assert own.status_code == 201


def test_no_other_site_may_read(client: TestClient) -> None:
    asked = {"origin": "http://elsewhere", "access-control-request-method": "POST"}
    answers = [client.options("/api/rules", headers=asked), client.get("/api/rules", headers=asked)]
    assert [answer.status_code for answer in answers] == [405, 200]
    assert not any(name.startswith("access-control") for a in answers for name in a.headers)


def test_who_may_do_what(log: RulesLog, tmp_path: Path) -> None:
    def ask(token: str | None, method: str = "GET", path: str = "/api/rules", **more: Any) -> int:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        client = client_of(log, tmp_path, Access(TOKENS, "grafana"), **headers)
        return client.request(method, path, **more).status_code

    assert [ask(None), ask("wrong"), ask("look"), ask("ci")] == [401, 401, 200, 200]
    assert ask(None, path="/healthz") == 200
    for method, path in (
        ("POST", "/api/rules"),
        ("PUT", "/api/rules/x"),
        ("DELETE", "/api/rules/x"),
        ("POST", "/api/rules/import"),
    ):
        assert ask("look", method, path) == 403
        assert ask("wrong", method, path) == 401
    assert ask("look", "POST", "/api/rules/validate", json={"condition": "a"}) == 200
    assert ask("ci", "POST", json=RULE) == 201


def test_the_author_is_the_token_or_the_user_that_a_trusted_one_names(log: RulesLog, tmp_path: Path) -> None:
    for number, token in enumerate(("ci", "grafana")):
        headers = {"authorization": f"bearer {token}", "x-grafana-user": "ann"}
        client = client_of(log, tmp_path, Access(TOKENS, "grafana"), **headers)
        client.post("/api/rules", json={**RULE, "id": f"r{number}"})
    assert [log.history(f"r{number}")[0].by for number in range(2)] == ["token:ci", "grafana:ann"]


def test_no_user_header_is_believed_unless_the_setting_names_the_token(log: RulesLog, tmp_path: Path) -> None:
    headers = {"authorization": "Bearer grafana", "x-grafana-user": "ann"}
    client_of(log, tmp_path, Access(TOKENS), **headers).post("/api/rules", json={**RULE, "id": "a"})
    client_of(log, tmp_path, Access(), **headers).post("/api/rules", json={**RULE, "id": "b"})
    assert [log.history(name)[0].by for name in ("a", "b")] == ["token:grafana", "local"]


def test_a_users_name_is_utf_8_and_a_broken_one_is_refused() -> None:
    def named(user: bytes) -> str:
        raw = [(b"authorization", b"bearer grafana"), (b"x-grafana-user", user)]
        caller = Access(TOKENS, "grafana").caller(Headers(raw=raw))
        return caller.name if caller else "nobody"

    assert [named("Jürgen".encode()), named(b"")] == ["grafana:Jürgen", "token:grafana"]
    for wrong in (b"\xff", b"a" * 201, b"a\tb"):
        with pytest.raises(Problem, match="X-Grafana-User"):
            named(wrong)


def test_answers_carry_headers_that_keep_browsers_from_mischief(client: TestClient) -> None:
    headers = client.get("/api/rules").headers
    assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
    assert (
        "access-control-allow-origin" not in client.get("/api/rules", headers={"origin": "http://x"}).headers
    )


def test_too_many_writes_are_told_to_slow_down(client: TestClient) -> None:
    answers = [client.delete("/api/rules/none").status_code for _ in range(200)]
    assert 429 in answers
    assert answers[0] == 404


def test_a_tokens_file_that_is_wrong_is_told(tmp_path: Path) -> None:
    file = tmp_path / "tokens.yaml"
    file.write_text(yaml.safe_dump({name: token.model_dump() for name, token in TOKENS.items()}))
    assert read_tokens(file) == TOKENS
    for text in ("", "ci: {sha256: abc, role: editor}", "ci: {role: king}", "[", "ci: secret"):
        file.write_text(text)
        with pytest.raises(Exception, match=r"the tokens file .*tokens\.yaml") as problem:
            read_tokens(file)
        assert "secret" not in str(problem.value)
