"""A second evaluator, written from the language reference alone: brute force, and no line shared with `dsl`.

A rule is a tree of tuples, made by `tests/dsl/cases.py`, which `text` prints. A trace is a list of `Span`.
"""

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Tree = tuple[Any, ...]
Env = dict[str, "Span"]
MS = 10**6


@dataclass(eq=False)
class Span:
    """A span as plain values; times in ns. Events and links are lists of attribute mappings."""

    id: bytes
    parent: bytes
    name: str
    start: int
    finish: int
    attributes: list[tuple[str, Any]] = field(default_factory=list)
    resource: list[tuple[str, Any]] = field(default_factory=list)
    events: list[tuple[str, list[tuple[str, Any]]]] = field(default_factory=list)
    kind: int = 0
    status: int = 0

    @property
    def end(self) -> int:
        return max(self.start, self.finish)


@dataclass(frozen=True)
class Breach:
    """A violation: the clause, the bound or evidence spans with their roles, and what is missing."""

    clause: str
    spans: frozenset[tuple[str, bytes]]
    missing: tuple[str, ...]


# Values


def last(pairs: list[tuple[str, Any]], key: str) -> Any:
    return next((value for name, value in reversed(pairs) if name == key), None)


def is_number(value: Any) -> bool:
    return type(value) in (int, float)


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, list):
        return any(equal(item, b) for item in a)
    if isinstance(b, list):
        return any(equal(a, item) for item in b)
    if is_number(a) and is_number(b):
        return bool(a == b)
    return type(a) is type(b) and not isinstance(a, dict) and a == b


def comparable(a: Any, b: Any) -> bool:
    if is_number(a) and is_number(b):
        return True
    return type(a) is type(b) and type(a) in (str, bool, bytes)


