"""What is sent to an OTLP endpoint over HTTP and gRPC, and what its answers mean; against real servers."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)

from streams.config import Endpoint
from streams.endpoint import Answer, Sender, seconds, sender
from tests.certificates import authority
from tests.kafka import free_ports
from tests.streams.spans import request, span
from tests.web import Web, serving

NOW = 1_770_000_000
SENT = request(("shop", [span(1, 1)])).SerializeToString()
PARTIAL = ExportTraceServiceResponse(
    partial_success=ExportTracePartialSuccess(rejected_spans=2, error_message="too old")
).SerializeToString()
NOT_OTLP = Answer("later", "the answer is not OTLP: look at evidence.otlp_endpoint")


def to(url: str, protocol: Any, **more: Any) -> Sender:
    return sender(Endpoint(url, protocol, **more), lambda: NOW * 10**9)


@pytest.fixture
def web() -> Iterator[Web]:
    with serving(Web()) as running:
        yield running


@pytest.mark.parametrize(
    ("path", "wanted"), [("", "/v1/traces"), ("/", "/v1/traces"), ("/otlp/v1/traces", "/otlp/v1/traces")]
)
def test_over_http_the_bytes_go_to_the_path_with_the_headers(web: Web, path: str, wanted: str) -> None:
    with contextlib.closing(
        to(f"http://{web.address}{path}", "http", headers={"X-Scope-OrgID": "t1"})
    ) as made:
        assert made.send(SENT) == made.send(b"") == Answer("taken")
    assert web.seen == [(wanted, "t1", SENT), (wanted, "t1", b"")]


@pytest.mark.parametrize(
    ("status", "headers", "body", "means"),
    [
        (200, {}, PARTIAL, Answer("taken", "too old", 2)),
        (202, {}, b"", Answer("taken")),
        (
            200,
            {},
            b"<html>hello</html>",
            NOT_OTLP,
        ),
        (400, {}, b"no", Answer("refused", "HTTP 400")),
        (413, {}, b"", Answer("refused", "HTTP 413")),
        (401, {}, b"", Answer("later", "HTTP 401")),
        (404, {}, b"", Answer("later", "HTTP 404")),
        (500, {}, b"", Answer("later", "HTTP 500")),
        (429, {"retry-after": "7"}, b"", Answer("later", "HTTP 429", after=7.0)),
        (503, {"retry-after": "Mon, 02 Feb 2026 02:40:30 GMT"}, b"", Answer("later", "HTTP 503", after=30.0)),
        (503, {"retry-after": "soon"}, b"", Answer("later", "HTTP 503")),
    ],
)
def test_what_an_http_endpoint_says_is_understood(
    web: Web, status: int, headers: dict[str, str], body: bytes, means: Answer
) -> None:
    web.answer = (status, headers, body)
    with contextlib.closing(to(f"http://{web.address}", "http")) as made:
        assert made.send(SENT) == means
        web.answer = (200, {}, b"")
        assert made.send(SENT) == Answer("taken")


def test_an_endpoint_that_is_away_or_has_another_certificate_is_for_later(tmp_path: Path) -> None:
    good, other = authority(tmp_path, "good"), authority(tmp_path, "other")
    (port,) = free_ports(1)
    for protocol in ("http", "grpc"):
        with contextlib.closing(to(f"http://localhost:{port}", protocol)) as made:
            assert made.send(SENT).outcome == "later"
    with serving(Web(good.sign("localhost", "DNS:localhost"))) as secured:
        with contextlib.closing(to(f"https://{secured.address}", "http", ca_file=good.cert)) as made:
            assert made.send(SENT) == Answer("taken")
        with contextlib.closing(to(f"https://{secured.address}", "http", ca_file=other.cert)) as made:
            assert made.send(SENT).outcome == "later"


class Rpc(grpc.GenericRpcHandler):
    """A gRPC service that notes what comes, and answers as it is told."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, object, bytes]] = []
        self.answer: Callable[[grpc.ServicerContext], bytes] = lambda _: b""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        def export(data: bytes, context: grpc.ServicerContext) -> bytes:
            named = dict(context.invocation_metadata())
            self.seen.append((details.method, named.get("authorization"), data))
            return self.answer(context)

        return grpc.unary_unary_rpc_method_handler(export, bytes, bytes)


