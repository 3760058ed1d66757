import base64
import gzip
import io
import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from google.protobuf import proto
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from streams import trace_files
from streams.otlp import WireError, span_problem
from streams.trace_files import Problem, TracesPiece, read
from tests.streams.spans import request, span

DATA = Path(__file__).parent.parent / "data"
EDGE = DATA / "otlp-edge-cases"


def spans_of(message: ExportTraceServiceRequest) -> list[Span]:
    return [span for rs in message.resource_spans for ss in rs.scope_spans for span in ss.spans]


def seen(path: Path | str) -> list[str]:
    """`line: names of its spans` or `line: what is wrong` for each part of a file."""
    return [
        f"{part.line}: {part.text}"
        if isinstance(part, Problem)
        else f"{part.line}: {' '.join(s.name for s in spans_of(part.request))}"
        for part in read(str(path))
    ]


def requests_in(data: bytes, folder: Path, name: str) -> list[ExportTraceServiceRequest]:
    path = folder / name
    path.write_bytes(data)
    parts = list(read(str(path)))
    assert not [part for part in parts if isinstance(part, Problem)]
    return [part.request for part in parts if isinstance(part, TracesPiece)]


def one(name: str) -> ExportTraceServiceRequest:
    return request(("shop", [span(1, 1, name=name)]))


def as_json(name: str) -> str:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{"name": name}]}]}]})


def delimited(messages: Iterable[ExportTraceServiceRequest]) -> bytes:
    """Messages with their lengths before them as varints, as protobuf itself writes them."""
    stream = io.BytesIO()
    for message in messages:
        proto.serialize_length_prefixed(message, stream)
    return stream.getvalue()


