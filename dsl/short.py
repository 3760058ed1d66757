"""The short form of a trace, as tests of rules write it, made into OTLP messages."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, TracesData

from dsl.fields import KINDS, STATUSES
from dsl.trace import Trace

START = 1_700_000_000 * 10**9
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)")
_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_KEYS = frozenset(
    [
        "id",
        "parent",
        "name",
        "service",
        "start",
        "duration",
        "kind",
        "status",
        "attributes",
        "resource",
        "events",
        "links",
        "scope",
        "statusMessage",
    ]
)


class ShortFormError(ValueError):
    """A span of the short form that cannot be read; the text says why."""


def trace_of(spans: Sequence[Mapping[str, Any]]) -> Trace:
    """The trace that the short form describes; ShortFormError says what is wrong."""
    data = TracesData()
    for number, span in enumerate(spans):
        _add(data.resource_spans.add(), span, number)
    return Trace.of(data.SerializeToString())


def _add(group: ResourceSpans, given: Mapping[str, Any], number: int) -> None:
    unknown = [key for key in given if key not in _KEYS]
    if unknown or "name" not in given:
        raise ShortFormError(
            f"span {number + 1}: unknown key '{unknown[0]}'" if unknown else f"span {number + 1} needs a name"
        )
    resource = dict(given.get("resource", {}))
    if "service" in given:
        resource["service.name"] = given["service"]
    for key, value in resource.items():
        _set(group.resource.attributes.add(key=str(key)).value, value)
    span = group.scope_spans.add().spans.add(name=str(given["name"]), trace_id=b"\1" * 16)
    span.span_id = _id(str(given.get("id", f"#{number}")))
    if "parent" in given:
        span.parent_span_id = _id(str(given["parent"]))
    span.start_time_unix_nano = START + _ns(given.get("start", 0))
    span.end_time_unix_nano = span.start_time_unix_nano + _ns(given.get("duration", "1ms"))
    span.kind = _number(KINDS, given.get("kind", "unspecified"))  # type: ignore[assignment]
    span.status.code = _number(STATUSES, given.get("status", "unset"))  # type: ignore[assignment]
    span.status.message = str(given.get("statusMessage", ""))
    _fill(span.attributes, given.get("attributes", {}))
    for event in given.get("events", ()):
        made = span.events.add(name=str(_of(event, "name", "")))
        made.time_unix_nano = span.start_time_unix_nano + _ns(_of(event, "time", 0))
        _fill(made.attributes, _of(event, "attributes", {}))
    for link in given.get("links", ()):
        other = span.links.add(
            trace_id=_hex(_of(link, "traceID", ""), 16), span_id=_hex(_of(link, "spanID", ""), 8)
        )
        _fill(other.attributes, _of(link, "attributes", {}))
    scope = group.scope_spans[0].scope
    scope.name, scope.version = (str(given.get("scope", {}).get(key, "")) for key in ("name", "version"))


def _of(part: Any, key: str, default: Any) -> Any:
    """A key of an event or link; an event may be its name alone."""
    if isinstance(part, Mapping):
        return part.get(key, default)
    return str(part) if key == "name" else default


def _hex(text: Any, size: int) -> bytes:
    try:
        found = bytes.fromhex(str(text))
    except ValueError:
        found = b""
    return found if len(found) == size else hashlib.sha256(str(text).encode()).digest()[:size]


def _fill(attributes: Any, given: Mapping[str, Any]) -> None:
    for key, value in given.items():
        _set(attributes.add(key=str(key)).value, value)


def _set(target: AnyValue, value: Any) -> None:
    if isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int):
        target.int_value = value
    elif isinstance(value, float):
        target.double_value = value
    elif isinstance(value, list):
        target.array_value.SetInParent()
        for item in value:
            _set(target.array_value.values.add(), item)
    elif value is not None:
        target.string_value = str(value)


def _number(names: tuple[str, ...], name: Any) -> int:
    if name not in names:
        raise ShortFormError(f"'{name}' is none of {', '.join(names)}")
    return names.index(name)


def _ns(value: Any) -> int:
    found = _DURATION.fullmatch(str(value))
    if found is None and value != 0:
        raise ShortFormError(f"'{value}' is no duration such as 20ms")
    return round(float(found[1]) * _UNITS[found[2]]) if found else 0


def _id(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()[:8]
