"""Compiles numbers of the trace: counts, sums, percentiles, and what `trace.` names."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from dsl import nodes as n
from dsl.fields import INTRINSICS, Field, Unit, field_of
from dsl.format import formatted
from dsl.operand import Operand, constant
from dsl.predicate import known_field
from dsl.run import Env, Run
from dsl.scope import Scope
from dsl.selector import Selector, argument, selector
from dsl.trace import Span, Trace
from dsl.values import is_number

_TRACE: dict[str, tuple[Callable[[Trace], int], Unit]] = {
    "trace.duration": (lambda trace: trace.end - trace.start, "duration"),
    "trace.span_count": (lambda trace: len(trace), ""),
    "trace.service_count": (lambda trace: len(trace.services), ""),
    "trace.error_count": (lambda trace: sum(s.message.status.code == 2 for s in trace.spans), ""),
    "trace.depth": (lambda trace: trace.depth, ""),
}
_ROOT = "trace.root"


def of_trace(node: n.Name, scope: Scope) -> Operand:
    """`trace.duration` and the like, and `trace.root.<field>`."""
    text = node.text
    if text in _TRACE:
        read, unit = _TRACE[text]
        return Operand(lambda run, span, env: read(run.trace), unit=unit, kind="number")
    if text.startswith(f"{_ROOT}."):
        return of_root(known_field(node, text[len(_ROOT) + 1 :], scope), scope)
    known = [*_TRACE, f"{_ROOT}.service", "trace.has", "trace.count"]
    scope.wrong(node, f"unknown number of the trace '{text}'", known, text)
    return constant(None)


def of_root(found: Field | None, scope: Scope) -> Operand:
    """A field of the trace's only root; missing unless there is exactly one."""
    if found is None:
        return constant(None)
    if found.key:
        scope.keys.setdefault(found.key)
    read, each = found.read, found.each

    def of_only(run: Run, span: Any, env: Env) -> Any:
        root = run.trace.root
        return read(root, run.trace) if root is not None else [] if each else None

    return Operand(of_only, unit=found.unit, kind=found.kind, each=each, values=found.values)


def is_root(node: n.Node) -> bool:
    """Whether a node is `trace.root`, whose field a bracket names."""
    return isinstance(node, n.Name) and node.text == _ROOT


def aggregate(node: n.Call, scope: Scope) -> tuple[Operand, Selector]:
    """A call that is a number, and the spans that it is of."""
    if node.fun == "count":
        found, read = argument(node.item, scope), _count
        _no_more(node, scope)
        return _operand(found, lambda run, spans: read(spans)), found
    if isinstance(node.item, n.Call) and node.fun in ("max", "min"):
        return _grouped(node, node.item, scope)
    if node.fun == "all":
        scope.wrong(node, "'all' is true or false: it is not compared")
        return constant(None), argument(node.item, scope)
    _no_more(node, scope)
    split = split_field(node.item, scope)
    if split is None:
        scope.wrong(node, f"'{node.fun}' takes a field of spans, as {node.fun}(payment.amount)")
        return constant(None), Selector(lambda run, env: ())
    item, field = split
    found = selector(item, scope)
    if field is None:
        return constant(None), found
    return _of_field(node.fun, found, field), found


def split_field(node: n.Node, scope: Scope) -> tuple[n.Node, Field | None] | None:
    """A field of a selector as the two; None if the node is none. An unknown field is said to be so."""
    match node:
        case n.Nested():
            return split_field(node.item, scope)
        case n.Bracket():
            return node.item, _noted(field_of(node.key, quoted=True), scope)
        case n.FieldOf():
            place = n.Name(node.end - len(node.field), node.end, node.field)
            return node.item, _noted(known_field(place, node.field, scope), scope)
        case n.Name(text=text) if "." in text and not text.startswith("trace."):
            base, _, last = text.rpartition(".")
            middle = node.start + len(base)
            field = known_field(n.Name(middle + 1, node.end, last), last, scope)
            return n.Name(node.start, middle, base), _noted(field, scope)
    return None


