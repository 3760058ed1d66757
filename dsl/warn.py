"""What is legal in a rule and surely not meant."""

import itertools
from collections.abc import Iterable, Iterator

from dsl import nodes as n
from dsl.fields import field_of
from dsl.format import formatted
from dsl.scope import Scope

_BELOW = ("<", "<=")
_ABOVE = (">", ">=")
_OF_SPANS = {
    "name": "span:name",
    "status": "span:status",
    "kind": "span:kind",
    "duration": "duration",
    "service": "service",
}
Truth = bool | None


def warnings(parsed: n.Condition, scope: Scope) -> None:
    """Note all warnings of a rule that has no errors."""
    for each in WARNINGS:
        each(parsed, scope)


def _unused(parsed: n.Condition, scope: Scope) -> None:
    for let in parsed.lets:
        if let.name not in scope.used:
            scope.warn(n.Name(let.start, let.end, let.name), f"'{let.name}' is named and not used")
    in_when = {node.alias for node in _walk(parsed.clause("when")) if isinstance(node, n.As)}
    for node in n.walk(parsed):
        if isinstance(node, n.As) and node.alias not in scope.used and node.alias not in in_when:
            place = n.Name(node.end - len(node.alias), node.end, node.alias)
            scope.warn(place, f"'{node.alias}' names a span and is not used")


def _related_to_itself(parsed: n.Condition, scope: Scope) -> None:
    for node in n.walk(parsed):
        if isinstance(node, n.Relation) and formatted(node.left) == formatted(node.right):
            text = formatted(node.left)
            scope.warn(node, f"'{text}' stands on both sides: this asks for two of them")


def _never_holds(parsed: n.Condition, scope: Scope) -> None:
    for node in n.walk(parsed):
        if isinstance(node, n.Where) and truth(node.predicate) is False:
            scope.warn(node.predicate, "this can never hold: nothing is selected")


def _never_violated(parsed: n.Condition, scope: Scope) -> None:
    if parsed.pattern is not None:
        if truth(parsed.pattern) is False:
            scope.warn(parsed.pattern, "this can never hold: the rule is never violated")
        return
    when, always, never = (parsed.clause(kind) for kind in ("when", "always", "never"))
    if when is None or (always is None and never is None):
        return
    kept = always is None or truth(always) is True or _same(when, always)
    if truth(when) is False:
        scope.warn(when, "this can never hold: the rule is never violated")
    elif kept and (never is None or truth(never) is False):
        scope.warn(always or never or when, "this always holds when 'when' does: the rule is never violated")


def _same(when: n.Node, always: n.Node) -> bool:
    """Whether `always` asks for what `when` found, or for a part of it."""
    asked = {formatted(item) for item in _operands(always)}
    found = {formatted(item.item if isinstance(item, n.As) else item) for item in _operands(when)}
    return asked <= found


def _operands(node: n.Node) -> Iterable[n.Node]:
    while isinstance(node, n.Nested):
        node = node.item
    return node.items if isinstance(node, n.And) else (node,)


def _reads_like_an_invariant(parsed: n.Condition, scope: Scope) -> None:
    node = parsed.pattern
    while isinstance(node, n.Nested):
        node = node.item
    if isinstance(node, n.Relation) and node.op in ("before", "after"):
        text = "this pattern is violated where the order is kept"
    elif isinstance(node, n.Call) and node.fun == "all":
        text = "this pattern is violated where all is as it says"
    elif isinstance(node, n.Or) and {isinstance(item, n.Not) for item in node.items} == {True, False}:
        text = "this pattern is violated where it holds"
    else:
        return
    scope.warn(node, f"{text}: did you mean 'when {{ … }} always {{ … }}'?")


def _span_as_a_name(parsed: n.Condition, scope: Scope) -> None:
    for node in _said_of_the_trace([node for _, node in parsed.clauses] + [parsed.pattern]):
        left = node.left if isinstance(node, n.Compare) else None
        field = left.text.removeprefix("span.") if isinstance(left, n.Name) else ""
        if left is not None and field in _OF_SPANS and formatted(left) == f"span.{field}":
            fix = f"trace.has({_OF_SPANS[field]} …)"
            scope.warn(left, f"'span' is the name of a span here: {fix} asks any span", fix)


