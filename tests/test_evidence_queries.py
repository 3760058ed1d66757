"""Each query of docs/evidence.md, run against a trace as the Collector wrote it (`test_evidence.GOLDEN`)."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from streams.acts import ACCESS_REFUSED, RULE_CHANGED, Recorded
from streams.evidence import records
from streams.otlp import request_of_json
from tests.streams.test_evidence import retracted
from tests.traceql import Row, metrics, rows, search

TOP = Path(__file__).parent
PAGE = (TOP.parent / "docs" / "evidence.md").read_text()
QUERIES = [
    line for block in re.findall(r"```traceql\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()
]
BROKEN, RETRACTED, TOLD = "betrace.violation", "betrace.violation.retracted", "compliance.evidence"

SEARCHES: list[dict[str, int]] = [  # spans by name, in the order of the page
    {BROKEN: 1, RETRACTED: 1},
    {BROKEN: 1},
    {BROKEN: 1, RETRACTED: 1},
    {BROKEN: 1},
    {BROKEN: 1},
    {BROKEN: 1},
    {RETRACTED: 1},
    {BROKEN: 1},
    {TOLD: 2},
    {TOLD: 1},
    {TOLD: 2},
    {TOLD: 2},
    {TOLD: 5},
    {TOLD: 2},
]
METRICS: list[dict[tuple[str, ...], int]] = [
    {("prices-for-trips",): 1},
    {("high",): 1},
    {("ts-travel-service",): 1},
    {
        ("soc2", "CC7.2", "failure"): 1,
        ("iso27001", "A.8.16", "failure"): 1,
        ("soc2", "CC6.1", "success"): 2,
        ("hipaa", "164.312(a)(1)", "success"): 1,
        ("pci-dss", "7.3.1", "success"): 1,
        ("soc2", "CC8.1", "success"): 1,
        ("pci-dss", "6.5.1", "success"): 1,
    },
]


@pytest.fixture(scope="module")
def found() -> list[Row]:
    """The trace as the Collector wrote it, and acts and a retraction as they are sent."""
    written = []
    for span in json.loads((TOP / "integration" / "train-ticket-fault.json").read_text()):
        resource, scope = span.pop("resource"), span.pop("scope")
        span["startTimeUnixNano"] = span["endTimeUnixNano"] = "1"
        part = {"resource": resource, "scopeSpans": [{"scope": scope, "spans": [span]}]}
        written.append(request_of_json(json.dumps({"resourceSpans": [part]}).encode()))
    recorded = Recorded()
    for act in (ACCESS_REFUSED, RULE_CHANGED):
        recorded.add(act)
    sent = recorded.take(1, 2) + records([json.dumps(retracted(5)).encode()])
    return rows(written + [ExportTraceServiceRequest.FromString(value) for _, value in sent])


def test_every_query_of_the_page_is_tried() -> None:
    assert len(QUERIES) == len(SEARCHES) + len(METRICS)


@pytest.mark.parametrize(("query", "names"), list(zip(QUERIES, SEARCHES, strict=False)))
def test_a_search_finds_what_it_says(found: list[Row], query: str, names: dict[str, int]) -> None:
    assert Counter(row.fields["name"] for row in search(query, found)) == names


@pytest.mark.parametrize(("query", "wanted"), list(zip(QUERIES[len(SEARCHES) :], METRICS, strict=False)))
def test_a_rate_counts_by_what_it_says(found: list[Row], query: str, wanted: Any) -> None:
    assert metrics(query, found) == wanted


@pytest.mark.parametrize("query", ["{", "{ a }", "{ a = 1 } | count() > 2 }", "{ a ~ 1 }", "{ a = 1 } b"])
def test_what_is_no_query_is_refused(found: list[Row], query: str) -> None:
    with pytest.raises((SyntaxError, KeyError)):
        search(query, found)
