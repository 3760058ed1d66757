"""An OTLP endpoint that takes spans: requests over HTTP, and what its answers mean for what was sent."""

import contextlib
import http.client
import socket
import ssl
from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple, Protocol
from urllib.parse import urlsplit

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from streams.config import Endpoint
from streams.tls import client_context

PATIENCE = 10.0  # seconds for an answer
_PATH = "/v1/traces"
_MOST = 64 * 2**10  # bytes of an answer that are read
_OF_THE_DATA = (400, 413, 422)  # what else is refused is wrong with the endpoint, or with how it is asked


class Answer(NamedTuple):
    """What became of a request.

    `refused` is said of what was sent: the same will be refused again. `later` is all else that kept it
    from being taken, and is worth another try; `after` is in how many seconds, if the endpoint said so.
    """

    outcome: Literal["taken", "refused", "later"]
    why: str = ""
    rejected: int = 0  # spans of a request that was taken
    after: float | None = None


class Sender(Protocol):
    """A connection to an endpoint, for one thread."""

    def send(self, request: bytes) -> Answer:
        """Send a serialised `ExportTraceServiceRequest`; blocks up to `PATIENCE`, and does not raise."""
        ...

    def close(self) -> None:
        """Break off, from any thread."""
        ...


def sender(endpoint: Endpoint, now: Callable[[], int]) -> Sender:
    """As the endpoint's settings say; BadFile for a certificate that cannot be used. `now` is Unix ns."""
    if endpoint.protocol == "http":
        return HttpSender(endpoint, now)
    from streams.endpoint_grpc import GrpcSender  # 20 MB that a worker without it has no use for

    return GrpcSender(endpoint)


def taken(body: bytes) -> Answer:
    """The answer of an endpoint that took a request, perhaps without some spans."""
    try:
        partial = ExportTraceServiceResponse.FromString(body).partial_success
    except DecodeError:
        return Answer("later", "the answer is not OTLP: look at evidence.otlp_endpoint")
    return Answer("taken", partial.error_message, partial.rejected_spans)


class HttpSender:
    """OTLP over HTTP, in protobuf, over one connection that is kept."""

    def __init__(self, endpoint: Endpoint, now: Callable[[], int]) -> None:
        self._now = now
        address = urlsplit(endpoint.url)
        self._path = address.path if address.path.strip("/") else _PATH
        self._headers = {**endpoint.headers, "content-type": "application/x-protobuf"}
        host = address.hostname or ""
        self._connection: http.client.HTTPConnection
        if address.scheme == "https":
            context = tls_context(endpoint)
            self._connection = http.client.HTTPSConnection(
                host, address.port, timeout=PATIENCE, context=context
            )
        else:
            self._connection = http.client.HTTPConnection(host, address.port, timeout=PATIENCE)

    def send(self, request: bytes) -> Answer:
        kept = self._connection.sock is not None
        try:
            return self._exchanged(request)
        except ConnectionError as problem:
            self._connection.close()
            # an endpoint that closes what was idle is heard of only now
            return self.send(request) if kept else _unreachable(problem)
        except (OSError, http.client.HTTPException) as problem:
            self._connection.close()
            return _unreachable(problem)

    def close(self) -> None:
        if (connection := self._connection.sock) is not None:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)  # ends what waits for an answer
        self._connection.close()

    def _exchanged(self, request: bytes) -> Answer:
        self._connection.request("POST", self._path, request, self._headers)
        response = self._connection.getresponse()
        body = response.read(_MOST)
        if not response.isclosed():
            self._connection.close()
        return self._meaning(response, body)

    def _meaning(self, response: http.client.HTTPResponse, body: bytes) -> Answer:
        if 200 <= response.status < 300:
            return taken(body)
        why = f"HTTP {response.status}"
        if response.status in _OF_THE_DATA:
            return Answer("refused", why)
        return Answer("later", why, after=seconds(response.headers.get("retry-after"), self._now() / 1e9))


def _unreachable(problem: Exception) -> Answer:
    return Answer("later", f"unreachable: {str(problem) or type(problem).__name__}")


def tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """The TLS context of an endpoint; BadFile for a file that cannot be used."""
    return client_context("evidence.tls", endpoint.ca_file, endpoint.cert_file, endpoint.key_file)


def seconds(text: str | None, now: float) -> float | None:
    """What Retry-After (RFC 9110) says at `now` (Unix s): seconds, or a time; None for what is neither."""
    if text is None or text.strip().isdigit():
        return None if text is None else float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now)
