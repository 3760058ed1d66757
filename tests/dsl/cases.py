"""Random rules and traces for the oracle: trees, their text, and traces as the oracle's spans and as OTLP."""

import json
from typing import Any

from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans

from tests.dsl.oracle import Span, Tree

NAMES = ("a", "b", "p.q", "odd name")
KEYS = ("n", "s", "t.u", "odd key")
ORDER = ("==", "!=", "<", "<=", ">", ">=")
RELATIONS = ("before", "after", "overlaps", "within", "inside", "encloses", "child", "parent", "sibling")
TEXTS = ("x", "y", "5", "true", "-2.5", "")
Draw = Any

# Traces

VALUES = st.one_of(
    st.sampled_from([0, 1, 5, -2, 2**53, 2**53 + 1, 5.0, 2.5, float("nan"), float("inf"), 2.0**53]),
    st.sampled_from(TEXTS),
    st.booleans(),
    st.sampled_from([b"x", None, [], [1, "x"], ["5", True], {"k": 1}]),
)
PAIRS = st.lists(st.tuples(st.sampled_from(KEYS), VALUES), max_size=3)
SPANS = st.builds(
    Span,
    id=st.integers(1, 9).map(lambda number: number.to_bytes(8, "big")),
    parent=st.sampled_from([0, 0, 1, 1, 2, 3, 4, 5, 77]).map(lambda n: n.to_bytes(8, "big") if n else b""),
    name=st.sampled_from(NAMES),
    start=st.integers(1, 12).map(lambda ms: ms * 10**6),
    finish=st.integers(0, 15).map(lambda ms: ms * 10**6),
    attributes=PAIRS,
    resource=st.lists(st.tuples(st.sampled_from(("n", "service.name")), VALUES), max_size=2),
    events=st.lists(st.tuples(st.sampled_from(("x", "y")), PAIRS), max_size=2),
    kind=st.integers(0, 5),
    status=st.integers(0, 2),
)
TRACES = st.lists(SPANS, max_size=8, unique_by=lambda span: span.id)


def message(span: Span) -> ResourceSpans:
    """A span as OTLP."""
    group = ResourceSpans()
    group.resource.attributes.extend(_pairs(span.resource))
    made = group.scope_spans.add().spans.add(
        trace_id=b"\1" * 16,
        span_id=span.id,
        parent_span_id=span.parent,
        name=span.name,
        start_time_unix_nano=span.start,
        end_time_unix_nano=span.finish,
        kind=span.kind,
        attributes=_pairs(span.attributes),
    )
    made.status.code = span.status  # type: ignore[assignment]
    for name, attributes in span.events:
        made.events.add(name=name, attributes=_pairs(attributes))
    return group


def _pairs(pairs: list[tuple[str, Any]]) -> list[KeyValue]:
    return [KeyValue(key=key, value=_any(value)) for key, value in pairs]


def _any(value: Any) -> AnyValue:
    made = AnyValue()
    if isinstance(value, list):
        made.array_value.SetInParent()
        made.array_value.values.extend(_any(item) for item in value)
    elif isinstance(value, dict):
        made.kvlist_value.values.extend(_pairs(list(value.items())))
    elif value is not None:
        kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
        setattr(made, kinds.get(type(value), "bytes_value"), value)
    return made


# Rules

NUMBERS = st.sampled_from([0, 1, 2, 5, -2, 2.5, 2**53 + 1])
ATTRIBUTES = st.one_of(
    st.sampled_from(KEYS).map(lambda key: ("attr", key)),
    st.sampled_from(["n", "s"]).map(lambda key: ("span", key)),
    st.just(("resource", "n")),
    st.sampled_from(["n", "s"]).map(lambda key: ("event", key)),
    st.just(("service",)),
)
TEXT_FIELDS = st.sampled_from([("span:name",), ("span:kind",), ("span:status",), ("event:name",)])
NUMBER_FIELDS = st.sampled_from([("duration",), ("span:duration",), ("span:childCount",)])
FIELDS = st.one_of(ATTRIBUTES, TEXT_FIELDS, NUMBER_FIELDS)


