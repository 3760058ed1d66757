"""No personal value leaves by any door: violations, spans, explain, checks, logs, errors, metrics."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import generate_latest
from starlette.testclient import TestClient

from app import clock
from app.api import Parts, application
from app.check import AsJson, AsText
from app.explain import as_json, as_text, explained
from app.index import Index
from app.logs import Redacting, RedactingJson
from dsl.compile import compile_rule
from dsl.judge import judge
from dsl.rule import Control, Rule
from dsl.trace import Trace
from streams import evidence, upheld
from streams.redaction import DEFAULT
from streams.violation import records
from streams.vocabulary import Vocabulary
from tests.streams.corpus import Sample, positives
from tests.streams.spans import request, span

SAMPLES = list(positives(seed=21, number=2000))
MESSAGE = "{p.note}, {p.more}, {p.span:name} of {p.service}: {p.nested}, {p.span:statusMessage}"
RULES = (
    Rule(
        "named",
        "when { pay.where(note exists) as p } always { check }",
        "f",
        message=MESSAGE,
        compliance=(Control("soc2", "CC6.1"),),
    ),
    Rule(
        "unnamed",
        "when { pay.where(note exists or more exists or nested exists) as p } always { check }",
        "f",
    ),
    Rule("compared", "when { pay.where(note == span.more) as p } never { any.where(note == p.more) }", "f"),
    Rule("other", "when { any.where(not note exists) as p } always { check }", "f", message="{p.span:name}"),
    Rule("ordered", "when { pay as p and p.note != x } always { p.more > 1 }", "f"),
)
HELD = compile_rule(
    Rule("held", "when { pay as p } always { p.more exists }", "f", compliance=(Control("soc2", "CC6.1"),))
)
COMPILED = [compile_rule(rule) for rule in RULES]


def traced(number: int, sample: Sample) -> ExportTraceServiceRequest:
    """A trace with the sample in attributes, names, a status message and the service."""
    message = span(number + 1, 1, name="pay")
    other = span(number + 1, 2, parent=1, name=sample.text)
    for key, value in (("note", sample.text), ("more", sample.text)):
        message.attributes.add(key=key).value.string_value = value
    nested = message.attributes.add(key="nested").value.kvlist_value.values.add(key=sample.text)
    nested.value.string_value = sample.text
    message.status.message = sample.text
    return request((sample.text, [message, other]))


def told(sample: Sample, number: int) -> Iterator[str]:
    """All that leaves of a trace with the sample."""
    trace = Trace.of(traced(number, sample).SerializeToString())
    lines: list[str] = []
    for rule, compiled in zip(RULES, COMPILED, strict=True):
        verdict = judge(compiled, trace, 100_000)
        assert verdict.outcome == "violated", rule
        for found in records(trace, verdict, "root", 1):
            yield found.value.decode()
            yield from sent(evidence.records([found.value]) + evidence.records([found.value], replayed=True))
        AsJson(lines.append).verdict(trace, verdict)
        AsText(lines.append).verdict(trace, verdict)
        why = explained(rule, [trace], None, 100_000)
        lines += as_text(why)
        yield json.dumps(as_json(why), ensure_ascii=False)
    yield "\n".join(lines)
    verdict = judge(HELD, trace, 100_000)
    assert verdict.outcome == "satisfied"
    yield from sent(upheld.records([upheld.upheld(trace, verdict, 1, DEFAULT)]))
    vocabulary = Vocabulary(DEFAULT)
    for time in (1000, 2000):
        vocabulary.look(trace, time)
    yield from (value.decode() for _, value in vocabulary.records(0))
    yield DEFAULT.text(f"the worker stops: ValueError: {sample.text}")


def sent(spans: list[tuple[str, bytes]]) -> Iterator[str]:
    """What goes to the topic of evidence, and from there to an endpoint."""
    for key, value in spans:
        yield key + value.decode("utf-8", "replace")


def forms(sample: Sample) -> set[str]:
    """The value as it may stand in text and in JSON."""
    return {sample.value, json.dumps(sample.value)[1:-1], json.dumps(sample.value, ensure_ascii=False)[1:-1]}


def test_no_value_of_the_corpus_leaves_whatever_the_rule() -> None:
    seen = 0
    for number, sample in enumerate(SAMPLES[:300]):
        for text in told(sample, number):
            seen += 1
            # a picture cuts its lines, so what is wrapped is looked at as one
            flat = " ".join(text.split())
            leaked = [form for form in forms(sample) if form in text or form in flat]
            assert not leaked, (sample, text)
    assert seen >= 300 * 20


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    class Rules:
        problem = None

        def rules(self) -> tuple[Rule, ...]:
            return RULES

    rules: Any = Rules()
    parts = Parts(Index(tmp_path / "i.sqlite"), rules, lambda: None, clock.now)
    return TestClient(application(parts), raise_server_exceptions=False)


def test_no_value_of_the_corpus_leaves_by_the_api_that_tries_rules_or_by_its_errors(
    client: TestClient,
) -> None:
    for number, sample in enumerate(SAMPLES[:60]):
        trace = MessageToDict(traced(number, sample))
        bodies = [
            *({"ruleId": rule.id, "trace": trace} for rule in RULES[:2]),
            {"ruleId": sample.text, "trace": trace},
            {"ruleId": "named", "trace": sample.text},
            {"ruleId": "named", "trace": [{"name": 1, sample.text: 2}]},
            {sample.text: 1},
        ]
        answers = [client.post("/api/rules/test", json=body).text for body in bodies]
        answers.append(client.get("/api/violations", params={"severity": sample.text}).text)
        answers.append(client.get("/api/violations", params={sample.text: "x"}).text)
        for text in answers:
            assert not [form for form in forms(sample) if form in text], (sample, text)


@pytest.mark.parametrize("form", [Redacting(DEFAULT), RedactingJson(DEFAULT)])
def test_no_value_of_the_corpus_is_logged(form: logging.Formatter) -> None:
    for sample in SAMPLES:
        try:
            raise ValueError(sample.text)
        except ValueError as problem:
            record = logging.LogRecord(
                "x", 40, "p", 1, "stops: %s", (problem,), (ValueError, problem, problem.__traceback__)
            )
        assert sample.value not in form.format(record), sample


def test_no_value_of_the_corpus_is_a_metric() -> None:
    shown = generate_latest().decode()
    assert not [sample for sample in SAMPLES if sample.value in shown]