def _noted(found: Field | None, scope: Scope) -> Field | None:
    if found is not None and found.key:
        scope.keys.setdefault(found.key)
    return found


def _no_more(node: n.Call, scope: Scope) -> None:
    if node.by is not None:
        scope.wrong(node, "'by' follows a count in max( ) and min( ): max(count(db.query) by db.statement)")
    if node.second is not None:
        scope.wrong(node.second, f"'{node.fun}' takes one argument")


def _grouped(node: n.Call, inner: n.Call, scope: Scope) -> tuple[Operand, Selector]:
    """`max(count(S) by field)`: the largest or smallest group."""
    found = argument(inner.item, scope)
    if inner.fun != "count" or inner.by is not None or node.by is None or node.second is not None:
        scope.wrong(node, f"did you mean '{node.fun}(count({formatted(inner.item)}) by field)'?")
        return constant(None), found
    by = node.by
    field = (
        field_of(by.value, quoted=True) if isinstance(by, n.Text) else known_field(by, formatted(by), scope)
    )
    if _noted(field, scope) is None:
        return constant(None), found
    assert field is not None
    choose = max if node.fun == "max" else min

    def read(run: Run, spans: Any) -> Any:
        groups: dict[object, int] = {}
        for _, value in _values(field, run, spans):
            key = repr(value) if isinstance(value, list | dict) else (isinstance(value, bool), value)
            groups[key] = groups.get(key, 0) + 1
        return choose(groups.values(), default=None)

    return _operand(found, read), found


def _of_field(fun: str, found: Selector, field: Field) -> Operand:
    if fun == "distinct":
        return _operand(found, lambda run, spans: _distinct(field, run, spans))
    reduce = _REDUCE[fun]

    def read(run: Run, spans: Any) -> Any:
        numbers = []
        for _, value in _values(field, run, spans):
            if is_number(value):
                numbers.append(value)
            else:
                run.mismatches += 1
        try:
            return reduce(numbers)
        except OverflowError:
            return None

    return _operand(found, read, field.unit)


def _operand(found: Selector, read: Callable[[Run, Any], Any], unit: Unit = "") -> Operand:
    """A number of what is selected, reckoned once where no alias is read."""
    key = object()

    def value(run: Run, span: Any, env: Env) -> Any:
        if not found.whole:
            return read(run, found.select(run, env))
        if key not in run.kept:
            run.kept[key] = read(run, found.select(run, env))
        return run.kept[key]

    return Operand(value, unit=unit, kind="number", free=found.whole)


def _values(field: Field, run: Run, spans: Any) -> Iterator[tuple[Span, Any]]:
    """The values that are there, with their spans."""
    run.step(len(spans))
    for span in spans:
        value = field.read(span, run.trace)
        for each in value if field.each else [value]:
            if each is not None:
                yield span, each


def _distinct(field: Field, run: Run, spans: Any) -> int:
    def key(value: Any) -> object:
        if isinstance(value, list | dict):
            return repr(value)
        return "NaN" if value != value else (isinstance(value, bool), value)

    return len({key(value) for _, value in _values(field, run, spans)})


def _count(spans: Any) -> int:
    return len(spans)


def _average(numbers: list[Any]) -> Any:
    return sum(numbers) / len(numbers) if numbers else None


def _percentile(percent: int) -> Callable[[list[Any]], Any]:
    """The nearest rank: the least value with at least that share of all values at or below it."""

    def of(numbers: list[Any]) -> Any:
        ordered = sorted(number for number in numbers if number == number)
        return ordered[math.ceil(percent * len(ordered) / 100) - 1] if ordered else None

    return of


_REDUCE: dict[str, Callable[[list[Any]], Any]] = {
    "sum": sum,
    "avg": _average,
    "min": lambda numbers: min(numbers, default=None),
    "max": lambda numbers: max(numbers, default=None),
    **{f"p{percent}": _percentile(percent) for percent in (50, 90, 95, 99)},
}
TRACE_NUMBERS = tuple(_TRACE)
FIELDS = INTRINSICS
