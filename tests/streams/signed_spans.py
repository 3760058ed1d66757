"""The vectors of the signature format, and spans that are signed in Python."""

import base64
import copy
import json
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from streams.otlp import request_of_value
from streams.signature import Header, Place, Selection, derived, key_info, message, tag
from streams.signature_coverage import written

VECTORS = Path(__file__).parent.parent.parent / "collector" / "spansignature" / "testdata"
MASTER = bytes([1]) * 32


def vectors(file: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / file).read_text(encoding="utf-8"))
    return found


def request_of(case: dict[str, Any]) -> ExportTraceServiceRequest:
    """The request of one vector."""
    schemas = case.get("schema", ["", ""])
    request = request_of_value(
        {
            "resourceSpans": [
                {
                    "resource": case["resource"],
                    "schemaUrl": schemas[0],
                    "scopeSpans": [
                        {"scope": case["scope"], "schemaUrl": schemas[1], "spans": [case["span"]]}
                    ],
                }
            ]
        }
    )
    if case.get("long_bytes"):
        added = only(request)[1].attributes.add(key="long")
        added.value.string_value = "a" * case["long_bytes"]
    return request


def only(request: ExportTraceServiceRequest) -> tuple[Place, Span]:
    """The one span of a request, and where it stands."""
    resource = request.resource_spans[0]
    scope = resource.scope_spans[0]
    return Place(resource.resource, scope.scope, resource.schema_url, scope.schema_url), scope.spans[0]


def header_of(case: dict[str, Any]) -> Header:
    found = case["header"]
    keys = found["resource_keys"]
    selection = Selection(found["cov"], None if keys is None else tuple(keys), tuple(found["exclude"]))
    return Header(found["kid"], found["ts"], selection, found["alg"])


def sign(place: Place, span: Span, header: Header, secret: bytes) -> None:
    """Put a signature on a span."""
    data = message(header, place, span)
    texts = {
        "": base64.b64encode(tag(secret, data)).decode(),
        ".version": "v1",
        ".algorithm": header.algorithm,
        ".key_id": header.key_id,
        ".coverage": written(header.selection),
    }
    for name, text in texts.items():
        span.attributes.add(key=f"span.signature{name}").value.string_value = text
    span.attributes.add(key="span.signature.timestamp").value.int_value = header.timestamp


def signed_request(
    key_id: str, timestamp: int, tenant: str = "", master: bytes = MASTER
) -> ExportTraceServiceRequest:
    """The first vector's span, signed by a key below a master."""
    request = request_of(copy.deepcopy(vectors("v1.json")["cases"][0]))
    place, span = only(request)
    secret = derived(master, key_info(tenant, key_id.rpartition("/")[2]))
    sign(place, span, Header(key_id, timestamp), secret)
    return request