@contextlib.contextmanager
def calling(service: Rpc, credentials: grpc.ServerCredentials | None = None) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((service,))
    address = "localhost:0"
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop(None).wait()


def failing(code: grpc.StatusCode, delay: int | None = None) -> Callable[[grpc.ServicerContext], bytes]:
    """An answer of a code, with a RetryInfo of so many seconds."""

    def answer(context: grpc.ServicerContext) -> bytes:
        if delay is not None:
            detail = AnyMessage()
            detail.Pack(RetryInfo(retry_delay=Duration(seconds=delay)))
            status = Status(code=code.value[0], message="no", details=[detail])
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(code, "no")
        raise AssertionError

    return answer


@pytest.mark.parametrize(
    ("answer", "means"),
    [
        (lambda _: b"", Answer("taken")),
        (lambda _: PARTIAL, Answer("taken", "too old", 2)),
        (failing(grpc.StatusCode.INVALID_ARGUMENT), Answer("refused", "gRPC INVALID_ARGUMENT: no")),
        (failing(grpc.StatusCode.UNAVAILABLE, 9), Answer("later", "gRPC UNAVAILABLE: no", after=9.0)),
        (failing(grpc.StatusCode.RESOURCE_EXHAUSTED), Answer("later", "gRPC RESOURCE_EXHAUSTED: no")),
        (failing(grpc.StatusCode.UNAUTHENTICATED), Answer("later", "gRPC UNAUTHENTICATED: no")),
        (failing(grpc.StatusCode.UNIMPLEMENTED), Answer("later", "gRPC UNIMPLEMENTED: no")),
    ],
)
def test_what_a_grpc_endpoint_says_is_understood(answer: Any, means: Answer) -> None:
    service = Rpc()
    service.answer = answer
    with (
        calling(service) as address,
        contextlib.closing(to(f"http://{address}", "grpc", headers={"Authorization": "Bearer x"})) as made,
    ):
        assert made.send(SENT) == means
    method = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
    assert service.seen == [(method, "Bearer x", SENT)]


def test_grpc_over_tls_with_certificates_on_both_sides(tmp_path: Path) -> None:
    trusted = authority(tmp_path, "trusted")
    shown, mine = trusted.sign("localhost", "DNS:localhost"), trusted.sign("client")
    credentials = grpc.ssl_server_credentials(
        [(shown.key.read_bytes(), shown.cert.read_bytes())], trusted.cert.read_bytes(), True
    )
    with calling(Rpc(), credentials) as address:
        files = {"ca_file": trusted.cert, "cert_file": mine.cert, "key_file": mine.key}
        with contextlib.closing(to(f"https://{address}", "grpc", **files)) as made:
            assert made.send(SENT) == Answer("taken")
        with contextlib.closing(to(f"https://{address}", "grpc", ca_file=trusted.cert)) as made:
            assert made.send(SENT).outcome == "later"


def test_retry_after_in_the_past_is_now() -> None:
    assert seconds("Mon, 02 Feb 2015 02:40:30 GMT", NOW) == 0.0
    assert seconds(None, NOW) is None


def test_a_connection_that_was_closed_meanwhile_is_no_failure(web: Web) -> None:
    web.closes = True
    with contextlib.closing(to(f"http://{web.address}", "http")) as made:
        assert [made.send(SENT) for _ in range(3)] == [Answer("taken")] * 3
    assert len(web.seen) == 3


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_an_endpoint_that_says_nothing_is_given_up_when_told_to(protocol: str) -> None:
    with socket.create_server(("localhost", 0)) as silent:
        made = to(f"http://localhost:{silent.getsockname()[1]}", protocol)
        answers: list[Answer] = []
        asking = threading.Thread(target=lambda: answers.append(made.send(SENT)), daemon=True)
        asking.start()
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(1)
            made.close()
            asking.join(5)
    assert [answer.outcome for answer in answers] == ["later"]