def four_bytes(messages: Iterable[ExportTraceServiceRequest]) -> bytes:
    """Messages as the Collector's file exporter writes them."""
    parts = [message.SerializeToString() for message in messages]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def written(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize(
    ("file", "spans", "requests"),
    [
        ("otlp-edge-cases/duckdb-otlp_empty.jsonl", 0, 0),
        ("otlp-edge-cases/duckdb-otlp_whitespace.jsonl", 0, 0),
        ("otlp-edge-cases/duckdb-otlp_multifile_valid_traces.jsonl", 1, 1),
        ("otlp-edge-cases/duckdb-otlp_otlp_traces.pb", 1, 1),
        ("otlp-edge-cases/duckdb-otlp_single_trace.jsonl", 1, 1),
        ("otlp-edge-cases/duckdb-otlp_traces_deep_nesting.jsonl", 1, 1),
        ("otlp-edge-cases/duckdb-otlp_traces_large_attrs.jsonl", 1, 1),
        ("otlp-edge-cases/duckdb-otlp_traces_nulls.jsonl", 3, 3),
        ("otlp-edge-cases/duckdb-otlp_traces_simple.jsonl", 3, 3),
        ("otlp-edge-cases/jaeger_otel_traces_01.json", 4, 1),
        ("otlp-edge-cases/jaeger_otlp2jaeger-in.json", 2, 1),
        ("otlp-edge-cases/opentelemetry-proto_trace.json", 1, 1),
        ("otel-demo/traces.json", 21, 1),
        ("train-ticket/normal.jsonl.gz", 4890, 25),
        ("train-ticket/faults.jsonl.gz", 11050, 56),
    ],
)
def test_a_file_of_the_collection_is_read_whole(file: str, spans: int, requests: int) -> None:
    found = [part.request for part in read(str(DATA / file)) if isinstance(part, TracesPiece)]
    assert len(found) == len(list(read(str(DATA / file)))) == requests
    assert sum(len(spans_of(message)) for message in found) == spans
    ids = [(s.trace_id, s.span_id, s.parent_span_id) for message in found for s in spans_of(message)]
    assert all(span_problem(*each) is None for each in ids)


def test_malformed_lines_are_refused_with_their_reasons_and_the_others_read() -> None:
    assert seen(EDGE / "duckdb-otlp_malformed.jsonl") == [
        "1: JSON without resourceSpans; its keys: invalid",
        "2: not JSON: Expecting value: column 1",
        "3: valid span",
        "4: not JSON: Expecting property name enclosed in double quotes: column 2",
    ]
    assert seen(EDGE / "duckdb-otlp_multifile_malformed_traces.jsonl") == [
        "1: not JSON: Unterminated string starting at: column 77"
    ]


def test_a_span_whose_ids_are_not_hexadecimal_is_read_to_be_refused_alone() -> None:
    (part,) = [p for p in read(str(EDGE / "duckdb-otlp_malformed.jsonl")) if isinstance(p, TracesPiece)]
    (bad,) = spans_of(part.request)
    assert span_problem(bad.trace_id, bad.span_id, bad.parent_span_id) == "bad_trace_id"


def test_the_spans_of_a_file_are_those_that_it_says() -> None:
    (part,) = read(str(EDGE / "jaeger_otel_traces_01.json"))
    assert isinstance(part, TracesPiece)
    first = spans_of(part.request)[0]
    attributes = {each.key: each.value for each in first.attributes}
    assert first.trace_id.hex() == "00000000000000010000000000000000"
    assert attributes["peer.ipv4"].int_value == 23456
    assert attributes["blob"].bytes_value == b"\x00\x00\x30\x39"


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.ndjson", "a.txt", "a", "A.JSON"])
def test_json_lines_are_read_by_any_name(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, f"\n{as_json('a')}\n\n{as_json('b')}")
    assert seen(path) == ["2: a", "4: b"]


@pytest.mark.parametrize("name", ["a.json", "a.txt"])
def test_one_json_value_may_take_many_lines(tmp_path: Path, name: str) -> None:
    pretty = json.dumps(json.loads(as_json("a")), indent=1)
    assert seen(written(tmp_path, name, pretty)) == ["1: a"]
    assert seen(written(tmp_path, name, f"[{pretty},\n{as_json('b')}, 5]")) == [
        "1: a",
        "2: b",
        "3: a number, but OTLP/JSON is an object with resourceSpans",
    ]
    assert seen(written(tmp_path, name, pretty[:-1])) == [
        "1: not JSON: Expecting ',' delimiter: line 15, column 1"
    ]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.binpb", "a.pb", "a", "a.json.gz", "a.binpb.gz"])
@pytest.mark.parametrize("nothing", ["", "  \n\t\n "])
def test_a_file_of_nothing_gives_nothing(tmp_path: Path, name: str, nothing: str) -> None:
    data = gzip.compress(nothing.encode()) if name.endswith(".gz") else nothing
    assert seen(written(tmp_path, name, data)) == []


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl", "a"])
def test_compressed_files_are_told_by_their_content(tmp_path: Path, name: str) -> None:
    lines = f"{as_json('a')}\n{as_json('b')}\n".encode()
    assert seen(written(tmp_path, name, gzip.compress(lines))) == ["1: a", "2: b"]
    assert seen(written(tmp_path, "b.jsonl.gz", lines)) == ["1: a", "2: b"]


def test_a_damaged_compressed_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    lines = "".join(f"{as_json(str(n))}\n" for n in range(20_000)).encode()
    cut = gzip.compress(lines, compresslevel=0)[:-1000]
    *good, last = seen(written(tmp_path, "a.jsonl.gz", cut))
    assert good[:2] == ["1: 0", "2: 1"]
    assert len(good) > 10_000
    assert last.startswith(f"{len(good) + 1}: damaged gzip: ")
    assert seen(written(tmp_path, "b.jsonl.gz", b"\x1f\x8b damaged"))[0].startswith("1: damaged gzip: ")


tiny = st.builds(ResourceSpans, schema_url=st.text("x", max_size=9))
messages = st.one_of(
    st.builds(one, st.text("n", max_size=200)),
    st.lists(tiny, min_size=1, max_size=8).map(lambda parts: ExportTraceServiceRequest(resource_spans=parts)),
)


@given(messages)
def test_one_protobuf_message_is_never_taken_for_many(
    tmp_path_factory: pytest.TempPathFactory, message: ExportTraceServiceRequest
) -> None:
    folder = tmp_path_factory.getbasetemp()
    assert requests_in(message.SerializeToString(), folder, "one.binpb") == [message]


@given(st.lists(messages, min_size=1, max_size=4))
def test_many_protobuf_messages_are_never_taken_for_one(
    tmp_path_factory: pytest.TempPathFactory, many: list[ExportTraceServiceRequest]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    assert requests_in(delimited(many), folder, "many.binpb") == many
    assert requests_in(four_bytes(many), folder, "collector.binpb") == many


def test_protobuf_is_told_by_its_content_where_the_name_does_not(tmp_path: Path) -> None:
    assert seen(written(tmp_path, "a", delimited([one("a"), one("b")]))) == ["1: a", "2: b"]
    assert seen(written(tmp_path, "a.gz", gzip.compress(one("a").SerializeToString()))) == ["1: a"]


def test_a_bad_message_among_many_is_refused_alone(tmp_path: Path) -> None:
    data = delimited([one("a")]) + b"\x03\xff\xff\xff" + delimited([one("b")]) + b"\x05\x12\x03abc"
    parts = seen(written(tmp_path, "a.binpb", data))
    assert [parts[0], parts[2]] == ["1: a", "3: b"]
    assert parts[1].startswith("2: not an OTLP protobuf message")
    assert parts[3:] == ["4: a protobuf message, but not OTLP traces"]


def test_messages_that_are_cut_short_are_told(tmp_path: Path) -> None:
    data = delimited([one("a"), one("b")])
    size = len(delimited([one("b")])) - 1
    told = f"2: cut short: {size - 4} of a message's {size} bytes"
    assert seen(written(tmp_path, "a.binpb", data[:-4])) == ["1: a", told]
    assert seen(written(tmp_path, "a.binpb", delimited([one("a")]) + b"\x80")) == [
        "1: a",
        "2: cut short in a message's length",
    ]
    assert seen(written(tmp_path, "a.binpb", four_bytes([one("a")]) + b"\0")) == [
        "1: a",
        "2: cut short in a message's length",
    ]
    assert seen(written(tmp_path, "a.binpb", b"\xff" * 20)) == [
        "1: neither a protobuf message nor the length of one"
    ]


def test_a_line_or_message_over_the_limit_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_files, "LARGEST", 500)
    text = f"{as_json('a')}\n{as_json('x' * 2000)}\n{as_json('b')}"
    assert seen(written(tmp_path, "a.jsonl", text)) == ["1: a", "2: a line of more than 500 bytes", "3: b"]
    data = delimited([one("a"), one("x" * 2000), one("b")])
    assert seen(written(tmp_path, "a.binpb", data)) == ["1: a", "2: a message of 2,084 bytes, more than 500"]


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize(
    "data", [f"{as_json('a')}\n{as_json('b')}".encode(), delimited([one("a"), one("b")])]
)
def test_standard_input_is_told_by_its_content(data: bytes, compress: type[bytes]) -> None:
    program = "from tests.streams.test_trace_files import seen; print(seen('-'))"
    done = subprocess.run(
        [sys.executable, "-c", program], input=compress(data), capture_output=True, check=True
    )
    assert done.stdout.decode().strip() == "['1: a', '2: b']"


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    for path, text in ((tmp_path / "none.json", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(WireError) as problem:
            list(read(str(path)))
        assert (problem.value.reason, str(problem.value)) == ("unreadable", f"{path}: {text}")


def test_a_problem_is_printed_with_its_place() -> None:
    assert str(Problem("a.jsonl", 3, "not JSON")) == "a.jsonl:3: not JSON"


def test_a_line_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "a.jsonl", f"{as_json('a')}\n" * 100_000)
    parts = read(str(path))
    assert isinstance(next(parts), TracesPiece)
    path.write_text("")
    assert len(list(parts)) < 5_000


@pytest.mark.parametrize("shape", ["one line", "indented", "array", "tempo"])
def test_a_json_document_too_large_to_parse_at_once_is_read_by_resource(
    shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = {"traceId": "1" * 32, "name": "a"}
    groups: list[dict[str, object]] = [
        {"scopeSpans": [{"spans": [{**one, "spanId": f"{number:016x}"}]}]} for number in range(1, 50)
    ]
    made: object = {"resourceSpans": groups}
    if shape == "array":
        made = [{"resourceSpans": groups[:25]}, {"resourceSpans": groups[25:]}]
    if shape == "tempo":
        ids = [base64.b64encode(number.to_bytes(8, "big")).decode() for number in range(1, 50)]
        trace_id = base64.b64encode(bytes.fromhex("1" * 32)).decode()
        spans = [{"traceId": trace_id, "spanId": each, "name": "a"} for each in ids]
        made = {"trace": {"resourceSpans": [{"scopeSpans": [{"spans": [each]}]} for each in spans]}}
    path = tmp_path / "large.json"
    path.write_text(json.dumps(made, indent=1 if shape == "indented" else None))

    def read_ids() -> list[bytes]:
        pieces = [piece for piece in read(str(path)) if isinstance(piece, TracesPiece)]
        return [
            each.span_id
            for piece in pieces
            for group in piece.request.resource_spans
            for scope in group.scope_spans
            for each in scope.spans
        ]

    at_once = read_ids()
    monkeypatch.setattr("streams.trace_files._AT_ONCE", 1000)
    assert len(at_once) == 49
    assert read_ids() == at_once
    path.write_text(path.read_text()[:-100])
    assert [str(piece) for piece in read(str(path)) if isinstance(piece, Problem)] != []
