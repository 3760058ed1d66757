"""As much of TraceQL as the queries in our documentation use, over OTLP: for where no Tempo can be had.

Spansets `{ a = b && c != d }`, with `||`, parentheses and comparisons, joined by `>` (child), `>>` (below)
and `&&` (in one trace); then perhaps `| rate() by(…)`, `| count_over_time() by(…)`, `| select(…)`. An
attribute that is an array matches by any of its elements, as in Tempo. Written after Tempo's documentation.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>-?\d+(?:\.\d+)?)|(?P<word>[A-Za-z_][\w.:-]*|\.[\w.:-]+)"""
    r"""|(?P<sign>&&|\|\||>>|>=|<=|!=|=~|[{}()|,=<>]))"""
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "=~": lambda a, b: isinstance(a, str) and re.fullmatch(b, a) is not None,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


@dataclass(frozen=True)
class Row:
    """A span as a query sees it."""

    trace: str
    id: str
    parent: str
    fields: Mapping[str, Any]

    def get(self, name: str) -> list[Any]:
        """The values of a field: those of an array, one, or none."""
        if name.startswith("."):
            return self.get(f"span{name}") or self.get(f"resource{name}")
        found = self.fields.get(name)
        return [] if found is None else found if isinstance(found, list) else [found]


def rows(requests: Iterable[ExportTraceServiceRequest]) -> list[Row]:
    """The spans of requests."""
    return [
        Row(
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            {
                "name": span.name,
                "kind": span.kind,
                "status": ("unset", "ok", "error")[span.status.code],
                **{f"resource.{a.key}": _plain(a.value) for a in group.resource.attributes},
                **{f"span.{a.key}": _plain(a.value) for a in span.attributes},
            },
        )
        for request in requests
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    ]


def search(query: str, given: list[Row]) -> list[Row]:
    """The spans that a query finds; SyntaxError for what is not understood here."""
    found, rest = _Query(query, given).spans()
    if rest and rest[0] != "select":
        raise SyntaxError(f"not a search: {query}")
    return found


def metrics(query: str, given: list[Row]) -> dict[tuple[Any, ...], int]:
    """The spans that a metrics query counts in all, by the values of its `by`."""
    found, rest = _Query(query, given).spans()
    if not rest or rest[0] not in ("rate", "count_over_time"):
        raise SyntaxError(f"not metrics: {query}")
    counts: Counter[tuple[Any, ...]] = Counter()
    for row in found:
        counts[tuple(next(iter(row.get(name)), None) for name in rest[1:])] += 1
    return dict(counts)


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None


class _Query:
    def __init__(self, text: str, given: list[Row]) -> None:
        self._tokens: list[str] = []
        at = 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if found is None:
                raise SyntaxError(f"{text[at:]!r} in {text}")
            self._tokens.append(found[0].strip())
            at = found.end()
        self._rows = given
        self._parents = {(row.trace, row.id): row.parent for row in given}

    def spans(self) -> tuple[list[Row], list[str]]:
        """What is found, and the stage that follows: its name, then the fields that it names."""
        found = self._set()
        while self._peek() in (">", ">>", "&&"):
            sign, other = self._take(), self._set()
            found = self._joined(sign, found, other)
        rest = self._stage() if self._peek() == "|" else []
        if self._tokens:
            raise SyntaxError(f"more than was understood: {self._tokens}")
        return found, rest

    def _stage(self) -> list[str]:
        self._take("|")
        words = [word for word in self._tokens if re.match(r"[A-Za-z.]", word) and word != "by"]
        self._tokens = []
        return words

    def _set(self) -> list[Row]:
        self._take("{")
        if self._peek() == "}":
            self._take()
            return self._rows
        matches = self._any()
        self._take("}")
        return [row for row in self._rows if matches(row)]

    def _any(self) -> Callable[[Row], bool]:
        parts = [self._all()]
        while self._peek() == "||":
            self._take()
            parts.append(self._all())
        return lambda row: any(part(row) for part in parts)

    def _all(self) -> Callable[[Row], bool]:
        parts = [self._one()]
        while self._peek() == "&&":
            self._take()
            parts.append(self._one())
        return lambda row: all(part(row) for part in parts)

    def _one(self) -> Callable[[Row], bool]:
        if self._peek() == "(":
            self._take()
            inner = self._any()
            self._take(")")
            return inner
        name, sign, value = self._take(), _COMPARE[self._take()], self._value(self._take())
        return lambda row: any(sign(each, value) for each in row.get(name))

    def _value(self, token: str) -> Any:
        if token.startswith('"'):
            return token[1:-1].replace('\\"', '"')
        if token in ("true", "false"):
            return token == "true"
        return float(token) if re.match(r"-?\d", token) else token

    def _joined(self, sign: str, left: list[Row], right: list[Row]) -> list[Row]:
        traces = {row.trace for row in left} & {row.trace for row in right}
        if sign == "&&":
            return [row for row in [*left, *right] if row.trace in traces]
        above = defaultdict(set)
        for row in left:
            above[row.trace].add(row.id)
        reach = self._ancestors if sign == ">>" else lambda row: [row.parent]
        return [row for row in right if above[row.trace].intersection(reach(row))]

    def _ancestors(self, row: Row) -> list[str]:
        found, at = [], row.parent
        while at:
            found.append(at)
            at = self._parents.get((row.trace, at), "")
        return found

    def _peek(self) -> str | None:
        return self._tokens[0] if self._tokens else None

    def _take(self, wanted: str | None = None) -> str:
        if not self._tokens or wanted not in (None, self._tokens[0]):
            raise SyntaxError(f"{wanted or 'more'} expected at {self._tokens[:3]}")
        return self._tokens.pop(0)
