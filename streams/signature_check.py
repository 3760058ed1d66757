"""Whether the signature of a span holds."""

import base64
import hmac
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from streams.signature import (
    ALGORITHM,
    FULL,
    STORAGE,
    TAG,
    Coverage,
    Header,
    Place,
    Unsignable,
    is_reserved,
    legacy_message,
    message,
    tag,
)
from streams.signature_coverage import BadCoverage, read

_KEY_ID = re.compile(r"[A-Za-z0-9._:/@-]{1,256}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=")


class Reason(StrEnum):
    """The result for a span; only OK means verified, and KEY_UNAVAILABLE means neither."""

    OK = "ok"
    LEGACY_OK = "legacy_ok"
    MISSING = "missing"
    MALFORMED = "malformed"
    UNSUPPORTED_VERSION = "unsupported_version"
    UNSUPPORTED_ALGORITHM = "unsupported_algorithm"
    COVERAGE_TOO_LOW = "coverage_too_low"
    UNKNOWN_KEY = "unknown_key"
    KEY_UNAVAILABLE = "key_unavailable"
    EXPIRED = "expired"
    FUTURE = "future"
    UNSIGNABLE = "unsignable"
    MISMATCH = "mismatch"
    MISMATCH_POSSIBLE_TRUNCATION = "mismatch_possible_truncation"


class UnknownKey(Exception):
    """A key id that names no key that is configured."""


class KeyUnavailable(Exception):
    """A key that cannot be had now; the text says why."""


Keys = Callable[[str, str], bytes]
"""The secret of a format (`v1` or `adr024`) and key id; raises UnknownKey or KeyUnavailable."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Which signatures are taken for good. Ages are in seconds, None for any."""

    min_coverage: int = STORAGE
    accept_legacy: bool = False
    max_age: float | None = None
    max_future_skew: float = 300.0
    truncated_at: int = 2048


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one span. `key_id` is empty where the span names none."""

    reason: Reason
    key_id: str = ""

    @property
    def verified(self) -> bool:
        return self.reason is Reason.OK


@dataclass(frozen=True, slots=True)
class _Signature:
    version: str
    tag: bytes
    key_id: str
    timestamp: int
    coverage: str


class _Refused(Exception):
    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def check(place: Place, span: Span, keys: Keys, policy: Policy, now: float) -> Result:
    """The result for a span; `now` is in Unix seconds. Passes on KeyUnavailable as a reason."""
    key_id = ""
    try:
        signature = _signature(span.attributes)
        key_id = signature.key_id
        return Result(_checked(signature, place, span, keys, policy, now), key_id)
    except _Refused as refused:
        return Result(refused.reason, key_id)


def _checked(
    signature: _Signature, place: Place, span: Span, keys: Keys, policy: Policy, now: float
) -> Reason:
    legacy = signature.version == "adr024"
    if legacy and not policy.accept_legacy:
        raise _Refused(Reason.UNSUPPORTED_VERSION)
    header = None if legacy else _header(signature, policy)
    secret = _secret(keys, signature)
    try:
        data = legacy_message(span) if header is None else message(header, place, span)
    except Unsignable:
        raise _Refused(Reason.UNSIGNABLE) from None
    if not hmac.compare_digest(tag(secret, data), signature.tag):
        cut = policy.truncated_at and policy.truncated_at in _lengths(place, span)
        raise _Refused(Reason.MISMATCH_POSSIBLE_TRUNCATION if cut else Reason.MISMATCH)
    if signature.timestamp > now + policy.max_future_skew:
        raise _Refused(Reason.FUTURE)
    if policy.max_age is not None and signature.timestamp < now - policy.max_age:
        raise _Refused(Reason.EXPIRED)
    return Reason.LEGACY_OK if legacy else Reason.OK


def _header(signature: _Signature, policy: Policy) -> Header:
    try:
        selection = read(signature.coverage)
    except BadCoverage:
        raise _Refused(Reason.MALFORMED) from None
    if not selection.coverage & Coverage.CORE:
        raise _Refused(Reason.MALFORMED)
    if selection.coverage & ~int(FULL):
        raise _Refused(Reason.UNSUPPORTED_VERSION)
    if selection.coverage & policy.min_coverage != policy.min_coverage:
        raise _Refused(Reason.COVERAGE_TOO_LOW)
    return Header(signature.key_id, signature.timestamp, selection)


def _secret(keys: Keys, signature: _Signature) -> bytes:
    try:
        return keys(signature.version, signature.key_id)
    except UnknownKey:
        raise _Refused(Reason.UNKNOWN_KEY) from None
    except KeyUnavailable:
        raise _Refused(Reason.KEY_UNAVAILABLE) from None


def _signature(attributes: Iterable[KeyValue]) -> _Signature:
    """The signature among the attributes, every part of it once and of its type."""
    reserved = [each for each in attributes if is_reserved(each.key)]
    values = {each.key.removeprefix(TAG).removeprefix("."): each.value for each in reserved}
    if any(count > 1 for count in Counter(each.key for each in reserved).values()):
        raise _Refused(Reason.MALFORMED)
    if "" not in values:
        raise _Refused(Reason.MISSING)
    version = _text(values, "version") if "version" in values else "adr024"
    if "version" in values and version != "v1":
        raise _Refused(Reason.UNSUPPORTED_VERSION)
    encoded, algorithm, key_id = (_text(values, name) for name in ("", "algorithm", "key_id"))
    coverage = _text(values, "coverage") if version == "v1" else ""
    timestamp = values.get("timestamp", AnyValue())
    if not _BASE64.fullmatch(encoded) or not _KEY_ID.fullmatch(key_id) or not timestamp.HasField("int_value"):
        raise _Refused(Reason.MALFORMED)
    decoded = base64.b64decode(encoded)
    if base64.b64encode(decoded).decode() != encoded:
        raise _Refused(Reason.MALFORMED)
    if algorithm != ALGORITHM:
        raise _Refused(Reason.UNSUPPORTED_ALGORITHM)
    return _Signature(version, decoded, key_id, timestamp.int_value, coverage)


def _text(values: dict[str, AnyValue], name: str) -> str:
    value = values.get(name, AnyValue())
    if not value.HasField("string_value"):
        raise _Refused(Reason.MALFORMED)
    return value.string_value


def _lengths(place: Place, span: Span) -> Iterator[int]:
    """The lengths of the keys and strings that a storage may have cut."""
    attributes = [place.resource.attributes, place.scope.attributes, span.attributes]
    attributes += [event.attributes for event in span.events] + [link.attributes for link in span.links]
    for pair in (each for some in attributes for each in some if not is_reserved(each.key)):
        yield len(pair.key.encode())
        yield len(pair.value.string_value.encode())
