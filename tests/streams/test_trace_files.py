"""Every file of the edge cases is read, or refused with a clear reason."""

import gzip
import io
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from streams.otlp import WireError, json_of_request, request_of_json
from streams.split import split
from streams.trace_files import Piece, Unreadable, read
from tests.streams.spans import request, span

DATA = Path(__file__).parents[1] / "data"


def read_all(file: Path) -> tuple[int, int, list[str]]:
    """Good spans, refused spans, and what could not be read."""
    pieces = list(read(str(file)))
    parts = [split(piece.request.SerializeToString()) for piece in pieces if isinstance(piece, Piece)]
    good = sum(len(fragment.ids) for part in parts for fragment in part.fragments.values())
    refused = sum(part.rejected_spans for part in parts)
    return good, refused, [str(piece) for piece in pieces if isinstance(piece, Unreadable)]


@pytest.mark.parametrize(
    ("name", "good", "refused", "unreadable"),
    [
        ("otlp-edge-cases/duckdb-otlp_empty.jsonl", 0, 0, 0),
        ("otlp-edge-cases/duckdb-otlp_malformed.jsonl", 0, 1, 3),
        ("otlp-edge-cases/duckdb-otlp_multifile_malformed_traces.jsonl", 0, 0, 1),
        ("otlp-edge-cases/duckdb-otlp_multifile_valid_traces.jsonl", 1, 0, 0),
        ("otlp-edge-cases/duckdb-otlp_otlp_traces.pb", 1, 0, 0),
        ("otlp-edge-cases/duckdb-otlp_single_trace.jsonl", 1, 0, 0),
        ("otlp-edge-cases/duckdb-otlp_traces_deep_nesting.jsonl", 1, 0, 0),
        ("otlp-edge-cases/duckdb-otlp_traces_large_attrs.jsonl", 1, 0, 0),
        ("otlp-edge-cases/duckdb-otlp_traces_nulls.jsonl", 3, 0, 0),
        ("otlp-edge-cases/duckdb-otlp_traces_simple.jsonl", 3, 0, 0),
        ("otlp-edge-cases/duckdb-otlp_whitespace.jsonl", 0, 0, 0),
        ("otlp-edge-cases/jaeger_otel_traces_01.json", 4, 0, 0),
        ("otlp-edge-cases/jaeger_otlp2jaeger-in.json", 2, 0, 0),
        ("otlp-edge-cases/opentelemetry-proto_trace.json", 1, 0, 0),
        ("otel-demo/traces.json", 21, 0, 0),
        ("train-ticket/normal.jsonl.gz", 4890, 0, 0),
        ("train-ticket/faults.jsonl.gz", 11050, 0, 0),
    ],
)
def test_a_real_file_is_read_or_refused_with_a_reason(
    name: str, good: int, refused: int, unreadable: int
) -> None:
    found = read_all(DATA / name)
    assert (found[0], found[1], len(found[2])) == (good, refused, unreadable), found[2]
    assert all(DATA.name in text and ": " in text for text in found[2])


def test_every_edge_case_stands_in_the_list_above() -> None:
    source = Path(__file__).read_text()
    files = [file for file in (DATA / "otlp-edge-cases").iterdir() if file.name != "SOURCE.md"]
    assert len(files) == 14
    assert all(file.name in source for file in files)


def test_ids_are_hex_in_json_not_base64() -> None:
    ids = b'"traceId": "0AF7651916CD43DD8448EB211C80319C", "spanId": "b7ad6b7169203331"'
    text = b'{"resourceSpans": [{"scopeSpans": [{"spans": [{' + ids + b"}]}]}]}"
    (made,) = request_of_json(text).resource_spans[0].scope_spans[0].spans
    assert (made.trace_id.hex(), made.span_id.hex()) == (
        "0af7651916cd43dd8448eb211c80319c",
        "b7ad6b7169203331",
    )


def test_a_request_survives_json() -> None:
    given = request(("shop", [span(1, 2, 3, name="ü")]))
    assert request_of_json(json_of_request(given)) == given


def test_length_delimited_protobuf_is_told_from_one_message(tmp_path: Path) -> None:
    messages = [request(("shop", [span(1, n)])).SerializeToString() for n in range(1, 200)]
    one, many = tmp_path / "one.binpb", tmp_path / "many.binpb.gz"
    one.write_bytes(messages[0])
    many.write_bytes(gzip.compress(b"".join(bytes((len(m),)) + m for m in messages if len(m) < 128)))
    assert read_all(one) == (1, 0, [])
    assert read_all(many) == (199, 0, [])


def test_standard_input_is_told_by_its_content(monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (
        json_of_request(request(("a", [span(1, 1)]))),
        request(("a", [span(1, 1)])).SerializeToString(),
    ):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        (piece,) = read("-")
        assert isinstance(piece, Piece)
        assert isinstance(piece.request, ExportTraceServiceRequest)


@pytest.mark.parametrize("name", ["spans.csv", "nothing-here.json", "README"])
def test_a_file_that_cannot_be_read_is_told(name: str) -> None:
    with pytest.raises(WireError, match=name):
        list(read(name))