class Maker:
    """Draws the parts of a rule; `aliases` are those visible, `fresh` those not named yet."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw
        self.fresh = ["x", "y", "z"]
        self.lets = 0

    def one(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def rule(self) -> dict[str, Tree]:
        """A pattern, or the clauses of an invariant."""
        if self.one("pattern", "invariant", "invariant") == "pattern":
            return {"pattern": self.condition(3, [], True)}
        visible: list[str] = []
        rule = {"when": self.condition(2, visible, True)}
        for kind in self.one(("always",), ("never",), ("always", "never")):
            rule[kind] = self.condition(2, list(visible), True)
        return rule

    def condition(self, depth: int, visible: list[str], naming: bool) -> Tree:
        """A condition; what it names is added to `visible`."""
        kind = self.one(
            "some", "some", "relation", "compared", "all", *(("and", "or", "not") * 2 if depth else ())
        )
        if kind == "and":
            return "and", [self.condition(depth - 1, visible, naming) for _ in range(self.one(2, 3))]
        if kind == "or":
            return "or", [self.condition(depth - 1, list(visible), True) for _ in range(2)]
        if kind == "not":
            return "not", self.condition(depth - 1, list(visible), True)
        if kind == "all":
            return "all", self.selector(1, visible), self.predicate(1, visible)
        if kind == "compared":
            return self.compared(visible)
        if kind == "relation":
            op = self.one(*RELATIONS)
            gap = self.gap(op)
            left = self.named(self.side(visible), visible)
            return "relation", op, gap, left, self.named(self.side(visible), visible)
        selector, alias = self.named(self.selector(2, visible), visible)
        return "some", selector, alias

    def named(self, selector: Tree, visible: list[str]) -> tuple[Tree, str | None]:
        if selector[0] == "as" or not self.fresh or self.one(True, False):
            return selector, None
        alias = self.fresh.pop(0)
        visible.append(alias)
        return selector, alias

    def gap(self, op: str) -> int | None:
        if op == "within" or (op in ("before", "after") and self.one(True, False)):
            return int(self.one(0, 1, 3)) * 10**6
        return None

    def side(self, visible: list[str]) -> Tree:
        if visible and self.one(True, False):
            return "as", self.one(*visible)
        return self.selector(1, visible)

    def selector(self, depth: int, visible: list[str]) -> Tree:
        kind = self.one(
            "name", "name", "any", "roots", *(("where", "where", "related", "let") if depth else ())
        )
        if kind == "name":
            return "name", self.one(*NAMES)
        if kind == "where":
            return "where", self.selector(depth - 1, visible), self.predicate(2, visible)
        if kind == "related":
            op = self.one(*RELATIONS)
            return "related", op, self.gap(op), self.selector(0, visible), self.side(visible)
        if kind == "let":
            self.lets += 1
            return "let", f"l{self.lets}", self.selector(depth - 1, [])
        return (kind,)

    def predicate(self, depth: int, visible: list[str]) -> Tree:
        kind = self.one(
            "cmp", "cmp", "cmp", "truthy", "exists", "in", *(("and", "or", "not") if depth else ())
        )
        if kind in ("and", "or"):
            return kind, [self.predicate(depth - 1, visible) for _ in range(2)]
        if kind == "not":
            return "not", self.predicate(depth - 1, visible)
        if kind in ("truthy", "exists"):
            return kind, self.field(visible, plain=True)
        if kind == "in":
            items = self.draw(
                st.lists(st.one_of(NUMBERS, st.sampled_from(TEXTS), st.booleans()), min_size=1, max_size=3)
            )
            return "in", self.field(visible, plain=True), items, self.one(True, False)
        return self.comparison(lambda: self.field(visible), lambda: self.right(visible), visible)

    def comparison(self, left: Any, right: Any, visible: list[str]) -> Tree:
        """A comparison that has no error at load: sides whose types may compare."""
        one = left()
        if numeric(one):
            return "cmp", self.one(*ORDER), one, self.number(visible, right)
        if textual(one):
            op = self.one(*ORDER, "contains", "starts_with", "ends_with", "matches")
            return "cmp", op, one, ("literal", self.one("x", "a", "server", "ok", ""))
        kind = self.one("text", "number", "boolean", "field")
        if kind == "number":
            return "cmp", self.one(*ORDER), one, self.number(visible, right)
        if kind == "boolean":
            return "cmp", self.one("==", "!="), one, ("literal", self.one(True, False))
        if kind == "text":
            op = self.one(*ORDER, "contains", "starts_with", "ends_with", "matches")
            return "cmp", op, one, ("literal", self.one(*TEXTS))
        return "cmp", self.one(*ORDER), one, right()

    def number(self, visible: list[str], right: Any) -> Tree:
        kind = self.one("literal", "literal", "time", "reckon")
        if kind == "literal":
            return "literal", self.draw(NUMBERS)
        if kind == "time":
            return "time", self.one(0, 1, 3, 5)
        return "reckon", self.one(*"+-*/"), self.reckoned(right), ("literal", self.draw(NUMBERS))

    def reckoned(self, right: Any) -> Tree:
        found: Tree = right()
        return ("literal", 3) if textual(found) else found

    def field(self, visible: list[str], plain: bool = False) -> Tree:
        if visible and self.one(True, False, False):
            return "alias", self.one(*visible), self.draw(FIELDS)
        found: Tree = self.draw(FIELDS)
        if not plain and self.one(True, False, False, False) and not textual(found):
            return "reckon", self.one(*"+-*/"), found, ("literal", self.draw(NUMBERS))
        return found

    def right(self, visible: list[str]) -> Tree:
        """A field on the right, where an attribute has its scope."""
        if visible and self.one(True, False):
            return "alias", self.one(*visible), self.draw(ATTRIBUTES)
        found: Tree = self.one(("span", "n"), ("resource", "n"), ("event", "n"), ("span", "s"))
        return found

    def compared(self, visible: list[str]) -> Tree:
        """A comparison about the trace."""
        return self.comparison(
            lambda: self.of_trace(visible, True), lambda: self.of_trace(visible, False), visible
        )

    def of_trace(self, visible: list[str], texts: bool) -> Tree:
        kind = self.one(
            "count", "number", "groups", "trace", "of", "of", "root", *(("alias",) * 4 if visible else ())
        )
        fields = FIELDS if texts else ATTRIBUTES
        if kind == "count":
            return "count", self.selector(1, visible)
        if kind == "number":
            fun = self.one("sum", "avg", "min", "max", "p50", "p95", "distinct")
            return "number", fun, self.selector(1, visible), self.draw(st.one_of(ATTRIBUTES, NUMBER_FIELDS))
        if kind == "groups":
            return "groups", self.one("max", "min"), self.selector(1, visible), self.draw(ATTRIBUTES)
        if kind == "trace":
            return "trace", self.one("duration", "span_count", "service_count", "error_count", "depth")
        if kind == "of":
            return "of", self.selector(1, visible), self.draw(fields)
        if kind == "root":
            return "root", self.draw(fields)
        return "alias", self.one(*visible), self.draw(fields)


def numeric(tree: Tree) -> bool:
    """Whether a side is surely a number."""
    if tree[0] in ("alias", "of"):
        return numeric(tree[2])
    if tree[0] == "root":
        return numeric(tree[1])
    numbers = ("duration", "span:duration", "span:childCount", "reckon", "count", "number", "groups", "trace")
    return tree[0] in numbers


def textual(tree: Tree) -> bool:
    """Whether a side is surely text."""
    if tree[0] in ("alias", "of"):
        return textual(tree[2])
    if tree[0] == "root":
        return textual(tree[1])
    return tree[0] in ("span:name", "span:kind", "span:status", "event:name")


@st.composite
def rules(draw: Draw) -> dict[str, Tree]:
    """A rule."""
    return Maker(draw).rule()


# Text


class Printer:
    """Prints trees; the selectors that `let` names are collected on the way."""

    def __init__(self) -> None:
        self.lets: dict[str, str] = {}

    def rule(self, rule: dict[str, Tree]) -> str:
        """The text of a rule."""
        if "pattern" in rule:
            body = self.condition(rule["pattern"])
        else:
            body = "\n".join(f"{kind} {{ {self.condition(tree)} }}" for kind, tree in rule.items())
        return "".join(f"let {name} = {text}\n" for name, text in self.lets.items()) + body

    def condition(self, tree: Tree) -> str:
        """A condition, or one side of a relation with its alias, as `missing` has it."""
        kind = tree[0]
        if not isinstance(kind, str):
            return self.operand(tree)
        if kind in ("and", "or"):
            return f" {kind} ".join(self.inner(item) for item in tree[1])
        if kind == "not":
            return f"not {self.inner(tree[1])}"
        if kind == "some":
            selector = self.selector(tree[1])
            if tree[1][0] == "related":
                selector = f"trace.has({selector})"
            return selector + (f" as {tree[2]}" if tree[2] else "")
        if kind == "all":
            return f"all({self.selector(tree[1])}, {self.predicate(tree[2])})"
        if kind == "relation":
            left, right = (self.operand(side) for side in tree[3:])
            return related(tree[1], tree[2], left, right)
        return f"{self.side(tree[2])} {tree[1]} {self.side(tree[3])}"

    def inner(self, tree: Tree) -> str:
        return f"({self.condition(tree)})" if tree[0] in ("and", "or") else self.condition(tree)

    def operand(self, side: Tree) -> str:
        selector, alias = side
        text = self.selector(selector)
        if selector[0] == "related":
            text = f"trace.has({text})"
        return text + (f" as {alias}" if alias else "")

    def selector(self, tree: Tree) -> str:
        kind = tree[0]
        if kind == "name":
            return quoted(tree[1])
        if kind in ("any", "roots"):
            return "any" if kind == "any" else "root"
        if kind == "as":
            return str(tree[1])
        if kind == "let":
            self.lets.setdefault(tree[1], self.selector(tree[2]))
            return str(tree[1])
        if kind == "where":
            base = self.selector(tree[1])
            return f"{f'({base})' if tree[1][0] == 'related' else base}.where({self.predicate(tree[2])})"
        left, right = self.operand((tree[3], None)), self.operand((tree[4], None))
        return related(tree[1], tree[2], left, right)

    def predicate(self, tree: Tree) -> str:
        kind = tree[0]
        if kind in ("and", "or"):
            return f" {kind} ".join(f"({self.predicate(item)})" for item in tree[1])
        if kind == "not":
            return f"not ({self.predicate(tree[1])})"
        if kind == "truthy":
            return self.side(tree[1])
        if kind == "exists":
            return f"{self.side(tree[1])} exists"
        if kind == "in":
            items = ", ".join(literal(item) for item in tree[2])
            return f"{self.side(tree[1])} {'not in' if tree[3] else 'in'} [{items}]"
        return f"{self.side(tree[2])} {tree[1]} {self.side(tree[3])}"

    def side(self, tree: Tree) -> str:
        kind = tree[0]
        if kind == "literal":
            return literal(tree[1])
        if kind == "time":
            return f"{tree[1]}ms"
        if kind == "reckon":
            parts = [f"({self.side(each)})" if each[0] == "reckon" else self.side(each) for each in tree[2:]]
            return f"{parts[0]} {tree[1]} {parts[1]}"
        if kind == "count":
            return f"count({self.selector(tree[1])})"
        if kind == "number":
            return f"{tree[1]}({self.of(tree[2], tree[3])})"
        if kind == "groups":
            return f"{tree[1]}(count({self.selector(tree[2])}) by {self.field(tree[3])})"
        if kind == "trace":
            return f"trace.{tree[1]}"
        if kind == "of":
            return self.of(tree[1], tree[2])
        return self.field(tree)

    def of(self, selector: Tree, field: Tree) -> str:
        base = self.selector(selector)
        simple = selector[0] in ("any", "roots", "let") or (
            selector[0] == "name" and selector[1] in ("a", "b")
        )
        plain = len(field) == 1 or (field[0] == "attr" and field[1] in ("n", "s"))
        return self.member(base if simple and plain else f"({base})", field)

    def field(self, tree: Tree) -> str:
        if tree[0] == "alias":
            return self.member(tree[1], tree[2])
        if tree[0] == "root":
            return self.member("trace.root", tree[1])
        if tree[0] == "attr":
            return quoted(tree[1])
        return ".".join(tree)

    def member(self, base: str, field: Tree) -> str:
        if field[0] == "attr" and field[1] not in ("n", "s"):
            return f"{base}[{json.dumps(field[1])}]"
        return f"{base}.{'.'.join(field[1:] if field[0] == 'attr' else field)}"


def related(op: str, gap: int | None, left: str, right: str) -> str:
    """The text of a relation."""
    if op == "within":
        return f"{left} within {span(gap)} of {right}"
    word = f"{op} of" if op in ("child", "parent", "sibling") else op
    return f"{left} {word} {right}" + ("" if gap is None else f" within {span(gap)}")


def span(gap: int | None) -> str:
    """A duration, as it is printed."""
    return f"{gap // 10**6}ms" if gap else "0ns"


def literal(value: Any) -> str:
    """A literal's text."""
    return json.dumps(value)


def quoted(name: str) -> str:
    """A name, in quotes where it needs them."""
    return json.dumps(name) if " " in name else name
