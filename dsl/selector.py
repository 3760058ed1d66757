"""Compiles what selects spans: names, `any`, `root`, `trace.has`, `.where`, aliases."""

from collections.abc import Sequence
from dataclasses import dataclass

from dsl import nodes as n
from dsl.fields import RESERVED
from dsl.predicate import Env, Predicate, Run, Scope, predicate
from dsl.trace import Span


@dataclass(frozen=True, slots=True)
class Selector:
    """Spans of one name (None: any), or the roots, or the span of an alias, for which all predicates hold."""

    name: str | None
    roots: bool = False
    of_alias: str | None = None
    tests: tuple[Predicate, ...] = ()
    alias: str | None = None

    def select(self, run: Run, env: Env) -> Sequence[Span]:
        """The spans, in order of start time and span id."""
        found = self._base(run, env)
        for test in self.tests:
            kept = []
            for span in found:
                run.step()
                if test(run, span, env):
                    kept.append(span)
            found = kept
        return found

    def _base(self, run: Run, env: Env) -> Sequence[Span]:
        if self.of_alias is not None:
            return (env[self.of_alias],)
        if self.roots:
            return run.trace.roots
        return run.trace.spans if self.name is None else run.trace.by_name.get(self.name, ())


def is_selector(node: n.Node) -> bool:
    """Whether a node can only be meant as a selector, wherever it stands."""
    match node:
        case n.Name() | n.Text() | n.Has():
            return True
        case n.Where() | n.As() | n.Nested():
            return is_selector(node.item)
    return False


def selector(node: n.Node, scope: Scope, *, aliased: bool = False, of_alias: bool = False) -> Selector:
    """Compile a selector. `aliased`: `as` may stand here; `of_alias`: an alias may stand for its span."""
    match node:
        case n.As():
            inner = selector(node.item, scope)
            if not aliased:
                scope.wrong(node, "'as' cannot stand here: it names a span in a condition or a relation")
            return Selector(inner.name, inner.roots, inner.of_alias, inner.tests, node.alias)
        case n.Nested():
            return selector(node.item, scope, aliased=aliased, of_alias=of_alias)
        case n.Where():
            inner = selector(node.item, scope)
            test = predicate(node.predicate, scope)
            return Selector(inner.name, inner.roots, inner.of_alias, (*inner.tests, test), inner.alias)
        case n.Has():
            return argument(node.item, scope)
        case n.Text():
            return Selector(node.value)
        case n.Name():
            return _named(node, scope, of_alias)
    relation = isinstance(node, n.Relation)
    scope.wrong(
        node,
        "not yet supported: a relation as a selector" if relation else "a span or selector is needed here",
    )
    return Selector("")


def argument(node: n.Node, scope: Scope) -> Selector:
    """The argument of `trace.has` and `count`: a selector if it is one as a whole, else of any span."""
    if is_selector(node) or isinstance(node, n.Relation):
        return selector(node, scope)
    if isinstance(node, n.And | n.Or | n.Not) and _bare_names(node):
        scope.wrong(node, "names of spans cannot be joined here: trace.has(a) or trace.has(b)")
    return Selector(None, tests=(predicate(node, scope),))


def _bare_names(node: n.Node) -> bool:
    match node:
        case n.And() | n.Or():
            return any(_bare_names(item) for item in node.items)
        case n.Not() | n.Nested():
            return _bare_names(node.item)
    return isinstance(node, n.Name)


def _named(node: n.Name, scope: Scope, of_alias: bool) -> Selector:
    text = node.text
    if text in scope.aliases:
        if not of_alias:
            scope.wrong(node, f"'{text}' is a span already: relate it, or name a field as {text}.amount")
        return Selector(None, of_alias=text)
    if text in scope.lets:
        return selector(scope.lets[text], Scope(scope.lets, (), scope.problems, scope.keys))
    if text in ("any", "root"):
        return Selector(None, roots=text == "root")
    if text.startswith("trace.") or text in RESERVED:
        scope.wrong(node, f"'{text}' is no span: write it in quotes if a span is called so")
    if ":" in text:
        scope.wrong(node, f"'{text}' is a field: any.where({text} == ...)")
    return Selector(text)