def compare(op: str, a: Any, b: Any) -> bool:
    if a is None or b is None:
        return False
    if op == "==":
        return equal(a, b)
    if op == "!=":
        if isinstance(a, list) or isinstance(b, list):
            return not equal(a, b)
        nan = any(isinstance(each, float) and math.isnan(each) for each in (a, b))
        return comparable(a, b) and not nan and not equal(a, b)
    if op == "contains" and isinstance(a, list):
        return equal(a, b)
    if op in ("contains", "starts_with", "ends_with", "matches"):
        if not (isinstance(a, str) and isinstance(b, str)):
            return False
        return {
            "contains": b in a,
            "starts_with": a.startswith(b),
            "ends_with": a.endswith(b),
            "matches": bool(re.search(b, a)) if op == "matches" else False,
        }[op]
    if not comparable(a, b) or type(a) in (bool, bytes):
        return False
    return bool({"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op])


def beside(literal: Any, value: Any) -> Any:
    """An attribute's value as it compares with a literal."""
    if isinstance(value, list):
        return [beside(literal, item) for item in value]
    if not isinstance(value, str):
        return value
    if is_number(literal) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", value):
        return int(value) if re.fullmatch(r"-?[0-9]+", value) else float(value)
    if isinstance(literal, bool) and value in ("true", "false"):
        return value == "true"
    return value


@dataclass
class Val:
    """Possible values (several for events), their unit, and whether this is a literal."""

    options: list[Any]
    unit: str = ""
    literal: bool = False


def compare_vals(op: str, left: Val, right: Val) -> bool:
    for a, b in itertools.product(left.options, right.options):
        if a is None or b is None:
            continue
        if right.literal:
            a = beside(b, a)
        if left.literal:
            b = beside(a, b)
        if left.unit == "duration" and not right.unit and is_number(b):
            b = b * MS
        if right.unit == "duration" and not left.unit and is_number(a):
            a = a * MS
        if compare(op, a, b):
            return True
    return False


# The evaluator


@dataclass
class Oracle:
    """The trace's distinct spans, in order."""

    spans: list[Span]

    def __post_init__(self) -> None:
        self.spans = sorted(self.spans, key=lambda span: (span.start, span.id))
        self.by_id = {span.id: span for span in self.spans}

    def ancestors(self, span: Span) -> list[Span]:
        chain: list[Span] = []
        at = span
        while at.parent and at.parent in self.by_id:
            at = self.by_id[at.parent]
            if at is span or at in chain:
                break
            chain.append(at)
        return chain

    def roots(self) -> list[Span]:
        return [span for span in self.spans if not span.parent]

    # Fields

    def field(self, tree: Tree, span: Span | None, env: Env) -> Val:
        if tree[0] == "alias":
            return self.field(tree[2], env[tree[1]], env)
        if tree[0] == "root":
            only = self.roots()
            return self.field(tree[1], only[0], env) if len(only) == 1 else Val([None])
        assert span is not None, tree
        kind, *rest = tree
        if kind == "attr":
            own = last(span.attributes, rest[0])
            return Val([last(span.resource, rest[0]) if own is None else own])
        if kind == "span":
            return Val([last(span.attributes, rest[0])])
        if kind == "resource":
            return Val([last(span.resource, rest[0])])
        if kind == "event":
            return Val([last(attributes, rest[0]) for _, attributes in span.events])
        plain: dict[str, Val] = {
            "service": Val([last(span.resource, "service.name")]),
            "duration": Val([span.end - span.start], "duration"),
            "span:duration": Val([span.end - span.start], "duration"),
            "timestamp": Val([span.start], "time"),
            "end": Val([span.end], "time"),
            "span:name": Val([span.name]),
            "span:kind": Val(
                [(["unspecified", "internal", "server", "client", "producer", "consumer"])[span.kind]]
            ),
            "span:status": Val([(["unset", "ok", "error"])[span.status]]),
            "span:childCount": Val([sum(other.parent == span.id for other in self.spans)]),
            "event:name": Val([name for name, _ in span.events]),
        }
        return plain[kind]

    # What is said of one span

    def value(self, tree: Tree, span: Span | None, env: Env) -> Val:
        if tree[0] == "literal":
            return Val([tree[1]], literal=True)
        if tree[0] == "time":
            return Val([tree[1] * MS], "duration", True)
        if tree[0] == "reckon":
            return self.reckon(tree[1], self.value(tree[2], span, env), self.value(tree[3], span, env))
        if tree[0] in ("count", "number", "groups", "trace"):
            return self.number(tree, env)
        return self.field(tree, span, env)

    def reckon(self, op: str, left: Val, right: Val) -> Val:
        units = (left.unit, right.unit)
        scale = (1, 1)
        if op in "+-":
            unit = "time" if "time" in units else "duration" if "duration" in units else ""
            if unit:
                scale = (1 if units[0] else MS, 1 if units[1] else MS)
            if units == ("time", "time"):
                unit = "duration"
        elif op == "*":
            unit = "duration" if "duration" in units else ""
        else:
            unit = "duration" if units == ("duration", "") else ""

        def one(a: Any, b: Any) -> Any:
            if not is_number(a) or not is_number(b):
                return None
            a, b = a * scale[0], b * scale[1]
            if op == "/":
                return a / b if b != 0 else None
            return a + b if op == "+" else a - b if op == "-" else a * b

        return Val([one(a, b) for a, b in itertools.product(left.options, right.options)], unit)

    def says(self, tree: Tree, span: Span, env: Env) -> bool:
        kind = tree[0]
        if kind == "and":
            return all(self.says(item, span, env) for item in tree[1])
        if kind == "or":
            return any(self.says(item, span, env) for item in tree[1])
        if kind == "not":
            return not self.says(tree[1], span, env)
        if kind == "cmp":
            return compare_vals(tree[1], self.value(tree[2], span, env), self.value(tree[3], span, env))
        found = self.value(tree[1], span, env)
        options = found.options
        if kind == "exists":
            return any(value is not None for value in options)
        if kind == "truthy":
            return any(
                value is True or value == "true" or (is_number(value) and value == value and value != 0)
                for value in options
                if not isinstance(value, list | dict)
            )
        assert kind == "in", tree
        hits = [
            any(compare_vals("==", Val([value], found.unit), Val([item], literal=True)) for item in tree[2])
            for value in options
            if value is not None
        ]
        return any(hit is not tree[3] for hit in hits)

    # Selectors

    def select(self, tree: Tree, env: Env) -> list[Span]:
        kind = tree[0]
        if kind == "name":
            return [span for span in self.spans if span.name == tree[1]]
        if kind == "any":
            return self.spans
        if kind == "roots":
            return self.roots()
        if kind == "as":
            return [env[tree[1]]]
        if kind == "let":
            return self.select(tree[2], env)
        if kind == "where":
            return [span for span in self.select(tree[1], env) if self.says(tree[2], span, env)]
        assert kind == "related", tree
        _, op, gap, left, right = tree
        others = self.select(right, env)
        return [a for a in self.select(left, env) if any(self.relates(op, gap, a, b) for b in others)]

    def relates(self, op: str, gap: int | None, a: Span, b: Span) -> bool:
        if a is b:
            return False
        if op == "after":
            return self.relates("before", gap, b, a)
        if op == "before":
            return a.end <= b.start and (gap is None or b.start - a.end <= gap)
        if op == "within":
            assert gap is not None
            apart = b.start - a.end if a.end < b.start else a.start - b.end if b.end < a.start else 0
            return apart <= gap
        if op == "overlaps":
            return a.start < b.end and b.start < a.end
        if op == "encloses":
            return a in self.ancestors(b)
        if op == "inside":
            return b in self.ancestors(a)
        if op == "parent":
            return b.parent == a.id
        if op == "child":
            return a.parent == b.id
        assert op == "sibling", op
        return bool(a.parent) and a.parent == b.parent

    # Numbers of the trace

    def number(self, tree: Tree, env: Env) -> Val:
        kind = tree[0]
        if kind == "count":
            return Val([len(self.select(tree[1], env))])
        if kind == "trace":
            return self.of_trace(tree[1])
        if kind == "groups":
            _, fun, selector, by = tree
            found = [
                v for s in self.select(selector, env) for v in self.field(by, s, env).options if v is not None
            ]
            sizes = [sum(repr_of(v) == repr_of(other) for other in found) for v in found]
            return Val([(max if fun == "max" else min)(sizes) if sizes else None])
        return self.aggregate(tree, env)

    def of_trace(self, what: str) -> Val:
        spans = self.spans
        if what == "duration":
            length = max((s.end for s in spans), default=0) - min((s.start for s in spans), default=0)
            return Val([length], "duration")
        services = [last(span.resource, "service.name") for span in spans]
        known = {service for service in services if isinstance(service, str) and service}
        return Val(
            [
                {
                    "span_count": len(spans),
                    "service_count": len(known),
                    "error_count": sum(span.status == 2 for span in spans),
                    "depth": max((1 + len(self.ancestors(span)) for span in spans), default=0),
                }[what]
            ]
        )

    def aggregate(self, tree: Tree, env: Env) -> Val:
        _, fun, selector, field_tree = tree
        vals = [self.field(field_tree, span, env) for span in self.select(selector, env)]
        found = [value for val in vals for value in val.options if value is not None]
        unit = "duration" if field_tree[0] in ("duration", "span:duration") else ""
        if fun == "distinct":
            return Val([len({repr_of(value) for value in found})])
        numbers = sorted(value for value in found if is_number(value))
        if fun == "sum":
            return Val([sum(v for v in found if is_number(v))], unit)
        if not numbers:
            return Val([None], unit)
        if fun == "avg":
            return Val([sum(v for v in found if is_number(v)) / len(numbers)], unit)
        rank = {"min": 1, "max": len(numbers)}.get(fun)
        if rank is None:
            rank = math.ceil(int(fun[1:]) / 100 * len(numbers) - 1e-9)
        return Val([numbers[rank - 1]], unit)

    # Conditions

    def ways(self, tree: Tree, env: Env) -> list[Env]:
        """All the ways in which a condition holds: the aliases bound then."""
        kind = tree[0]
        if kind == "some":
            _, selector, alias = tree
            found = self.select(selector, env)
            return [{**env, alias: span} for span in found] if alias else [env][: len(found)]
        if kind == "and":
            envs = [env]
            for item in tree[1]:
                envs = [way for each in envs for way in self.ways(item, each)]
            return envs
        if kind == "or":
            return [env] if any(self.ways(item, env) for item in tree[1]) else []
        if kind == "not":
            return [] if self.ways(tree[1], env) else [env]
        if kind == "relation":
            related = [way for way, _, _ in self.pairs(tree, env)]
            return related if tree[3][1] or tree[4][1] else related[:1]
        return [env] if self.holds(tree, env) else []

    def pairs(self, tree: Tree, env: Env) -> list[tuple[Env, Span, Span]]:
        _, op, gap, (left, first_alias), (right, second_alias) = tree
        found: dict[tuple[Any, ...], tuple[Env, Span, Span]] = {}
        for a in self.select(left, env):
            one = {**env, first_alias: a} if first_alias else env
            for b in self.select(right, one):
                if self.relates(op, gap, a, b):
                    way = {**one, second_alias: b} if second_alias else one
                    key = (a.id if first_alias else None, b.id if second_alias else None)
                    found.setdefault(key, (way, a, b))
        return list(found.values())

    def holds(self, tree: Tree, env: Env) -> bool:
        if tree[0] == "all":
            return all(self.says(tree[2], span, env) for span in self.select(tree[1], env))
        return bool(self.matching(tree, env))

    def matching(self, tree: Tree, env: Env) -> list[tuple[Span | None, Span | None]]:
        """The pairs of spans of a comparison's sides that satisfy it."""
        _, op, left, right = tree
        return [
            (one, other)
            for one, a in self.side(left, env)
            for other, b in self.side(right, env)
            if compare_vals(op, a, b)
        ]

    def side(self, tree: Tree, env: Env) -> list[tuple[Span | None, Val]]:
        if tree[0] == "of":
            return [(span, self.field(tree[2], span, env)) for span in self.select(tree[1], env)]
        if tree[0] == "reckon":
            sides = itertools.product(self.side(tree[2], env), self.side(tree[3], env))
            return [(one or other, self.reckon(tree[1], a, b)) for (one, a), (other, b) in sides]
        return [(None, self.value(tree, None, env))]

    def missing(self, tree: Tree, env: Env, text: Any) -> list[str]:
        kind = tree[0]
        if kind == "not":
            return []
        if kind == "or":
            return [each for item in tree[1] for each in self.missing(item, env, text)]
        if kind == "and":
            lacking: list[str] = []
            envs, unknown = [env], set[str]()
            for item in tree[1]:
                if reads(item) & unknown:
                    unknown |= names(item)
                    continue
                found = [way for each in envs for way in self.ways(item, each)]
                if found:
                    envs = found
                else:
                    lacking += self.missing(item, envs[0], text)
                    unknown |= names(item)
            return lacking
        if kind == "relation":
            _, _, _, (left, alias), (right, _) = tree
            lefts = self.select(left, env)
            starts = [{**env, alias: a} for a in lefts] if alias and alias in reads(("x", right)) else [env]
            rights = [b for start in starts for b in self.select(right, start)]
            if not lefts or not rights:
                sides = [(lefts, tree[3]), (rights, tree[4])]
                return [text(side) for found, side in sides if not found]
        return [text(tree)]

    def evidence(self, tree: Tree, env: Env) -> set[bytes]:
        kind = tree[0]
        if kind == "some":
            return {span.id for span in self.select(tree[1], env)}
        if kind == "not":
            return set()
        if kind == "or":
            true = [item for item in tree[1] if self.ways(item, env)]
            return {each for item in true for each in self.evidence(item, env)}
        if kind == "and":
            found: set[bytes] = set()
            envs = [env]
            for item in tree[1]:
                following = [way for each in envs for way in self.ways(item, each)]
                if following:
                    found |= {each for way in envs for each in self.evidence(item, way)}
                    envs = following
            return found
        if kind == "relation":
            _, op, gap, (left, alias), (right, _) = tree
            out: set[bytes] = set()
            for a in self.select(left, env):
                for b in self.select(right, {**env, alias: a} if alias else env):
                    if self.relates(op, gap, a, b):
                        out |= {a.id, b.id}
            return out
        if kind == "all":
            return {span.id for span in self.select(tree[1], env)}
        spans = {s.id for pair in self.matching(tree, env) for s in pair if s}
        return spans | {s.id for side in tree[2:] for sel in counted(side) for s in self.select(sel, env)}

    # Rules

    def judge(self, rule: dict[str, Tree], text: Any) -> tuple[str, set[Breach]]:
        """The verdict and all violations."""
        if "pattern" in rule:
            if not self.ways(rule["pattern"], {}):
                return "not_applicable", set()
            spans = frozenset(("pattern", span) for span in self.evidence(rule["pattern"], {}))
            return "violated", {Breach("pattern", spans, ())}
        found = self.ways(rule["when"], {})
        if not found:
            return "not_applicable", set()
        aliases = bound(rule["when"])
        breaches = set()
        for env in found if aliases else [{}]:
            broken = [
                kind
                for kind in ("always", "never")
                if kind in rule and bool(self.ways(rule[kind], env)) is (kind == "never")
            ]
            if broken:
                breaches.add(self.breach(rule, env, broken, text))
        return ("violated" if breaches else "satisfied"), breaches

    def breach(self, rule: dict[str, Tree], env: Env, broken: Sequence[str], text: Any) -> Breach:
        spans = {(alias, span.id) for alias, span in env.items()}
        if not env:
            spans = {("when", span) for span in self.evidence(rule["when"], {})}
        missing: list[str] = []
        if "always" in broken:
            missing = self.missing(rule["always"], env, text)
        if "never" in broken:
            spans |= {("never", span) for span in self.evidence(rule["never"], env)}
        return Breach(broken[0], frozenset(spans), tuple(dict.fromkeys(missing)))


def repr_of(value: Any) -> Any:
    """A value as it is equal to others of its kind."""
    if is_number(value):
        return ("number", value)
    return (type(value).__name__, repr(value))


def bound(tree: Tree) -> set[str]:
    """The aliases that a condition names for all that follows it."""
    if tree[0] == "some":
        return {tree[2]} - {None}
    if tree[0] == "relation":
        return {tree[3][1], tree[4][1]} - {None}
    return {alias for item in tree[1] for alias in bound(item)} if tree[0] == "and" else set()


names = bound


def reads(tree: Any) -> set[str]:
    """The aliases that a tree reads."""
    if not isinstance(tree, tuple | list):
        return set()
    own = {tree[1]} if len(tree) > 1 and tree[0] in ("alias", "as") else set()
    return own | {alias for item in tree for alias in reads(item)}


def counted(side: Any) -> list[Tree]:
    """The selectors that a number of the trace is of."""
    if not isinstance(side, tuple):
        return []
    if side[0] == "count":
        return [side[1]]
    if side[0] in ("number", "groups"):
        return [side[2]]
    return [each for item in side[2:] for each in counted(item)] if side[0] == "reckon" else []
