"""A small shop, made up: requests that are mostly fine and sometimes break one of its rules."""

import itertools
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

_MS = 10**6
_BREAKS = 0.1  # of all traces
_FIRST_TO_BREAK = 1  # so that a person need not wait for one
_CART = "SELECT * FROM cart_items WHERE cart_id = $1"
_STOCK = "UPDATE stock SET reserved = reserved + 1 WHERE sku = $1"
_CUSTOMER = "SELECT name, email, address FROM customers WHERE id = $1"
_PRODUCTS = "SELECT * FROM products WHERE category = $1 LIMIT 20"
_PRICES = "SELECT * FROM prices WHERE sku = ANY($1)"
_PRICE = "SELECT * FROM prices WHERE sku = $1"


@dataclass(frozen=True, slots=True)
class _Step:
    """A span to be: what a service does on its own, in ms, and what it calls for, one after the other."""

    service: str
    name: str
    took: float
    attributes: Mapping[str, Any]
    calls: tuple["_Step", ...] = ()
    error: str = ""


def requests(seed: int, now: Callable[[], int]) -> Iterator[ExportTraceServiceRequest]:
    """OTLP requests without end, two or three for each trace, to be sent some hundred ms apart.

    `now` (Unix ns) is asked when a trace begins to be sent, which is when its last span ends. The same seed
    and times give the same requests.
    """
    draw = random.Random(seed)
    for number in itertools.count():
        breaks = number == _FIRST_TO_BREAK or draw.random() < _BREAKS
        step = _checkout(draw, breaks) if number == _FIRST_TO_BREAK else draw.choice(_PAGES)(draw, breaks)
        yield from _messages(_spans(draw, step, now()))


def _checkout(draw: random.Random, breaks: bool) -> _Step:
    order = f"order-{draw.randrange(10**6):06}"
    amount = round(draw.uniform(1001, 4000) if breaks else draw.lognormvariate(4.5, 1.2), 2)
    declined = "card declined" if not breaks and draw.random() < 0.03 else ""
    card = {"order_id": order, "amount": amount, "currency": draw.choice(("EUR", "USD", "GBP"))}
    charge = _Step("payment", "payment.charge_card", _ms(draw, 80), card, error=declined)
    check = _Step(
        "payment", "payment.fraud_check", _ms(draw, 30), {"order_id": order, "score": draw.random()}
    )
    confirm = _Step("checkout", "order.confirm", _ms(draw, 5), {"order_id": order})
    calls = (
        _Step(
            "cart", "cart.read", _ms(draw, 4), {"items": draw.randrange(1, 6)}, (_query(draw, "cart", _CART),)
        ),
        _Step("inventory", "inventory.reserve", _ms(draw, 4), {}, (_query(draw, "inventory", _STOCK),)),
        *(() if breaks else (check,)),
        charge,
        *(() if declined else (confirm,)),
    )
    checkout = _Step("checkout", "checkout", _ms(draw, 10), {"order_id": order}, calls, declined)
    return _page(draw, "POST /api/checkout", 402 if declined else 200, checkout)


def _account(draw: random.Random, breaks: bool) -> _Step:
    customer = f"customer-{draw.randrange(500)}"
    read = _query(draw, "accounts", _CUSTOMER, **{"data.contains_pii": True})
    log = _Step("accounts", "audit.log", _ms(draw, 3), {"audit.action": "read", "audit.subject": customer})
    calls = (read,) if breaks else (read, log)
    return _page(draw, "GET /api/account", 200, _Step("accounts", "account.read", _ms(draw, 6), {}, calls))


def _products(draw: random.Random, breaks: bool) -> _Step:
    prices = [_PRICE] * 20 if breaks else [_PRICES]
    queries = tuple(_query(draw, "inventory", statement) for statement in (_PRODUCTS, *prices))
    return _page(
        draw, "GET /api/products", 200, _Step("inventory", "inventory.list", _ms(draw, 9), {}, queries)
    )


_PAGES = (_checkout, _account, _products, _products)


def _page(draw: random.Random, name: str, status: int, call: _Step) -> _Step:
    method, path = name.split()
    attributes = {"http.request.method": method, "url.path": path, "http.response.status_code": status}
    return _Step("storefront", name, _ms(draw, 6), attributes, (call,))


def _query(draw: random.Random, service: str, statement: str, **more: Any) -> _Step:
    attributes = {"db.system": "postgresql", "db.statement": statement, **more}
    return _Step(service, "database.query", _ms(draw, 4), attributes)


def _ms(draw: random.Random, typical: float) -> float:
    return typical * draw.uniform(0.5, 1.8)


def _spans(draw: random.Random, step: _Step, end: int) -> list[tuple[str, Span]]:
    """The spans of a trace whose root ends then, each with its service, in the order in which they end."""
    spans = list(_placed(draw, step, draw.randbytes(16), None, 0))
    late = end - spans[-1][1].end_time_unix_nano
    for _, span in spans:
        span.start_time_unix_nano += late
        span.end_time_unix_nano += late
    return spans


def _placed(
    draw: random.Random, step: _Step, trace_id: bytes, parent: tuple[str, Span] | None, start: int
) -> Iterator[tuple[str, Span]]:
    span = Span(trace_id=trace_id, span_id=draw.randbytes(8), name=step.name, start_time_unix_nano=start)
    span.kind = _kind(step, parent)
    span.attributes.extend(_attributes(step.attributes))
    if parent:
        span.parent_span_id = parent[1].span_id
    if step.error:
        span.status.MergeFrom(Status(code=Status.STATUS_CODE_ERROR, message=step.error))
    half = round(step.took / 2 * _MS)
    at = start + half
    for call in step.calls:
        for service, called in _placed(draw, call, trace_id, (step.service, span), at):
            at = called.end_time_unix_nano
            yield service, called
    span.end_time_unix_nano = at + half
    yield step.service, span


def _kind(step: _Step, parent: tuple[str, Span] | None) -> Span.SpanKind.ValueType:
    if step.name == "database.query":
        return Span.SPAN_KIND_CLIENT
    return Span.SPAN_KIND_INTERNAL if parent and parent[0] == step.service else Span.SPAN_KIND_SERVER


def _messages(spans: list[tuple[str, Span]]) -> Iterator[ExportTraceServiceRequest]:
    """Each service sends what it has at a moment of its own: those farthest from the storefront first."""
    services = list(dict.fromkeys(service for service, _ in spans))
    for some in (services[: len(services) // 2], services[len(services) // 2 : -1], services[-1:]):
        if some:
            yield _message(some, spans)


def _message(services: list[str], spans: list[tuple[str, Span]]) -> ExportTraceServiceRequest:
    message = ExportTraceServiceRequest()
    for service in services:
        resource_spans = message.resource_spans.add()
        resource_spans.resource.attributes.extend(
            _attributes({"service.name": service, "service.namespace": "shop", "service.version": "1.4.2"})
        )
        scope_spans = resource_spans.scope_spans.add()
        scope_spans.scope.name = "shop"
        scope_spans.spans.extend(span for of, span in spans if of == service)
    return message


def _attributes(values: Mapping[str, Any]) -> Iterator[KeyValue]:
    kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
    for key, value in values.items():
        attribute = KeyValue(key=key)
        setattr(attribute.value, kinds[type(value)], value)
        yield attribute
