"""A small shop, made up: requests that are mostly fine and sometimes break one of its rules."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

TRACES = 40  # of one seed
_MS = 10**6


@dataclass(slots=True)
class _Request:
    """One request of a customer: spans by service, on a clock of its own."""

    draw: random.Random
    start: int
    trace_id: bytes
    at: int = 0  # ms since its start
    spans: list[tuple[str, Span]] = field(default_factory=list)

    def span(self, service: str, name: str, took: int, parent: bytes, **attributes: Any) -> bytes:
        """A span that begins where the last one ended; its id."""
        span = Span(
            trace_id=self.trace_id,
            span_id=self.draw.randbytes(8),
            parent_span_id=parent,
            name=name,
            kind=Span.SPAN_KIND_SERVER if not parent else Span.SPAN_KIND_INTERNAL,
            start_time_unix_nano=self.start + self.at * _MS,
            end_time_unix_nano=self.start + (self.at + took) * _MS,
        )
        for key, value in attributes.items():
            _set(span.attributes.add(key=key.replace("__", ".")).value, value)
        self.spans.append((service, span))
        self.at += took
        return span.span_id


def requests(seed: int, now: Callable[[], int]) -> Iterator[ExportTraceServiceRequest]:
    """OTLP requests of forty traces, two for each; `now` (Unix ns) is asked as each trace begins."""
    draw = random.Random(seed)
    for number in range(TRACES):
        request = _Request(draw, now(), draw.randbytes(16))
        kind = _KINDS[number % len(_KINDS)]
        kind(request, draw.random() < 0.2 or number < 2)
        half = len(request.spans) // 2
        yield _message(request.spans[half:])  # children end first, so they are sent first
        yield _message(request.spans[:half])


def _checkout(request: _Request, breaks: bool) -> None:
    order, amount = f"order-{request.draw.randrange(10**6)}", request.draw.choice((40, 250, 900))
    amount = 1500 if breaks else amount
    root = request.span("gateway", "POST /checkout", 1, b"", http__method="POST")
    cart = request.span("cart", "cart.read", 8, root, items=request.draw.randrange(1, 6))
    request.span("inventory", "database.query", 5, cart, db__statement="SELECT stock")
    if not breaks:
        request.span("payment", "payment.fraud_check", 20, root, order_id=order)
    request.span("payment", "payment.charge_card", 30, root, order_id=order, amount=amount, currency="EUR")
    request.span("mail", "mail.send", 12, root, template="receipt")
    _close(request)


def _account(request: _Request, breaks: bool) -> None:
    root = request.span("gateway", "GET /account", 1, b"", http__method="GET")
    request.span(
        "accounts", "database.query", 6, root, db__statement="SELECT customer", data__contains_pii=True
    )
    if not breaks:
        request.span("audit", "audit.log", 3, root, action="read")
    _close(request)


def _search(request: _Request, breaks: bool) -> None:
    root = request.span("gateway", "GET /search", 1, b"", http__method="GET")
    for number in range(25 if breaks else 3):
        statement = "SELECT price" if breaks else f"SELECT part {number}"
        request.span("inventory", "database.query", 2, root, db__statement=statement)
    _close(request)


def _close(request: _Request) -> None:
    """The root lasts as long as all that it did."""
    request.spans[0][1].end_time_unix_nano = request.start + (request.at + 1) * _MS


def _message(spans: list[tuple[str, Span]]) -> ExportTraceServiceRequest:
    message = ExportTraceServiceRequest()
    for service in dict.fromkeys(service for service, _ in spans):
        resource_spans = message.resource_spans.add()
        _set(resource_spans.resource.attributes.add(key="service.name").value, service)
        scope_spans = resource_spans.scope_spans.add()
        scope_spans.scope.name = "shop"
        scope_spans.spans.extend(span for of, span in spans if of == service)
    return message


def _set(target: Any, value: Any) -> None:
    kind = {bool: "bool_value", int: "int_value"}.get(type(value), "string_value")
    setattr(target, kind, value)


_KINDS = (_checkout, _account, _search)
