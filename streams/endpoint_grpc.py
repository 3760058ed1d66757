"""OTLP over gRPC."""

import ssl
from pathlib import Path
from typing import Any

import grpc
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from streams.config import Endpoint
from streams.endpoint import PATIENCE, Answer, taken, tls_context

_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
_OF_THE_DATA = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE)
_OPTIONS = [
    ("grpc.enable_retries", 0),  # the exporter's own: they keep to what the endpoint says
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.use_local_subchannel_pool", 1),
]


class GrpcSender:
    """OTLP over gRPC, over one channel that is kept."""

    def __init__(self, endpoint: Endpoint) -> None:
        scheme, _, rest = endpoint.url.partition("://")
        target = rest.rstrip("/")
        self._channel = (
            grpc.secure_channel(target, _credentials(endpoint), _OPTIONS)
            if scheme == "https"
            else grpc.insecure_channel(target, _OPTIONS)
        )
        self._metadata = tuple((name.lower(), value) for name, value in endpoint.headers.items())
        self._export = self._channel.unary_unary(_METHOD, bytes, bytes)

    def send(self, request: bytes) -> Answer:
        try:
            return taken(self._export(request, timeout=PATIENCE, metadata=self._metadata))
        except grpc.RpcError as problem:
            return _meaning(problem)
        except ValueError as problem:  # the channel was closed
            return Answer("later", str(problem))

    def close(self) -> None:
        self._channel.close()


def _meaning(problem: Any) -> Answer:
    code = problem.code()
    why = f"gRPC {code.name}: {problem.details()}"
    if code in _OF_THE_DATA:
        return Answer("refused", why)
    return Answer("later", why, after=_after(problem.trailing_metadata() or ()))


def _after(metadata: Any) -> float | None:
    """Seconds that the endpoint asks for, in a RetryInfo."""
    data = next((value for key, value in metadata if key == "grpc-status-details-bin"), b"")
    info = RetryInfo()
    for detail in Status.FromString(data).details:
        if detail.Unpack(info):
            return float(info.retry_delay.ToTimedelta().total_seconds())
    return None


def _credentials(endpoint: Endpoint) -> grpc.ChannelCredentials:
    tls_context(endpoint)  # says what is wrong with the files
    system = ssl.get_default_verify_paths().cafile
    files = (endpoint.ca_file or (Path(system) if system else None), endpoint.key_file, endpoint.cert_file)
    return grpc.ssl_channel_credentials(*(file.read_bytes() if file else None for file in files))
