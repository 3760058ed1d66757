"""The parsed rule: frozen nodes, each with where it stands in the text."""

from collections.abc import Iterator
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Node:
    """Stands at text[start:end]."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Or(Node):
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class And(Node):
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not(Node):
    item: Node


@dataclass(frozen=True, slots=True)
class Name(Node):
    """A dotted name: a span, a field, an alias or a word, as its place has it."""

    text: str


@dataclass(frozen=True, slots=True)
class Text(Node):
    value: str


@dataclass(frozen=True, slots=True)
class Number(Node):
    value: int | float
    text: str


@dataclass(frozen=True, slots=True)
class Duration(Node):
    """In ns."""

    value: int
    text: str


@dataclass(frozen=True, slots=True)
class Where(Node):
    item: Node
    predicate: Node


@dataclass(frozen=True, slots=True)
class Bracket(Node):
    item: Node
    key: str


@dataclass(frozen=True, slots=True)
class FieldOf(Node):
    """A field after parentheses or quotes: `(q inside e).rows`."""

    item: Node
    field: str


@dataclass(frozen=True, slots=True)
class As(Node):
    item: Node
    alias: str


@dataclass(frozen=True, slots=True)
class Has(Node):
    """`trace.has(item)`."""

    item: Node


@dataclass(frozen=True, slots=True)
class Nested(Node):
    item: Node


@dataclass(frozen=True, slots=True)
class Call(Node):
    fun: str
    item: Node
    by: Node | None
    second: Node | None
    prefix: str = ""  # `trace.`, of `trace.count`


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    items: tuple[Node, ...]
    ops: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exists(Node):
    item: Node


@dataclass(frozen=True, slots=True)
class In(Node):
    item: Node
    values: tuple[Node, ...]
    negated: bool


@dataclass(frozen=True, slots=True)
class Compare(Node):
    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Relation(Node):
    """`gap` in ns: of `within`, or of `before` and `after` when they have one."""

    op: str
    left: Node
    right: Node
    gap: int | None


@dataclass(frozen=True, slots=True)
class Let(Node):
    name: str
    value: Node


@dataclass(frozen=True, slots=True)
class Condition:
    """A whole rule text: a pattern, or clauses by kind in the order of the text."""

    text: str
    lets: tuple[Let, ...]
    pattern: Node | None
    clauses: tuple[tuple[str, Node], ...]
    places: tuple[Node, ...] = ()  # of the clauses, with keyword and braces

    def clause(self, kind: str) -> Node | None:
        return next((node for name, node in self.clauses if name == kind), None)


def walk(condition: Condition) -> Iterator[Node]:
    """All nodes of a rule, in the order of the text."""
    stack: list[Node] = [node for _, node in reversed(condition.clauses)]
    if condition.pattern is not None:
        stack.append(condition.pattern)
    stack += [let.value for let in reversed(condition.lets)]
    while stack:
        node = stack.pop()
        yield node
        stack += reversed(list(parts(node)))


def parts(node: Node) -> Iterator[Node]:
    """The nodes that a node is made of."""
    for each in fields(node):
        value = getattr(node, each.name)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple):
            yield from (item for item in value if isinstance(item, Node))