def _said_of_the_trace(nodes: Iterable[n.Node | None]) -> Iterator[n.Node]:
    """The conditions, without what they say of single spans."""
    for node in nodes:
        if isinstance(node, n.And | n.Or):
            yield from _said_of_the_trace(node.items)
        elif isinstance(node, n.Not | n.Nested):
            yield from _said_of_the_trace([node.item])
        elif node is not None:
            yield node


def truth(node: n.Node) -> Truth:  # noqa: C901 one case a node
    """Whether a condition or predicate always holds, or never, as far as the text tells."""
    match node:
        case n.Nested():
            return truth(node.item)
        case n.Not():
            inner = truth(node.item)
            return None if inner is None else not inner
        case n.And():
            known = [truth(item) for item in node.items]
            if False in known or _contradict(node.items):
                return False
            return True if all(each is True for each in known) else None
        case n.Or():
            known = [truth(item) for item in node.items]
            if True in known or _negated(node.items):
                return True
            return False if all(each is False for each in known) else None
        case n.Has() | n.As():
            return truth(node.item)
        case n.Where():
            return False if truth(node.item) is False or truth(node.predicate) is False else None
        case n.Name(text="any"):
            return True
        case n.Compare():
            return _compared(node)
    return None


def _compared(node: n.Compare) -> Truth:
    """What is certain of a count, which is never less than 0."""
    match node.left, node.right:
        case n.Call(fun="count" | "distinct"), n.Number(value=value):
            least = value if node.op in _BELOW else -value
            if node.op in _ABOVE and (value < 0 or (value == 0 and node.op == ">=")):
                return True
            if (node.op == "<" and value <= 0) or (node.op in ("<=", "==") and value < 0):
                return False
            return True if node.op == "!=" and least > 0 and value < 0 else None
    return None


def _negated(items: tuple[n.Node, ...]) -> bool:
    """Whether one of them is another's `not`."""
    texts = {formatted(item) for item in items}
    return any(isinstance(item, n.Not) and formatted(item.item) in texts for item in items)


def _contradict(items: tuple[n.Node, ...]) -> bool:
    """Whether two of them cannot both hold."""
    if _negated(items):
        return True
    compared = [item for item in _flat(items) if isinstance(item, n.Compare)]
    return any(_exclude(a, b) for a, b in itertools.combinations(compared, 2))


def _flat(items: Iterable[n.Node]) -> Iterator[n.Node]:
    for item in items:
        while isinstance(item, n.Nested):
            item = item.item
        if isinstance(item, n.And):
            yield from _flat(item.items)
        else:
            yield item


def _exclude(a: n.Compare, b: n.Compare) -> bool:
    """Whether two comparisons of one field with literals cannot both hold."""
    left, right = formatted(a.left), formatted(b.left)
    if left != right or left.startswith(("event", "link")):
        return False
    one, other = _literal(a.right), _literal(b.right)
    if one is None or other is None or type(one) is not type(other):
        return False
    if a.op == b.op == "==":
        field = field_of(left) if isinstance(a.left, n.Name) else None
        return one != other and field is not None and field.kind != "any"  # an attribute may be an array
    return isinstance(one, float) and isinstance(other, float) and _apart(a.op, one, b.op, other)


def _apart(op: str, value: float, other_op: str, other: float) -> bool:
    if op in _BELOW and other_op in _ABOVE:
        return value < other or (value == other and (op, other_op) != ("<=", ">="))
    return other_op in _BELOW and op in _ABOVE and _apart(other_op, other, op, value)


def _literal(node: n.Node) -> float | str | None:
    match node:
        case n.Nested():
            return _literal(node.item)
        case n.Number():
            return float(node.value)
        case n.Duration():
            return node.value / 1e6
        case n.Text(value=value) | n.Name(text=value):
            return value
    return None


def _walk(node: n.Node | None) -> Iterator[n.Node]:
    if node is not None:
        yield from n.walk(n.Condition("", (), node, ()))


WARNINGS = (
    _unused,
    _related_to_itself,
    _never_holds,
    _never_violated,
    _reads_like_an_invariant,
    _span_as_a_name,
)
