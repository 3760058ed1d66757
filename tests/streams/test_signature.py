"""The signature format agrees with its vectors, and nothing that it covers can change unnoticed."""

import base64
import hashlib
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from streams.signature import (
    FULL,
    Header,
    Selection,
    Unsignable,
    derived,
    key_info,
    legacy_message,
    message,
    tag,
)
from streams.signature_check import Policy, Reason, UnknownKey, check
from streams.signature_coverage import BadCoverage, read, written
from tests.streams.signed_spans import header_of, only, request_of, sign, vectors

_FILES = ("v1.json", "more.json")
_CASES = [(file, case) for file in _FILES for case in vectors(file)["cases"]]
_MORE = vectors("more.json")
_KEY = bytes.fromhex(_MORE["key_hex"])


@pytest.mark.parametrize(("file", "case"), _CASES, ids=[f"{file}:{case['name']}" for file, case in _CASES])
def test_the_bytes_are_those_of_the_vectors(file: str, case: dict[str, Any]) -> None:
    if "span_hex" in case:
        with pytest.raises(DecodeError):
            ExportTraceServiceRequest.FromString(bytes.fromhex(case["span_hex"]))
        return
    place, span = only(request_of(case))
    if "error" in case:
        with pytest.raises(Unsignable, match=f"^{case['error']}$"):
            message(header_of(case), place, span)
        return
    data = message(header_of(case), place, span)
    assert case.get("canonical_hex", data.hex()) == data.hex()
    assert hashlib.sha256(data).hexdigest() == case["canonical_sha256"]
    assert base64.b64encode(tag(_KEY, data)).decode() == case["tag_b64"]
    if "legacy_tag_b64" in case:
        assert base64.b64encode(tag(_KEY, legacy_message(span))).decode() == case["legacy_tag_b64"]


def test_keys_are_derived_as_the_vectors_say() -> None:
    assert _MORE["kdf"]
    for case in _MORE["kdf"]:
        info = key_info(case["tenant"], case["epoch"], case["format"])
        assert info.hex() == case["info_hex"]
        assert derived(_KEY, info).hex() == case["secret_hex"]


@pytest.mark.parametrize("case", _MORE["coverage"], ids=lambda case: case["text"])
def test_coverages_are_read_as_the_vectors_say(case: dict[str, Any]) -> None:
    if case.get("error"):
        with pytest.raises(BadCoverage):
            read(case["text"])
        return
    keys = case["resource_keys"]
    selection = Selection(case["cov"], None if keys is None else tuple(keys), tuple(case["exclude"]))
    assert read(case["text"]) == selection
    assert written(selection) == case["text"]


def _keys(version: str, key_id: str) -> bytes:
    if key_id != "tenant-abc/1/2026-11-23":
        raise UnknownKey(key_id)
    return _KEY


@pytest.mark.parametrize("case", _MORE["verify"], ids=lambda case: case["name"])
def test_signed_spans_are_judged_as_the_vectors_say(case: dict[str, Any]) -> None:
    place, span = only(request_of(case))
    assert check(place, span, _keys, Policy(accept_legacy=True), 1737580900).reason == case["reason"]


def _removed(span: Span, at: int) -> None:
    del span.attributes[at]


def _renamed(span: Span, at: int) -> None:
    span.attributes[at].key += "x"


def _retyped(span: Span, at: int) -> None:
    span.attributes[at].value.string_value = "changed to this"


def _leaves(span: Span) -> list[Callable[[Span], object]]:
    """Every way to change one field of a span."""
    changes: list[Callable[[Span], object]] = [
        lambda s: setattr(s, "name", s.name + "x"),
        lambda s: setattr(s, "kind", (s.kind + 1) % 6),
        lambda s: setattr(s, "start_time_unix_nano", s.start_time_unix_nano ^ 1),
        lambda s: setattr(s, "end_time_unix_nano", s.end_time_unix_nano ^ 1),
        lambda s: setattr(s, "parent_span_id", b"12345678"),
        lambda s: setattr(s, "trace_state", s.trace_state + "x"),
        lambda s: setattr(s, "flags", s.flags ^ 1),
        lambda s: setattr(s, "dropped_links_count", 7),
        lambda s: setattr(s.status, "message", s.status.message + "x"),
        lambda s: s.events.add(),
        lambda s: s.links.add(),
        lambda s: s.attributes.add(key="new"),
    ]
    for at in range(len(span.attributes)):
        changes += [partial(change, at=at) for change in (_removed, _renamed, _retyped)]
    return changes


_value = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(), st.binary()
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


_FIELDS = {
    bool: "bool_value",
    int: "int_value",
    float: "double_value",
    str: "string_value",
    bytes: "bytes_value",
}


def _put(into: Any, value: Any) -> None:
    if isinstance(value, list):
        into.array_value.SetInParent()
        for each in value:
            _put(into.array_value.values.add(), each)
    elif isinstance(value, dict):
        into.kvlist_value.SetInParent()
        for key, each in value.items():
            _put(into.kvlist_value.values.add(key=key).value, each)
    elif value is not None:
        setattr(into, _FIELDS[type(value)], value)


@given(st.dictionaries(st.text(), _value, max_size=6), st.randoms(use_true_random=False))
def test_any_change_is_found_and_any_order_verifies(values: dict[str, Any], order: random.Random) -> None:
    request = request_of(vectors("v1.json")["cases"][1])
    place, span = only(request)
    del span.attributes[:]
    for key, value in values.items():
        _put(span.attributes.add(key=key).value, value)
    sign(place, span, Header("tenant-abc/1/2026-11-23", 1737580800, Selection(FULL)), _KEY)

    def reason(of: Span) -> Reason:
        return check(place, of, _keys, Policy(min_coverage=FULL), 1737580900).reason

    shuffled = Span.FromString(span.SerializeToString())
    pairs = list(shuffled.attributes)
    order.shuffle(pairs)
    del shuffled.attributes[:]
    shuffled.attributes.extend(pairs)
    assert reason(shuffled) is Reason.OK
    for change in _leaves(span):
        changed = Span.FromString(span.SerializeToString())
        change(changed)
        assert reason(changed) is not Reason.OK
