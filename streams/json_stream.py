"""A JSON document that is too large to be parsed at once, a resource's spans at a time."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import ijson

from streams.otlp import WireError

_PLACES = {  # of the items of which a document is made, and what they are wrapped in
    "item": (),
    "resourceSpans.item": ("resourceSpans",),
    "resource_spans.item": ("resourceSpans",),
    "batches.item": ("batches",),
    "trace.resourceSpans.item": ("trace", "resourceSpans"),
    "trace.batches.item": ("trace", "batches"),
    "result.resourceSpans.item": ("result", "resourceSpans"),
}


def parts(stream: BinaryIO) -> Iterator[dict[str, Any]]:
    """The requests that the document comes to, one for each resource; WireError where it is no JSON."""
    try:
        yield from _parts(stream)
    except ijson.JSONError as problem:
        raise WireError("malformed", f"not JSON: {' '.join(str(problem).split())[:200]}") from None


def _parts(stream: BinaryIO) -> Iterator[dict[str, Any]]:
    builder: Any = None
    place = ""
    for prefix, event, value in ijson.parse(stream, use_float=True):
        if builder is None and event == "start_map" and prefix in _PLACES:
            builder, place = ijson.ObjectBuilder(), prefix
        if builder is None:
            continue
        builder.event(event, value)
        if event == "end_map" and prefix == place:
            yield _wrapped(builder.value, _PLACES[place])
            builder = None


def _wrapped(item: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    made: Any = [item] if keys else item
    for key in reversed(keys):
        made = {key: made}
    found: dict[str, Any] = made
    return found
